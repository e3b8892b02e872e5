//! The latest points of a stored series, on their regular grid.

use std::collections::BTreeMap;
use std::ops::Range;

use gatecast_core::forecast::CovariateValue;
use gatecast_core::order::Resample;
use gatecast_data::{SeriesColumn, SeriesValues};
use gatecast_model::features::Coded;
use gatecast_model::{missing, resample};

use super::covariates::{GivenCovariate, Values, field, unread};
use super::error::ForecastError;
use super::fault::SeriesFault;
use super::input_spec::InputSpec;
use super::request_input::why_ahead;
use super::series_input::{Columns, LastPoint, SeriesInput};

/// The code for a series that the model cannot read.
const UNSUITABLE: &str = "series_unsuitable";
/// The code for a series without times, or with irregular times.
const IRREGULAR: &str = "irregular_times";

/// The points of a series on their regular grid.
#[derive(Debug)]
pub(super) struct GridSeries {
    key: String,
    columns: BTreeMap<String, Cells>,
    /// One past the index of the last point of the history.
    end: usize,
    last: Option<LastPoint>,
}

/// The values of a column, known or unknown.
#[derive(Debug)]
enum Cells {
    /// NaN if unknown.
    Numbers(Vec<f64>),
    Categories(Vec<Option<String>>),
}

/// Why a series has no input: a fault of the series, or an error of the program.
pub(super) enum InputError {
    Series(Vec<SeriesFault>),
    Program(ForecastError),
}

impl From<SeriesFault> for InputError {
    fn from(fault: SeriesFault) -> Self {
        Self::Series(vec![fault])
    }
}

