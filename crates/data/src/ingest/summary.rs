//! Statistics of the points, gathered as they stream by in order.

use std::collections::HashMap;

use jiff::Timestamp;

use super::rows::{Cells, NO_CATEGORY, Rows};
use super::steps::{Grid, Steps};
use super::write::{IndexWriter, StoredColumn};
use crate::error::IngestError;
use crate::interner::Interner;
use gatecast_core::dataset::{CategoryCount, Column, ColumnKind, FrequencyCount, Gap, NumberSummary, SeriesSummary};
use gatecast_core::frequency::Frequency;

/// Gaps, constant series and frequencies named in a profile.
const NAMED: usize = 20;
const CATEGORIES_NAMED: usize = 50;
/// Series shorter than this are worth a warning.
pub(super) const SHORT: u64 = 20;

/// Gathers everything; writes each series to the index as it ends.
pub(super) struct Summary<'a> {
    keys: &'a Interner,
    names: Vec<&'a str>,
    has_times: bool,
    index: IndexWriter,
    columns: Vec<ColumnSummary>,
    series: Option<SeriesState>,
    pub(super) totals: Totals,
}

/// Over all series.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) points: u64,
    pub(super) series: u64,
    pub(super) shortest: u64,
    pub(super) longest: u64,
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) gaps: u64,
    pub(super) gapped: u64,
    pub(super) first_gaps: Vec<Gap>,
    pub(super) irregular: u64,
    pub(super) short: u64,
    pub(super) constant: Vec<String>,
    pub(super) constant_count: u64,
    frequencies: HashMap<Option<Frequency>, u64>,
}

/// The current series.
struct SeriesState {
    number: u32,
    first_row: u64,
    points: u64,
    start: i64,
    end: i64,
    steps: Steps,
    /// Lowest and highest value of each number column.
    ranges: Vec<Option<(f64, f64)>>,
}

struct ColumnSummary {
    missing: u64,
    /// The latest time of a point with a value.
    last: Option<i64>,
    values: ValueSummary,
}

enum ValueSummary {
    Numbers(Moments),
    /// Points of each category.
    Categories(Vec<u64>),
}

/// Running mean and squared deviation (Welford 1962): exact enough for any count.
#[derive(Debug, Default)]
struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
    low: f64,
    high: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        if self.count == 0 {
            (self.low, self.high) = (value, value);
        }
        self.count += 1;
        let off = value - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (value - self.mean);
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }
}

