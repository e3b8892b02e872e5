//! Statistics of the points, gathered as they stream by in order.

use std::collections::HashMap;

use jiff::Timestamp;

use super::load::Loaded;
use super::rows::{Cells, NO_CATEGORY, Rows};
use super::season_sample::SeasonSample;
use super::series_ends::{SeriesEnds, Step};
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
    /// The frequency given by the caller.
    given: Option<Frequency>,
    /// The frequency that the file states.
    stated: Option<Frequency>,
    /// The size of one step, where steps are numbered.
    step_size: Option<i64>,
    sample: SeasonSample,
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
    pub(super) ends: SeriesEnds,
    frequencies: HashMap<Option<Frequency>, u64>,
    /// The frequency that the times of all series have so far, whatever was given.
    own: Option<Frequency>,
    own_differ: bool,
}

/// The current series.
struct SeriesState {
    number: u32,
    first_row: u64,
    points: u64,
    start: i64,
    end: i64,
    /// The last time with a number.
    last_known: Option<i64>,
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
    /// `given`: the frequency of the upload's options.
    pub(super) fn new(
        loaded: &'a Loaded,
        columns: &[StoredColumn<'a>],
        given: Option<Frequency>,
        index: IndexWriter,
    ) -> Self {
        let summary = |column: &StoredColumn<'_>| ColumnSummary {
            missing: 0,
            last: None,
            values: match column.categories {
                None => ValueSummary::Numbers(Moments::default()),
                Some(texts) => ValueSummary::Categories(vec![0; texts.len()]),
            },
        };
        Self {
            keys: &loaded.keys,
            names: columns.iter().map(|column| column.name).collect(),
            has_times: loaded.plan.has_times(),
            given,
            stated: loaded.plan.frequency.filter(|_| loaded.plan.has_times()),
            step_size: loaded.plan.counts_steps().then_some(loaded.step_size),
            sample: SeasonSample::new(loaded.keys.len(), columns),
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
        self.sample.take(number, rows, start, end);
        let series = self.series.get_or_insert_with(|| SeriesState {
            number,
            first_row: points,
            points: 0,
            start: first,
            end: first,
            last_known: None,
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
                let values = values.get(start..end).unwrap_or_default();
                let last_known = values.iter().rposition(|value| !value.is_nan()).and_then(|at| times.get(at).copied());
                series.last_known = series.last_known.max(last_known);
                for &value in values.iter().filter(|value| !value.is_nan()) {
                    let (low, high) = range.get_or_insert((value, value));
                    *low = low.min(value);
                    *high = high.max(value);
                }
            }
        }
    }

    fn end_series(&mut self) -> Result<(), IngestError> {
        let Some(series) = self.series.take() else { return Ok(()) };
        let key = self.keys.text(series.number);
        let own = series.steps.finish();
        let totals = &mut self.totals;
        if series.points > 1 && self.has_times {
            totals.own_differ |=
                own.frequency.is_none() || totals.own.is_some_and(|other| Some(other) != own.frequency);
            totals.own = own.frequency;
        }
        let grid = match self.given.filter(|_| self.has_times) {
            Some(given) => series.steps.on_grid(given).ok_or_else(|| off_grid(key, given, own.frequency))?,
            None => self.stated.and_then(|stated| series.steps.on_grid(stated)).unwrap_or(own),
        };
        let Grid { frequency, gaps, first_gaps } = grid;
        let step = frequency.map(Step::Time).or(self.step_size.map(Step::Number));
        if let (Some(step), Some(last)) = (step, series.last_known) {
            totals.ends.add(series.number, last, step);
        }
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
    pub(super) fn finish(mut self) -> Result<(Totals, SeasonSample, Vec<Column>), IngestError> {
        self.end_series()?;
        self.index.finish()?;
        let own = self.totals.own.filter(|_| !self.totals.own_differ);
        if let (Some(given), Some(own)) = (self.given, own)
            && given != own
        {
            let detail = format!("the times have the frequency {own}, but `frequency` is {given}");
            return Err(IngestError::refuse("frequency_contradicts_times", detail));
        }
        Ok((
            self.totals,
            self.sample,
            self.columns
                .into_iter()
                .zip(&self.names)
                .map(|(column, name)| column.describe(name, self.has_times))
                .collect(),
        ))
    }
}

fn off_grid(series: &str, given: Frequency, own: Option<Frequency>) -> IngestError {
    let own = own.map_or("have no even step".to_owned(), |own| format!("have the frequency {own}"));
    let key = super::cells::quoted(series.as_bytes());
    let detail = format!("`frequency` is {given}, but the times of series {key} are not on its grid: they {own}");
    IngestError::refuse("frequency_contradicts_times", detail)
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

    /// The frequency of all series that have one.
    pub(super) fn only_frequency(&self) -> Option<Frequency> {
        let mut known = self.frequencies.keys().flatten();
        known.next().copied().filter(|_| known.next().is_none())
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
