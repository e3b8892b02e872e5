//! A sample of the series, in which seasons are searched.

use std::collections::VecDeque;

use super::rows::{Cells, Rows};
use super::write::StoredColumn;

/// Series of the sample, evenly spread over the dataset.
const SERIES: usize = 50;
/// The last points of each series that are kept, and the points of all series together.
const POINTS: usize = 5_000;
const TOTAL: usize = 100_000;
/// Names of the column to be sampled, in lower case. Without one of them, it is the first number column.
const TARGETS: [&str; 3] = ["y", "value", "target"];

#[derive(Debug, Default)]
pub(super) struct SeasonSample {
    column: usize,
    /// One in this many series is sampled.
    every: usize,
    most: usize,
    /// The number of the series that came last.
    last: Option<u32>,
    series: Vec<VecDeque<f64>>,
    /// The lengths of the sampled series, with the points that are not kept.
    pub(super) lengths: Vec<usize>,
}

impl SeasonSample {
    pub(super) fn new(series: usize, columns: &[StoredColumn<'_>]) -> Self {
        let numbers = || columns.iter().enumerate().filter(|(_, column)| column.categories.is_none());
        let is_target = |name: &str| TARGETS.contains(&name.to_lowercase().as_str());
        let column = numbers().find(|(_, column)| is_target(column.name)).or_else(|| numbers().next());
        let every = series.div_ceil(SERIES).max(1);
        let sampled = series.div_ceil(every).max(1);
        Self { column: column.map_or(0, |(at, _)| at), every, most: (TOTAL / sampled).min(POINTS), ..Self::default() }
    }

    /// Takes the next rows of a series.
    pub(super) fn take(&mut self, series: u32, rows: &Rows, start: usize, end: usize) {
        let Some(Cells::Numbers(values)) = rows.columns.get(self.column) else { return };
        if !(series as usize).is_multiple_of(self.every) {
            return;
        }
        if self.last.replace(series) != Some(series) {
            self.series.push(VecDeque::new());
            self.lengths.push(0);
        }
        let (Some(kept), Some(length)) = (self.series.last_mut(), self.lengths.last_mut()) else { return };
        *length += end - start;
        let newest = start.max(end.saturating_sub(self.most))..end;
        kept.extend(values.get(newest).unwrap_or_default());
        kept.drain(..kept.len().saturating_sub(self.most));
    }

    /// The values of each series, from its first to its last known one.
    pub(super) fn values(&self) -> Vec<Vec<f64>> {
        let known = |values: &VecDeque<f64>| {
            let is_known = |value: &f64| !value.is_nan();
            let first = values.iter().position(is_known).unwrap_or(values.len());
            let last = values.iter().rposition(is_known).map_or(first, |last| last + 1);
            values.range(first..last).copied().collect()
        };
        self.series.iter().map(known).collect()
    }
}
