//! Histories read from a stored dataset: the latest points of the series a request names.
//!
//! Where the model reads covariates known ahead, a series' history ends at its last point with a
//! target: the rows behind it hold what is known of the points ahead, unless the request does.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::covariates::{Values, covariate, place};
use super::error::ForecastError;
use super::input_spec::InputSpec;
use super::request_input::{History, assemble};
use gatecast_core::forecast::{CovariateValue, History as Given, SeriesRequest};
use gatecast_core::order::Resample;
use gatecast_core::resolve::FieldError;
use gatecast_data::{Located, PointWindow, ReadError, SeriesColumn, SeriesValues, ValuesQuery, find_series, values_of};
use gatecast_model::features::{Coded, input_columns};
use gatecast_model::{missing, resample};

/// One series of a request.
#[derive(Debug)]
struct Asked {
    pointer: String,
    key: String,
    /// What is known of the points ahead.
    future: BTreeMap<String, Vec<CovariateValue>>,
}

/// Where a dataset's files are.
#[derive(Debug, Clone)]
pub struct DatasetFiles {
    pub points: PathBuf,
    pub index: PathBuf,
}

/// One history a series, in the order asked.
pub(super) fn read(
    spec: &InputSpec<'_>,
    series: Vec<SeriesRequest>,
    files: &DatasetFiles,
) -> Result<Vec<History>, ForecastError> {
    histories(spec, &asked(series)?, &files.points, &files.index)
}

fn asked(series: Vec<SeriesRequest>) -> Result<Vec<Asked>, ForecastError> {
    let (mut asked, mut seen, mut errors) = (Vec::with_capacity(series.len()), BTreeSet::new(), Vec::new());
    for (at, series) in series.into_iter().enumerate() {
        let pointer = format!("/series/{at}");
        let (key, future) = match series {
            SeriesRequest::Key(key) => (key, BTreeMap::new()),
            SeriesRequest::History(Given { id: Some(key), future, values, targets, past, fixed, .. })
                if values.is_empty() && targets.is_empty() && past.is_empty() && fixed.is_empty() =>
            {
                (key, future)
            }
            SeriesRequest::History(_) => {
                let detail = "holds values: with `dataset`, name its series by their keys, or by `id` with `future`; without it, give values";
                errors.push(FieldError::new(pointer, detail));
                continue;
            }
        };
        if seen.insert(key.clone()) {
            asked.push(Asked { pointer, key, future });
        } else {
            errors.push(FieldError::new(pointer, "stands twice"));
        }
    }
    if errors.is_empty() { Ok(asked) } else { Err(ForecastError::Invalid(errors)) }
}

fn histories(
    spec: &InputSpec<'_>,
    asked: &[Asked],
    points: &Path,
    index: &Path,
) -> Result<Vec<History>, ForecastError> {
    let wanted: Vec<&str> = asked.iter().map(|series| series.key.as_str()).collect();
    let located = find_series(index, &wanted).map_err(unreadable)?;
    let mut errors = Vec::new();
    let mut histories = Vec::with_capacity(asked.len());
    for (asked, located) in asked.iter().zip(located) {
        let found = match located {
            None => Err(vec![FieldError::new(&asked.pointer, format!("the dataset has no series `{}`", asked.key))]),
            Some(located) => latest(spec, asked, located, points)?,
        };
        match found {
            Ok(history) => histories.push(history),
            Err(wrong) => errors.extend(wrong),
        }
    }
    if errors.is_empty() { Ok(histories) } else { Err(ForecastError::Invalid(errors)) }
}

/// The latest points of a series, gaps filled as the model's order says; or why it has none.
fn latest(
    spec: &InputSpec<'_>,
    asked: &Asked,
    located: Located,
    points: &Path,
) -> Result<Result<History, Vec<FieldError>>, ForecastError> {
    let refuse = |detail: String| Ok(Err(vec![FieldError::new(&asked.pointer, detail)]));
    let data = &spec.manifest.order.data;
    let names = input_columns(data);
    let total = located.summary.points;
    // Gaps only lengthen the run, so these rows cover the history wherever the last has a target.
    // Of a step, nobody knows how many points it takes.
    let mut rows = if data.resample.is_some() { total } else { spec.history as u64 };
    loop {
        let query = ValuesQuery { key: &asked.key, columns: &names, window: PointWindow::Last(rows), thin: None };
        let values = match values_of(points, located.clone(), &query) {
            Ok(values) => values,
            Err(ReadError::NoColumn(name)) => return refuse(format!("the dataset has no column `{name}`")),
            Err(error) => return Err(unreadable(error)),
        };
        let values = match data.resample {
            Some(step) => resampled(values, step),
            None => Ok(values),
        };
        let grid = match values.and_then(|values| GridSeries::of(spec, values)) {
            Ok(grid) => grid,
            Err(detail) => return refuse(detail),
        };
        if grid.end >= spec.history || rows >= total {
            return grid.history(spec, asked);
        }
        rows = rows.saturating_mul(2).max(rows + spec.ahead as u64);
    }
}

