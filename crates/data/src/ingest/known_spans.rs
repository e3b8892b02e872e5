//! The first and the last known value of each series of a wide upload.
//!
//! A blank cell between them is a point without a value. One before or after them is no point: the series begins later or
//! ends earlier than others. Rows come in any order, so this is only known after the last one.

use super::rows::{Cells, Rows};
use super::times::swap_day_and_month;

/// The first and the last time of a series with a value.
type Span = Option<(i64, i64)>;

#[derive(Debug, Default)]
pub(super) struct KnownSpans {
    as_read: Vec<Span>,
    /// The same for dates that turn out to have the day first.
    day_first: Option<Vec<Span>>,
}

impl KnownSpans {
    /// Takes a time with a value. `undecided`: it may have day and month the wrong way round.
    pub(super) fn add(&mut self, series: u32, time: i64, undecided: bool) {
        extend(&mut self.as_read, series, time);
        if undecided {
            extend(self.day_first.get_or_insert_default(), series, swap_day_and_month(time));
        } else if let Some(day_first) = &mut self.day_first {
            extend(day_first, series, time);
        }
    }

    /// The spans, once the order of day and month is known.
    pub(super) fn settle(&mut self, day_first: bool) {
        if let Some(spans) = self.day_first.take().filter(|_| day_first) {
            self.as_read = spans;
        }
    }

    /// The rows without the blanks outside of their series.
    pub(super) fn trim(&self, rows: Rows) -> Rows {
        let Some(Cells::Numbers(values)) = rows.columns.first() else { return rows };
        if !values.iter().any(|value| value.is_nan()) {
            return rows;
        }
        let is_kept = |at: usize| {
            let known = values.get(at).is_some_and(|value| !value.is_nan());
            known || rows.key(at).is_some_and(|(series, time)| self.contains(series, time))
        };
        let mut kept = rows.empty_like();
        let mut start = 0;
        while start < rows.len() {
            let is_same = is_kept(start);
            let end = (start + 1..rows.len()).find(|&at| is_kept(at) != is_same).unwrap_or(rows.len());
            if is_same {
                kept.extend_from(&rows, start..end);
            }
            start = end;
        }
        kept
    }

    fn contains(&self, series: u32, time: i64) -> bool {
        let span = self.as_read.get(series as usize).copied().flatten();
        span.is_some_and(|(first, last)| (first..=last).contains(&time))
    }
}

fn extend(spans: &mut Vec<Span>, series: u32, time: i64) {
    let at = series as usize;
    if spans.len() <= at {
        spans.resize(at + 1, None);
    }
    if let Some(span) = spans.get_mut(at) {
        let (first, last) = span.get_or_insert((time, time));
        (*first, *last) = ((*first).min(time), (*last).max(time));
    }
}