impl GridSeries {
    /// Aligns points to their grid, at the step that the model was trained with. If `is_whole` is false, earlier
    /// points of the series were not read.
    pub(super) fn of(spec: &InputSpec<'_>, values: SeriesValues, is_whole: bool) -> Result<Self, SeriesFault> {
        let values = match spec.manifest.order.data.resample {
            Some(step) => resampled(values, step, is_whole)?,
            None => values,
        };
        let (manifest, frequency) = (spec.manifest, values.series.summary.frequency);
        let key = values.series.summary.key;
        let times = values.times.unwrap_or_default();
        let places = match frequency {
            Some(frequency) if !times.is_empty() => missing::places(&times, frequency)
                .map_err(|_| fault(IRREGULAR, format!("its times do not lie on an even grid of {frequency}")))?,
            _ => (0..values.positions.len()).collect(),
        };
        let steps = places.last().map_or(0, |last| last + 1);
        let mut columns = BTreeMap::new();
        for column in values.columns {
            let (name, cells) = match column {
                SeriesColumn::Numbers { name, values } => {
                    (name, Cells::Numbers(place(steps, f64::NAN, &places, values)))
                }
                SeriesColumn::Categories { name, values } => {
                    (name, Cells::Categories(place(steps, None, &places, values)))
                }
            };
            let is_category = manifest.encodings.categories.contains_key(&name);
            match (&cells, is_category) {
                (Cells::Numbers(_), true) => {
                    return Err(fault(UNSUITABLE, format!("`{name}` holds numbers; the model reads categories")));
                }
                (Cells::Categories(_), false) => {
                    return Err(fault(UNSUITABLE, format!("`{name}` holds categories; the model reads numbers")));
                }
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
        let last = last.map(|(time, frequency)| LastPoint { time, frequency });
        Ok(Self { key, columns, end, last })
    }

    /// Whether the history is complete, so that earlier points need not be read: there are enough points, and a gap
    /// at the start can be filled.
    pub(super) fn is_enough(&self, spec: &InputSpec<'_>) -> bool {
        let Some(first) = self.end.checked_sub(spec.history) else { return false };
        let is_fillable = |(column, name): (usize, &String)| match self.columns.get(name) {
            Some(Cells::Numbers(values)) if !spec.is_masked(column) => {
                values.get(..=first).unwrap_or_default().iter().any(|value| !value.is_nan())
            }
            _ => true,
        };
        spec.manifest.inputs.iter().enumerate().all(is_fillable)
    }

    /// Builds the model's input. `given` contains the future covariates in the request.
    pub(super) fn input(
        self,
        spec: &InputSpec<'_>,
        given: &BTreeMap<String, Vec<CovariateValue>>,
    ) -> Result<SeriesInput, InputError> {
        let (manifest, end) = (spec.manifest, self.end);
        let data = &manifest.order.data;
        if end < spec.least() {
            let detail = format!("has {end} points; the model reads the last {}", spec.history);
            return Err(fault("series_too_short", detail).into());
        }
        let reads_calendar = spec.layout.coded().iter().any(|coded| matches!(coded, Coded::Calendar(_)));
        if reads_calendar && self.last.is_none() {
            return Err(fault("times_missing", "has no times; the model reads the calendar").into());
        }
        let mut columns =
            Columns { id: Some(self.key), last: self.last, by_name: BTreeMap::new(), fixed: BTreeMap::new() };
        let mut faults = Vec::new();
        for (name, mut cells) in self.columns {
            if data.covariates.fixed.contains(&name) {
                let value = cells.into_one(spec, &name);
                let value = value.ok_or_else(|| fault(UNSUITABLE, format!("has no value of `{name}`")))?;
                columns.fixed.insert(name, value);
                continue;
            }
            let is_ahead = data.covariates.future.contains(&name);
            let given = given.get(&name).filter(|_| is_ahead);
            if is_ahead && let Err(fault) = known_ahead(spec, &cells, AheadOf { name: &name, end }, given.map(Vec::len))
            {
                faults.push(fault);
                continue;
            }
            cells.truncate(if is_ahead && given.is_none() { end + spec.ahead } else { end });
            let mut values = cells.into_values(spec, &name);
            if let Values::Numbers(numbers) = &mut values {
                spec.prepare(&name, numbers)
                    .map_err(|wrong| fault(UNSUITABLE, format!("a value of `{name}` {}", wrong.detail)))?;
            }
            let mut values = values.last(end, spec.history, spec.masks(&name));
            if let Some(given) = given {
                let field = field("future", &name);
                let given = GivenCovariate { name: &name, field: &field, values: given, nullable: false };
                match given.read(&manifest.encodings) {
                    Ok(more) => values.append(more).map_err(InputError::Program)?,
                    Err(fault) => faults.push(fault),
                }
            }
            columns.by_name.insert(name, values);
        }
        let strange = given.keys().filter(|name| !data.covariates.future.contains(name));
        faults.extend(strange.map(|name| unread("future", name, &data.covariates.future)));
        if !faults.is_empty() {
            return Err(InputError::Series(faults));
        }
        SeriesInput::assemble(spec, columns).map_err(|error| match error {
            ForecastError::Invalid(errors) => {
                InputError::Series(errors.into_iter().map(|error| fault(UNSUITABLE, error.detail)).collect())
            }
            error => InputError::Program(error),
        })
    }
}

/// A fault that concerns a whole series.
fn fault(code: &'static str, detail: impl Into<String>) -> SeriesFault {
    SeriesFault::new("", code, detail)
}

/// A future covariate, and the end of the history.
#[derive(Clone, Copy)]
struct AheadOf<'n> {
    name: &'n str,
    end: usize,
}

/// Checks that a column's values extend as far ahead as the model reads them, in the request (`given` values) or, if
/// absent there, in the dataset.
fn known_ahead(
    spec: &InputSpec<'_>,
    cells: &Cells,
    column: AheadOf<'_>,
    given: Option<usize>,
) -> Result<(), SeriesFault> {
    let needed = spec.ahead;
    let found = given.unwrap_or_else(|| cells.known().saturating_sub(column.end));
    if found >= needed {
        return Ok(());
    }
    let why = why_ahead(spec);
    let detail = match given {
        Some(_) => format!("has {found} values; {needed} are needed, from the first point ahead on ({why})"),
        None => format!(
            "is missing: {needed} values ahead are needed ({why}); the dataset has {found} after the last point with a target"
        ),
    };
    Err(SeriesFault::new(field("future", column.name), "future_values_missing", detail))
}

/// Resamples the points to the step that the model was trained with.
fn resampled(values: SeriesValues, step: Resample, is_whole: bool) -> Result<SeriesValues, SeriesFault> {
    let times = values.times.ok_or_else(|| fault("times_missing", "has no times to resample by"))?;
    let steps = resample::steps(&times, step.every);
    let mut steps = steps.ok_or_else(|| fault(IRREGULAR, "has a time at the end of the calendar"))?;
    if !is_whole && !steps.is_empty() {
        // The first step is incomplete: its first points were not read.
        steps.remove(0);
    }
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

/// Builds a column of `steps` values: each value at its place, `nothing` elsewhere.
fn place<T: Clone>(steps: usize, nothing: T, places: &[usize], values: Vec<T>) -> Vec<T> {
    let mut placed = vec![nothing; steps];
    for (place, value) in places.iter().zip(values) {
        if let Some(slot) = placed.get_mut(*place) {
            *slot = value;
        }
    }
    placed
}

impl Cells {
    /// One past the index of the last known value.
    fn known(&self) -> usize {
        let last = match self {
            Self::Numbers(values) => values.iter().rposition(|value| !value.is_nan()),
            Self::Categories(values) => values.iter().rposition(Option::is_some),
        };
        last.map_or(0, |last| last + 1)
    }

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

    /// Reduces the column to one value for the whole series: the last known one. `None` if no number is known; an
    /// unknown category has a code.
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
