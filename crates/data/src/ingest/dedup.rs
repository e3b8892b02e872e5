//! Keeps one row for each series and time: exact copies are dropped, and rows that differ are
//! resolved by the duplicate policy or refused.

use std::ops::Range;

use super::rows::{Key, Rows};
use crate::error::{IngestError, RowError};
use gatecast_core::dataset::DuplicatePolicy;

/// Contradictions named before the upload is refused.
const NAMED: usize = 20;

/// Takes sorted rows and gives blocks of them without duplicates.
pub(super) struct Combiner<'a> {
    policy: DuplicatePolicy,
    /// A row without a value is none beside one with a value: the blanks of a wide upload.
    blanks_yield: bool,
    /// The last row of it may still be replaced; it goes when the next key comes.
    block: Rows,
    capacity: usize,
    last: Option<Key>,
    contradictions: Vec<RowError>,
    describe: &'a dyn Fn(Key) -> String,
    pub(super) dropped: u64,
}

impl<'a> Combiner<'a> {
    /// `describe` names a key in messages.
    pub(super) fn new(policy: DuplicatePolicy, blanks_yield: bool, describe: &'a dyn Fn(Key) -> String) -> Self {
        Self {
            policy,
            blanks_yield,
            block: Rows::default(),
            capacity: 0,
            last: None,
            contradictions: Vec::new(),
            describe,
            dropped: 0,
        }
    }

    /// Takes rows that come after all before, or repeat the last of them.
    pub(super) fn take(
        &mut self,
        rows: &Rows,
        range: Range<usize>,
        give: &mut dyn FnMut(Rows) -> Result<(), IngestError>,
    ) -> Result<(), IngestError> {
        if self.last.is_none() {
            self.block = rows.empty_like();
            // About two megabytes: a good deal more than a page of Parquet, and still in the cache.
            self.capacity = ((2 << 20) / rows.row_bytes()).clamp(64, 65_536);
        }
        let mut fresh = range.start;
        for at in range.clone() {
            let key = rows.key(at);
            if key == self.last {
                self.append(rows, fresh..at, give)?;
                fresh = at + 1;
                self.settle(rows, at)?;
            } else {
                self.last = key;
            }
        }
        self.append(rows, fresh..range.end, give)
    }

    /// Gives what is left.
    pub(super) fn finish(mut self, give: &mut dyn FnMut(Rows) -> Result<(), IngestError>) -> Result<u64, IngestError> {
        if !self.contradictions.is_empty() {
            return Err(self.refusal());
        }
        if self.block.len() > 0 {
            give(std::mem::take(&mut self.block))?;
        }
        Ok(self.dropped)
    }

    fn append(
        &mut self,
        rows: &Rows,
        range: Range<usize>,
        give: &mut dyn FnMut(Rows) -> Result<(), IngestError>,
    ) -> Result<(), IngestError> {
        let mut start = range.start;
        while start < range.end {
            if self.block.len() >= self.capacity {
                let empty = self.block.empty_like();
                give(std::mem::replace(&mut self.block, empty))?;
            }
            let end = range.end.min(start + self.capacity - self.block.len());
            self.block.extend_from(rows, start..end);
            start = end;
        }
        Ok(())
    }

    /// Row `at` has the key of the block's last row.
    fn settle(&mut self, rows: &Rows, at: usize) -> Result<(), IngestError> {
        let kept = self.block.len().saturating_sub(1);
        if self.blanks_yield && (self.block.is_blank(kept) || rows.is_blank(at)) {
            if !rows.is_blank(at) {
                self.block.pop();
                self.block.extend_from(rows, at..at + 1);
            }
            return Ok(());
        }
        self.dropped += 1;
        if self.block.same_values(kept, rows, at) {
            return Ok(());
        }
        match self.policy {
            DuplicatePolicy::First => Ok(()),
            DuplicatePolicy::Last => {
                self.block.pop();
                self.block.extend_from(rows, at..at + 1);
                Ok(())
            }
            DuplicatePolicy::Refuse => {
                let line = |rows: &Rows, at: usize| rows.lines.get(at).copied().unwrap_or_default();
                let what = rows.key(at).map(|key| (self.describe)(key)).unwrap_or_default();
                self.contradictions.push(RowError {
                    line: u64::from(line(rows, at)),
                    column: None,
                    code: "contradicting_duplicate",
                    detail: format!("gives other values than line {} for {what}", line(&self.block, kept)),
                });
                if self.contradictions.len() >= NAMED { Err(self.refusal()) } else { Ok(()) }
            }
        }
    }

    fn refusal(&mut self) -> IngestError {
        let mut rows = std::mem::take(&mut self.contradictions);
        rows.sort_by_key(|row| row.line);
        IngestError::rows(
            "contradicting_duplicates",
            "rows give one series and time different values; say duplicates=first or duplicates=last to keep one of \
             them, or name the column of the series ids (series_column) if the file holds several series",
            rows,
        )
    }
}
