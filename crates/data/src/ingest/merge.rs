//! Merges sorted runs into one stream of sorted rows.
//!
//! Rows are handed on by ranges, as far as the run that leads stays ahead of all others: for an
//! upload that came sorted these are whole blocks, and nothing is compared row by row.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::rows::{Key, Rows};
use super::sorted_runs::Source;
use crate::error::IngestError;

/// One run, and how far it has been taken.
struct Cursor {
    source: Source,
    block: Rows,
    at: usize,
}

impl Cursor {
    /// Advances to the next block once this one is used up. Returns whether there is another row.
    fn refill(&mut self, kept: &[usize]) -> Result<bool, IngestError> {
        while self.at >= self.block.len() {
            match self.source.next_block()? {
                Some(block) => self.block = block.project(kept),
                None => return Ok(false),
            }
            self.at = 0;
        }
        Ok(true)
    }

    /// The end of the rows, from here on, that come before `bound`.
    fn before(&self, bound: Option<&Reverse<(Key, usize)>>, order: usize) -> usize {
        let Some(&Reverse((key, other))) = bound else { return self.block.len() };
        let comes_first = |at: usize| self.block.key(at).is_some_and(|row| (row, order) < (key, other));
        if comes_first(self.block.len() - 1) {
            return self.block.len();
        }
        // Doubling steps, then halving: short ranges are as cheap as long ones.
        let (mut low, mut step) = (self.at, 1);
        while comes_first(low + step) {
            low += step;
            step *= 2;
        }
        let mut high = (low + step).min(self.block.len());
        low += 1;
        while low < high {
            let middle = low + (high - low) / 2;
            if comes_first(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// Gives all rows in order of key, and those of one key in the order of the file. Only the columns
/// at the places `kept` are passed on.
pub(super) fn merge(
    sources: Vec<Source>,
    kept: &[usize],
    mut give: impl FnMut(&Rows, Range<usize>) -> Result<(), IngestError>,
) -> Result<(), IngestError> {
    let mut cursors = Vec::with_capacity(sources.len());
    let mut heads = BinaryHeap::new();
    for (order, source) in sources.into_iter().enumerate() {
        let mut cursor = Cursor { source, block: Rows::default(), at: 0 };
        if cursor.refill(kept)?
            && let Some(key) = cursor.block.first_key()
        {
            heads.push(Reverse((key, order)));
        }
        cursors.push(cursor);
    }
    while let Some(Reverse((_, order))) = heads.pop() {
        let Some(cursor) = cursors.get_mut(order) else { break };
        let end = cursor.before(heads.peek(), order).max(cursor.at + 1);
        give(&cursor.block, cursor.at..end)?;
        cursor.at = end;
        if cursor.refill(kept)?
            && let Some(key) = cursor.block.key(cursor.at)
        {
            heads.push(Reverse((key, order)));
        }
    }
    Ok(())
}