/// The points at the step that the model was trained at.
fn resampled(values: SeriesValues, step: Resample) -> Result<SeriesValues, String> {
    let key = values.series.summary.key.clone();
    let times = values.times.ok_or_else(|| format!("series `{key}` has no times to resample by"))?;
    let steps = resample::steps(&times, step.every);
    let steps = steps.ok_or_else(|| format!("series `{key}` has a time at the calendar's end"))?;
    let column = |column: SeriesColumn| match column {
        SeriesColumn::Numbers { name, values } => {
            let of = |(_, rows): &(i64, Range<usize>)| resample::aggregate(&values[rows.clone()], step.aggregation);
            SeriesColumn::Numbers { name, values: steps.iter().map(of).collect() }
        }
        SeriesColumn::Categories { name, values } => {
            let last = |(_, rows): &(i64, Range<usize>)| values[rows.clone()].iter().flatten().next_back().cloned();
            SeriesColumn::Categories { name, values: steps.iter().map(last).collect() }
        }
    };
    let columns = values.columns.into_iter().map(column).collect();
    let mut series = values.series;
    series.summary.frequency = Some(step.every);
    let (positions, times) = ((0..steps.len() as u64).collect(), steps.iter().map(|(time, _)| *time).collect());
    Ok(SeriesValues { series, positions, times: Some(times), columns })
}

/// Points of a series on their even grid.
struct GridSeries {
    key: String,
    columns: BTreeMap<String, Cells>,
    /// Behind the last point that belongs to the history.
    end: usize,
    last: Option<(i64, gatecast_core::frequency::Frequency)>,
}

/// A column's values, with what is not there.
enum Cells {
    /// NaN where there is none.
    Numbers(Vec<f64>),
    Categories(Vec<Option<String>>),
}

impl GridSeries {
    fn of(spec: &InputSpec<'_>, values: SeriesValues) -> Result<Self, String> {
        let (manifest, frequency) = (spec.manifest, values.series.summary.frequency);
        let key = values.series.summary.key;
        let times = values.times.unwrap_or_default();
        let places = match frequency {
            Some(frequency) if !times.is_empty() => missing::places(&times, frequency)
                .map_err(|_| format!("the times of series `{key}` do not lie on a grid of {frequency}"))?,
            _ => (0..values.positions.len()).collect(),
        };
        let steps = places.last().map_or(0, |last| last + 1);
        let mut columns = BTreeMap::new();
        for column in values.columns {
            let (name, cells) = match column {
                SeriesColumn::Numbers { name, values } => {
                    (name, Cells::Numbers(spread(steps, f64::NAN, &places, values)))
                }
                SeriesColumn::Categories { name, values } => {
                    (name, Cells::Categories(spread(steps, None, &places, values)))
                }
            };
            let embedded = manifest.encodings.categories.contains_key(&name);
            match (&cells, embedded) {
                (Cells::Numbers(_), true) => return Err(format!("column `{name}` holds numbers, not categories")),
                (Cells::Categories(_), false) => return Err(format!("column `{name}` holds no numbers")),
                _ => {}
            }
            columns.insert(name, cells);
        }
        let end = match spec.ahead {
            0 => steps,
            _ => manifest.targets.iter().filter_map(|name| columns.get(name)).map(Cells::known).max().unwrap_or(0),
        };
        let row = places.iter().position(|&place| place + 1 == end);
        let last = row.and_then(|row| times.get(row).copied()).zip(frequency);
        Ok(Self { key, columns, end, last })
    }

