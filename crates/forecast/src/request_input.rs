//! Reads series whose values are in the request.

use std::collections::{BTreeMap, BTreeSet};

use gatecast_core::forecast::{CovariateValue, History, MAX_ID_BYTES, TargetValue};
use gatecast_core::model::Manifest;
use gatecast_core::numbers::{OUTSIDE_F32, exceeds_f32};
use gatecast_model::features::Coded;

use super::covariates::{GivenCovariate, INVALID_VALUES, Values, field, take};
use super::error::ForecastError;
use super::fault::{FaultList, SeriesFault, quoted};
use super::input_spec::InputSpec;
use super::series_input::{Columns, LastPoint, SeriesInput};

/// Returns the model's input for each series, in order, or everything that is wrong with the series.
pub(super) fn read(spec: &InputSpec<'_>, series: Vec<History>) -> Result<Vec<SeriesInput>, ForecastError> {
    let mut faults = FaultList::default();
    let mut ids = BTreeSet::new();
    let mut inputs = Vec::with_capacity(series.len());
    for (at, history) in series.into_iter().enumerate() {
        let pointer = format!("/series/{at}");
        if let Some(id) = &history.id {
            if id.len() > MAX_ID_BYTES {
                let detail = format!("has {} bytes; at most {MAX_ID_BYTES} are allowed", id.len());
                faults.push(&pointer, SeriesFault::new("/id", "invalid_id", detail));
                continue;
            }
            if !ids.insert(id.clone()) {
                faults.push(&pointer, SeriesFault::new("/id", "invalid_id", format!("duplicate id: {}", quoted(id))));
            }
        }
        let mut wrong = Vec::new();
        match checked(spec, history, &mut wrong) {
            Some(columns) => match SeriesInput::assemble(spec, columns) {
                Ok(input) => inputs.push(input),
                Err(ForecastError::Invalid(errors)) => {
                    wrong.extend(errors.into_iter().map(|error| SeriesFault::new("", INVALID_VALUES, error.detail)));
                }
                Err(error) => return Err(error),
            },
            None if wrong.is_empty() => return Err(ForecastError::internal("a series was refused without a reason")),
            None => {}
        }
        wrong.into_iter().for_each(|fault| faults.push(&pointer, fault));
    }
    faults.into_result()?;
    Ok(inputs)
}

/// One column of a request.
struct Column {
    name: String,
    field: String,
    values: Values,
    ahead: bool,
}