impl<'a> Summary<'a> {
    pub(super) fn new(keys: &'a Interner, columns: &[StoredColumn<'a>], has_times: bool, index: IndexWriter) -> Self {
        let summary = |column: &StoredColumn<'_>| ColumnSummary {
            missing: 0,
            last: None,
            values: match column.categories {
                None => ValueSummary::Numbers(Moments::default()),
                Some(texts) => ValueSummary::Categories(vec![0; texts.len()]),
            },
        };
        Self {
            keys,
            names: columns.iter().map(|column| column.name).collect(),
            has_times,
            index,
            columns: columns.iter().map(summary).collect(),
            series: None,
            totals: Totals::default(),
        }
    }

    pub(super) fn take(&mut self, rows: &Rows) -> Result<(), IngestError> {
        let mut start = 0;
        for same in rows.series.chunk_by(|a, b| a == b) {
            let end = start + same.len();
            let number = same.first().copied().unwrap_or_default();
            if self.series.as_ref().is_none_or(|series| series.number != number) {
                self.end_series()?;
            }
            self.extend_series(number, rows, start, end);
            start = end;
        }
        for (summary, cells) in self.columns.iter_mut().zip(&rows.columns) {
            let ColumnSummary { missing, last, values } = summary;
            match (values, cells) {
                (ValueSummary::Numbers(moments), Cells::Numbers(numbers)) => {
                    for (&value, time) in numbers.iter().zip(&rows.times) {
                        if value.is_nan() {
                            *missing += 1;
                        } else {
                            moments.add(value);
                            *last = (*last).max(Some(*time));
                        }
                    }
                }
                (ValueSummary::Categories(counts), Cells::Categories(codes)) => {
                    for (&code, time) in codes.iter().zip(&rows.times) {
                        match counts.get_mut(code as usize).filter(|_| code != NO_CATEGORY) {
                            Some(count) => {
                                *count += 1;
                                *last = (*last).max(Some(*time));
                            }
                            None => *missing += 1,
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn extend_series(&mut self, number: u32, rows: &Rows, start: usize, end: usize) {
        let times = rows.times.get(start..end).unwrap_or_default();
        let (Some(&first), Some(&last)) = (times.first(), times.last()) else { return };
        let (points, columns) = (self.totals.points, rows.columns.len());
        let series = self.series.get_or_insert_with(|| SeriesState {
            number,
            first_row: points,
            points: 0,
            start: first,
            end: first,
            steps: Steps::default(),
            ranges: vec![None; columns],
        });
        series.points += times.len() as u64;
        series.end = last;
        self.totals.points += times.len() as u64;
        if self.has_times {
            series.steps.extend(times);
        }
        for (range, cells) in series.ranges.iter_mut().zip(&rows.columns) {
            if let Cells::Numbers(values) = cells {
                for &value in values.get(start..end).unwrap_or_default().iter().filter(|value| !value.is_nan()) {
                    let (low, high) = range.get_or_insert((value, value));
                    *low = low.min(value);
                    *high = high.max(value);
                }
            }
        }
    }

    fn end_series(&mut self) -> Result<(), IngestError> {
        let Some(series) = self.series.take() else { return Ok(()) };
        let Grid { frequency, gaps, first_gaps } = series.steps.finish();
        let key = self.keys.text(series.number);
        let totals = &mut self.totals;
        totals.shortest = if totals.series == 0 { series.points } else { totals.shortest.min(series.points) };
        totals.longest = totals.longest.max(series.points);
        totals.series += 1;
        totals.gaps = totals.gaps.saturating_add(gaps);
        totals.gapped += u64::from(gaps > 0);
        let named = first_gaps.into_iter().filter_map(|gap| gap_of(key, frequency?, gap));
        totals.first_gaps.extend(named.take(NAMED.saturating_sub(totals.first_gaps.len())));
        totals.irregular += u64::from(self.has_times && frequency.is_none() && series.points > 1);
        totals.short += u64::from(series.points < SHORT);
        *totals.frequencies.entry(frequency).or_default() += 1;
        if self.has_times {
            totals.start = Some(totals.start.map_or(series.start, |start| start.min(series.start)));
            totals.end = Some(totals.end.map_or(series.end, |end| end.max(series.end)));
        }
        for (name, range) in self.names.iter().zip(&series.ranges) {
            if series.points > 1 && range.is_some_and(|(low, high)| low == high) {
                totals.constant_count += 1;
                if totals.constant.len() < NAMED {
                    totals.constant.push(format!("{key}/{name}"));
                }
            }
        }
        let moment = |micros: i64| Timestamp::from_microsecond(micros).ok().filter(|_| self.has_times);
        let summary = SeriesSummary {
            key: key.to_owned(),
            points: series.points,
            start: moment(series.start),
            end: moment(series.end),
            frequency,
            gaps,
        };
        self.index.push(series.first_row, summary)
    }

    /// Ends the last series and the index file.
    pub(super) fn finish(mut self) -> Result<(Totals, Vec<Column>), IngestError> {
        self.end_series()?;
        self.index.finish()?;
        Ok((
            self.totals,
            self.columns
                .into_iter()
                .zip(&self.names)
                .map(|(column, name)| column.describe(name, self.has_times))
                .collect(),
        ))
    }
}

/// A run of grid steps without a point, from the point before it.
fn gap_of(series: &str, frequency: Frequency, (before, steps): (i64, u64)) -> Option<Gap> {
    let at = |steps: u64| {
        let time = frequency.add(before, i64::try_from(steps).ok()?)?;
        Timestamp::from_microsecond(time).ok()
    };
    Some(Gap { series: series.to_owned(), from: at(1)?, to: at(steps)?, steps })
}

impl Totals {
    /// The frequency that all series share, and how many series have which.
    pub(super) fn frequencies(&self) -> (Option<Frequency>, Vec<FrequencyCount>) {
        let mut counts: Vec<FrequencyCount> =
            self.frequencies.iter().map(|(&frequency, &series)| FrequencyCount { frequency, series }).collect();
        counts.sort_by_cached_key(|count| {
            (std::cmp::Reverse(count.series), count.frequency.map(|frequency| frequency.to_string()))
        });
        let shared = match counts.as_slice() {
            [only] => only.frequency,
            _ => None,
        };
        counts.truncate(NAMED);
        (shared, counts)
    }

    pub(super) fn mixed(&self) -> bool {
        self.frequencies.keys().flatten().count() > 1
    }
}

impl ColumnSummary {
    fn describe(self, name: &str, has_times: bool) -> Column {
        let (name, missing) = (name.to_owned(), self.missing);
        let last = self.last.filter(|_| has_times).and_then(|last| Timestamp::from_microsecond(last).ok());
        match self.values {
            ValueSummary::Numbers(moments) => {
                let numbers = (moments.count > 0).then(|| NumberSummary {
                    min: moments.low,
                    mean: moments.mean,
                    max: moments.high,
                    std: (moments.squares / moments.count as f64).sqrt(),
                });
                Column { name, kind: ColumnKind::Number, missing, last, numbers, categories: Vec::new() }
            }
            // The texts are filled in later: see `name_categories`.
            ValueSummary::Categories(counts) => {
                let categories =
                    counts.into_iter().map(|points| CategoryCount { value: String::new(), points }).collect();
                Column { name, kind: ColumnKind::Category, missing, last, numbers: None, categories }
            }
        }
    }
}

/// Puts the texts to the counts of a category column, the most frequent first.
pub(super) fn name_categories(column: &mut Column, texts: &Interner) {
    for (count, text) in column.categories.iter_mut().zip(texts.texts()) {
        text.clone_into(&mut count.value);
    }
    column.categories.retain(|count| count.points > 0);
    column.categories.sort_by(|a, b| b.points.cmp(&a.points).then_with(|| a.value.cmp(&b.value)));
    column.categories.truncate(CATEGORIES_NAMED);
}