    fn history(self, spec: &InputSpec<'_>, asked: &Asked) -> Result<Result<History, Vec<FieldError>>, ForecastError> {
        let refuse = |detail: String| Ok(Err(vec![FieldError::new(&asked.pointer, detail)]));
        let (manifest, key, end) = (spec.manifest, self.key, self.end);
        if end < spec.history {
            return refuse(format!("series `{key}` has {end} points; the model reads the last {}", spec.history));
        }
        let calendar = spec.layout.coded().iter().any(|coded| matches!(coded, Coded::Calendar(_)));
        if calendar && self.last.is_none() {
            return refuse(format!("series `{key}` has no times to read the calendar off"));
        }
        let data = &manifest.order.data;
        let (mut columns, mut fixed, mut errors) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (name, mut cells) in self.columns {
            if data.covariates.fixed.contains(&name) {
                match cells.into_one(spec, &name) {
                    Some(value) => fixed.insert(name, value),
                    None => return refuse(format!("series `{key}` has no value of `{name}`")),
                };
                continue;
            }
            let ahead = data.covariates.future.contains(&name);
            let given = asked.future.get(&name).filter(|_| ahead);
            let length = if ahead && given.is_none() { end + spec.ahead } else { end };
            if let Err(detail) = known_ahead(spec, &cells, (&name, end), given.map(Vec::len)) {
                errors.push(FieldError::new(place(&asked.pointer, "future", &name), detail));
                continue;
            }
            cells.truncate(length);
            let mut values = cells.into_values(spec, &name);
            if let Values::Numbers(numbers) = &mut values
                && let Some((_, detail)) = spec.prepare(&name, numbers)
            {
                return refuse(format!("`{name}` of series `{key}` {detail}"));
            }
            let mut values = values.from(end - spec.history);
            if let Some(given) = given {
                let pointer = place(&asked.pointer, "future", &name);
                let given = covariate(&manifest.encodings, (&name, &pointer), (given, false), &mut errors);
                values.extend(given);
            }
            columns.insert(name, values);
        }
        for name in asked.future.keys().filter(|name| !data.covariates.future.contains(name)) {
            let detail = format!("the model does not read `{name}`");
            errors.push(FieldError::new(format!("{}/future", asked.pointer), detail));
        }
        if !errors.is_empty() {
            return Ok(Err(errors));
        }
        assemble(spec, (Some(key), self.last), columns, fixed).map(Ok)
    }
}

/// Whether the request or else the dataset says what is to come of a column.
fn known_ahead(
    spec: &InputSpec<'_>,
    cells: &Cells,
    (name, end): (&str, usize),
    given: Option<usize>,
) -> Result<(), String> {
    let needed = spec.ahead;
    match given {
        Some(found) if found < needed => {
            Err(format!("has {found} values; {needed} are needed, from the point after the last"))
        }
        Some(_) => Ok(()),
        None if !spec.manifest.order.data.covariates.future.iter().any(|other| other == name) => Ok(()),
        None => match cells.known().saturating_sub(end) {
            found if found < needed => Err(format!(
                "is missing: {needed} values ahead are needed, and the dataset holds {found} behind the last point with a target"
            )),
            _ => Ok(()),
        },
    }
}

fn spread<T: Clone>(steps: usize, nothing: T, places: &[usize], values: Vec<T>) -> Vec<T> {
    let mut grid = vec![nothing; steps];
    for (place, value) in places.iter().zip(values) {
        if let Some(slot) = grid.get_mut(*place) {
            *slot = value;
        }
    }
    grid
}

impl Cells {
    /// Behind the last value that is there.
    fn known(&self) -> usize {
        let last = match self {
            Self::Numbers(values) => values.iter().rposition(|value| !value.is_nan()),
            Self::Categories(values) => values.iter().rposition(Option::is_some),
        };
        last.map_or(0, |last| last + 1)
    }

    /// Keeps so many values.
    fn truncate(&mut self, length: usize) {
        match self {
            Self::Numbers(values) => values.truncate(length),
            Self::Categories(values) => values.truncate(length),
        }
    }

    fn into_values(self, spec: &InputSpec<'_>, name: &str) -> Values {
        match self {
            Self::Numbers(values) => Values::Numbers(values),
            Self::Categories(values) => {
                let encodings = &spec.manifest.encodings;
                Values::Codes(values.iter().map(|text| encodings.code(name, text.as_deref())).collect())
            }
        }
    }

    /// The value of a whole series; `None` where a number is not there.
    fn into_one(self, spec: &InputSpec<'_>, name: &str) -> Option<Values> {
        let last = self.known().saturating_sub(1);
        match self.into_values(spec, name).from(last) {
            Values::Numbers(values) => {
                values.first().filter(|value| !value.is_nan()).map(|&value| Values::Numbers(vec![value]))
            }
            codes @ Values::Codes(_) => Some(codes),
        }
    }
}

fn unreadable(error: ReadError) -> ForecastError {
    ForecastError::machine(error)
}