/// Checks the columns of one series. If something is wrong, adds it to `faults` and returns `None`.
fn checked(spec: &InputSpec<'_>, mut history: History, faults: &mut Vec<SeriesFault>) -> Option<Columns> {
    let manifest = spec.manifest;
    let covariates = &manifest.order.data.covariates;
    let mut columns = targets(manifest, &mut history, faults);
    let past = take("past", &covariates.past, std::mem::take(&mut history.past), faults);
    let future = take("future", &covariates.future, std::mem::take(&mut history.future), faults);
    for (group, named) in [("past", past), ("future", future)] {
        for (name, values) in named {
            let field = field(group, &name);
            let given = GivenCovariate { name: &name, field: &field, values: &values, nullable: group == "past" };
            match given.read(&manifest.encodings) {
                Ok(values) => columns.push(Column { name, field, values, ahead: group == "future" }),
                Err(fault) => faults.push(fault),
            }
        }
    }
    let fixed = fixed(manifest, std::mem::take(&mut history.fixed), faults);
    if !faults.is_empty() {
        return None;
    }
    let length = columns.first().map_or(0, |column| column.values.len());
    for column in &mut columns {
        faults.extend(check(spec, column, length).err());
    }
    let last = match last_point(manifest, &history, length) {
        Ok(last) => last,
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    let reads_calendar = spec.layout.coded().iter().any(|coded| matches!(coded, Coded::Calendar(_)));
    if reads_calendar && last.is_none() && faults.is_empty() {
        let missing = if history.start.is_none() { "/start" } else { "/frequency" };
        let detail = "is missing; the model reads the calendar, so it needs the time of every point";
        faults.push(SeriesFault::new(missing, "times_missing", detail));
    }
    if !faults.is_empty() {
        return None;
    }
    let values = |column: Column| {
        let is_masked = spec.masks(&column.name);
        (column.name, column.values.last(length, spec.history, is_masked))
    };
    let by_name = columns.into_iter().map(values).collect();
    Some(Columns { id: history.id, last, by_name, fixed })
}

fn targets(manifest: &Manifest, history: &mut History, faults: &mut Vec<SeriesFault>) -> Vec<Column> {
    let mut targets = std::mem::take(&mut history.targets);
    let shorthand = !history.values.is_empty();
    match (shorthand, manifest.targets.as_slice()) {
        (true, [only]) if targets.is_empty() => {
            targets.insert(only.clone(), std::mem::take(&mut history.values));
        }
        (true, [_]) => {
            faults.push(SeriesFault::new("", INVALID_VALUES, "has both `values` and `targets`: send one of them"));
        }
        (true, several) => {
            let names: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
            let detail = format!("is for models of one target; send `targets` with the model's: {}", names.join(", "));
            faults.push(SeriesFault::new("/values", INVALID_VALUES, detail));
        }
        (false, _) => {}
    }
    let named = take("targets", &manifest.targets, targets, faults);
    let column = |(name, values): (String, Vec<TargetValue>)| {
        let values = values.into_iter().map(|TargetValue(value)| value).collect();
        let field = if shorthand { "/values".to_owned() } else { field("targets", &name) };
        Column { name, field, values: Values::Numbers(values), ahead: false }
    };
    named.into_iter().map(column).collect()
}

/// The static covariates, each as a column of one value.
fn fixed(
    manifest: &Manifest,
    given: BTreeMap<String, CovariateValue>,
    faults: &mut Vec<SeriesFault>,
) -> BTreeMap<String, Values> {
    let named = take("static", &manifest.order.data.covariates.fixed, given, faults);
    let mut fixed = BTreeMap::new();
    for (name, value) in named {
        let field = field("static", &name);
        let given = GivenCovariate { name: &name, field: &field, values: &[value], nullable: false };
        match given.read(&manifest.encodings) {
            Ok(values) => {
                fixed.insert(name, values);
            }
            // In the request, the value is not in a list: the pointer has no index.
            Err(fault) => faults.push(SeriesFault { field, ..fault }),
        }
    }
    fixed
}

/// Checks a column's length, which must be that of the first column, and its values.
fn check(spec: &InputSpec<'_>, column: &mut Column, length: usize) -> Result<(), SeriesFault> {
    let found = column.values.len();
    let needed = length.saturating_add(spec.ahead);
    let detail = match column.ahead {
        true if found < needed => Some(format!(
            "has {found} values; {needed} are needed: {length} of the history and {} ahead ({})",
            spec.ahead,
            why_ahead(spec)
        )),
        false if found != length => Some(format!("has {found} values, but the first column has {length}")),
        false if length < spec.least() => {
            Some(format!("has {length} values; the model reads the last {}", spec.history))
        }
        _ => None,
    };
    if let Some(detail) = detail {
        return Err(SeriesFault::new(&column.field, "wrong_length", detail));
    }
    let Values::Numbers(values) = &mut column.values else { return Ok(()) };
    let fault =
        |row: usize, detail: String| SeriesFault::new(format!("{}/{row}", column.field), INVALID_VALUES, detail);
    if let Some(row) = values.iter().position(|&value| exceeds_f32(value)) {
        return Err(fault(row, OUTSIDE_F32.to_owned()));
    }
    spec.prepare(&column.name, values).map_err(|wrong| fault(wrong.row, wrong.detail))
}

/// Explains why points ahead are needed, possibly more than the request's horizon.
pub(super) fn why_ahead(spec: &InputSpec<'_>) -> String {
    let most = spec.passes.saturating_mul(spec.manifest.horizon);
    format!("a forecast of up to {most} points reads {} points ahead", spec.ahead)
}

/// The last of `length` points, with its time. `None` if the start or the frequency is unknown.
fn last_point(manifest: &Manifest, history: &History, length: usize) -> Result<Option<LastPoint>, SeriesFault> {
    let (Some(start), Some(frequency)) = (history.start, history.frequency.or(manifest.frequency)) else {
        return Ok(None);
    };
    let steps = i64::try_from(length).unwrap_or(i64::MAX).saturating_sub(1);
    match frequency.add(start.as_microsecond(), steps) {
        Some(time) => Ok(Some(LastPoint { time, frequency })),
        None => Err(SeriesFault::new("/start", "invalid_times", "the series extends past the year 9999")),
    }
}

#[cfg(test)]
mod tests;
