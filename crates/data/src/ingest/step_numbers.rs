//! Numbers of steps in place of times: the size of one step, and the steps that have no row.
//!
//! Data without times is stored without a time column, so a step without a row must become a point without values: else
//! the points after it would move up.

use super::cells::quoted;
use super::rows::{Key, Rows};
use super::steps::greatest_common_divisor;
use crate::error::IngestError;
use crate::interner::Interner;

/// A series may have this many steps without a row for each row, and [`ALLOWANCE`] more.
const STEPS_A_ROW: u64 = 4;
const ALLOWANCE: u64 = 1_000;
/// Rows of a block that is handed on.
const BLOCK: usize = 65_536;

/// The size of one step: the greatest common divisor of all differences within a series.
#[derive(Debug, Default)]
pub(super) struct StepSize {
    size: i64,
    /// The first number read of each series.
    firsts: Vec<Option<i64>>,
}

impl StepSize {
    pub(super) fn add(&mut self, series: u32, number: i64) {
        if self.size == 1 {
            return;
        }
        let at = series as usize;
        if self.firsts.len() <= at {
            self.firsts.resize(at + 1, None);
        }
        if let Some(first) = self.firsts.get_mut(at) {
            self.size = greatest_common_divisor(self.size, number - *first.get_or_insert(number));
        }
    }

    /// At least 1.
    pub(super) fn get(&self) -> i64 {
        self.size.max(1)
    }
}

/// Adds the points that have no row.
pub(super) struct StepFiller<'a> {
    keys: &'a Interner,
    size: i64,
    /// Points that may be added in all.
    left: u64,
    last: Option<Key>,
    /// Of the current series.
    rows: u64,
    added: u64,
    /// Over all series.
    pub(super) total: u64,
    pub(super) series: u64,
}

impl<'a> StepFiller<'a> {
    /// `left`: the number of points that may be added.
    pub(super) fn new(keys: &'a Interner, size: i64, left: u64) -> Self {
        Self { keys, size, left, last: None, rows: 0, added: 0, total: 0, series: 0 }
    }

    /// Takes sorted rows without duplicates, and gives them with those added that are missing.
    pub(super) fn take(
        &mut self,
        rows: Rows,
        give: &mut dyn FnMut(Rows) -> Result<(), IngestError>,
    ) -> Result<(), IngestError> {
        let mut filled = rows.empty_like();
        let mut fresh = 0;
        for at in 0..rows.len() {
            let Some(key @ (series, number)) = rows.key(at) else { break };
            let last = self.last.replace(key);
            let Some((_, before)) = last.filter(|(last, _)| *last == series) else {
                (self.rows, self.added) = (1, 0);
                continue;
            };
            self.rows += 1;
            if number - before == self.size {
                continue;
            }
            filled.extend_from(&rows, fresh..at);
            fresh = at;
            self.admit(series, before, number)?;
            for missing in (1..(number - before) / self.size).map(|step| before + step * self.size) {
                filled.push_unknown(series, missing);
                if filled.len() >= BLOCK {
                    let empty = filled.empty_like();
                    give(std::mem::replace(&mut filled, empty))?;
                }
            }
        }
        if fresh == 0 && filled.len() == 0 {
            return give(rows);
        }
        filled.extend_from(&rows, fresh..rows.len());
        give(filled)
    }

    /// Counts the steps between two numbers of a series, and refuses too many.
    fn admit(&mut self, series: u32, before: i64, number: i64) -> Result<(), IngestError> {
        let missing = u64::try_from((number - before) / self.size - 1).unwrap_or(0);
        self.series += u64::from(self.added == 0);
        self.added += missing;
        self.total += missing;
        if self.added > self.rows.saturating_mul(STEPS_A_ROW).saturating_add(ALLOWANCE) || self.total > self.left {
            let key = quoted(self.keys.text(series).as_bytes());
            let detail = format!(
                "series {key} has no row for the steps between {before} and {number}, which are far more than its rows; check \
                 the numbers for typing errors, or say time_format if they are times"
            );
            return Err(IngestError::refuse("too_many_missing_steps", detail));
        }
        Ok(())
    }
}
