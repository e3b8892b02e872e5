//! What a model reads of one series, checked.

use std::collections::{BTreeMap, BTreeSet};

use super::covariates::{OUT_OF_RANGE, Values, covariate, place, take};
use super::error::ForecastError;
use super::input_spec::{CodeColumn, InputSpec};
use gatecast_core::forecast::{CovariateValue, History as Given, SeriesRequest, TargetValue};
use gatecast_core::frequency::Frequency;
use gatecast_core::model::Manifest;
use gatecast_core::resolve::FieldError;
use gatecast_model::features::{Coded, SERIES};

/// What a model reads of one series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct History {
    pub(super) id: Option<String>,
    /// One column a number input of the model, in its order; all finite. As many points as the
    /// model reads, and for those known ahead as many more as it reads ahead.
    pub(super) columns: Vec<Vec<f64>>,
    /// One column a coded input.
    pub(super) codes: Vec<CodeColumn>,
    /// The static numbers, scaled.
    pub(super) constants: Vec<f32>,
    /// The time of the last point, microseconds since 1970 UTC, and the step to the next.
    pub(super) last: Option<(i64, Frequency)>,
}

/// Histories whose values stand in the request.
pub(super) fn from_request(spec: &InputSpec<'_>, series: Vec<SeriesRequest>) -> Result<Vec<History>, ForecastError> {
    let mut errors = Vec::new();
    let mut ids = BTreeSet::new();
    let mut histories = Vec::with_capacity(series.len());
    for (at, series) in series.into_iter().enumerate() {
        let pointer = format!("/series/{at}");
        match series {
            SeriesRequest::Key(key) => errors.push(FieldError::new(
                pointer,
                format!("`{key}` is a key: say of which `dataset`, or give an object with `values`"),
            )),
            SeriesRequest::History(given) => {
                if given.id.as_ref().is_some_and(|id| !ids.insert(id.clone())) {
                    errors.push(FieldError::new(format!("{pointer}/id"), "stands twice"));
                }
                histories.extend(checked(spec, given, &pointer, &mut errors));
            }
        }
    }
    if errors.is_empty() { Ok(histories) } else { Err(ForecastError::Invalid(errors)) }
}

fn checked(spec: &InputSpec<'_>, mut given: Given, pointer: &str, errors: &mut Vec<FieldError>) -> Option<History> {
    let (before, manifest) = (errors.len(), spec.manifest);
    let covariates = &manifest.order.data.covariates;
    let mut columns = targets(manifest, &mut given, pointer, errors);
    let past = take((pointer, "past"), &covariates.past, std::mem::take(&mut given.past), errors);
    let future = take((pointer, "future"), &covariates.future, std::mem::take(&mut given.future), errors);
    for (group, named) in [("past", past), ("future", future)] {
        for (name, values) in named {
            let place = place(pointer, group, &name);
            let values = covariate(&manifest.encodings, (&name, &place), (&values, group == "past"), errors);
            columns.extend(values.map(|values| Column { name, place, values, ahead: group == "future" }));
        }
    }
    let fixed = fixed(manifest, std::mem::take(&mut given.fixed), pointer, errors);
    if errors.len() > before {
        return None;
    }
    let length = columns.first().map_or(0, |column| column.values.len());
    columns.iter_mut().for_each(|column| check(spec, column, length, errors));
    let last = last_point(manifest, &given, length, pointer, errors);
    if spec.layout.coded().iter().any(|coded| matches!(coded, Coded::Calendar(_))) && last.is_none() {
        let missing = if given.start.is_none() { "start" } else { "frequency" };
        let detail = "is missing: the model reads the calendar, and so the time of every point";
        errors.push(FieldError::new(format!("{pointer}/{missing}"), detail));
    }
    if errors.len() > before {
        return None;
    }
    let columns = columns.into_iter().map(|column| (column.name, column.values.from(length - spec.history)));
    let history = assemble(spec, (given.id, last), columns.collect(), fixed);
    history.map_err(|error| errors.extend(fields(error, pointer))).ok()
}

/// One column of a request.
struct Column {
    name: String,
    place: String,
    values: Values,
    ahead: bool,
}

fn targets(manifest: &Manifest, given: &mut Given, pointer: &str, errors: &mut Vec<FieldError>) -> Vec<Column> {
    let mut targets = std::mem::take(&mut given.targets);
    let shorthand = !given.values.is_empty();
    match (shorthand, manifest.targets.as_slice()) {
        (true, [only]) if targets.is_empty() => {
            targets.insert(only.clone(), std::mem::take(&mut given.values));
        }
        (true, [_]) => errors.push(FieldError::new(pointer, "give `values` or `targets`, not both")),
        (true, several) => errors.push(FieldError::new(
            format!("{pointer}/values"),
            format!("serves models of one target; this one needs `targets` with {}", names(several)),
        )),
        (false, _) => {}
    }
    let named = take((pointer, "targets"), &manifest.targets, targets, errors);
    let column = |(name, values): (String, Vec<TargetValue>)| {
        let values = values.into_iter().map(|TargetValue(value)| value).collect();
        let place = if shorthand { format!("{pointer}/values") } else { place(pointer, "targets", &name) };
        Column { name, place, values: Values::Numbers(values), ahead: false }
    };
    named.into_iter().map(column).collect()
}

/// The static covariates: each one value, as a column of one.
fn fixed(
    manifest: &Manifest,
    given: BTreeMap<String, CovariateValue>,
    pointer: &str,
    errors: &mut Vec<FieldError>,
) -> BTreeMap<String, Values> {
    let named = take((pointer, "static"), &manifest.order.data.covariates.fixed, given, errors);
    let mut fixed = BTreeMap::new();
    for (name, value) in named {
        let place = place(pointer, "static", &name);
        let mut of_value = Vec::new();
        let values = covariate(&manifest.encodings, (&name, &place), (&[value], false), &mut of_value);
        // The value stands by itself, not first in a list.
        errors.extend(of_value.into_iter().map(|error| FieldError::new(&place, error.detail)));
        fixed.extend(values.map(|values| (name, values)));
    }
    fixed
}

/// A history of checked columns, each beginning at the first point that the model reads.
pub(super) fn assemble(
    spec: &InputSpec<'_>,
    (id, last): (Option<String>, Option<(i64, Frequency)>),
    mut columns: BTreeMap<String, Values>,
    mut fixed: BTreeMap<String, Values>,
) -> Result<History, ForecastError> {
    let manifest = spec.manifest;
    let lacking = |name: &str| ForecastError::machine(format!("no values of `{name}`"));
    let mut numbers = Vec::with_capacity(manifest.inputs.len());
    for name in &manifest.inputs {
        match columns.remove(name) {
            Some(Values::Numbers(values)) => numbers.push(values),
            _ => return Err(lacking(name)),
        }
    }
    let mut codes = Vec::with_capacity(spec.layout.coded().len());
    for coded in spec.layout.coded() {
        codes.push(match coded {
            Coded::Past(name) | Coded::Future(name) => match columns.remove(name) {
                Some(Values::Codes(codes)) => CodeColumn::Each(codes),
                _ => return Err(lacking(name)),
            },
            Coded::Static(name) => match fixed.remove(name) {
                Some(Values::Codes(codes)) => CodeColumn::All(codes.first().copied().unwrap_or_default()),
                _ => return Err(lacking(name)),
            },
            Coded::Series => CodeColumn::All(series_code(manifest, id.as_deref())),
            Coded::Calendar(_) => spec.calendar(coded, last)?,
        });
    }
    let mut constants = Vec::new();
    for name in &manifest.order.data.covariates.fixed {
        if let (Some(Values::Numbers(values)), Some(scale)) = (fixed.get(name), manifest.encodings.statics.get(name)) {
            constants.extend(values.first().map(|&value| scale.apply(value) as f32));
        }
    }
    Ok(History { id, columns: numbers, codes, constants, last })
}

/// A series without a name is the one a model of one series knows.
fn series_code(manifest: &Manifest, id: Option<&str>) -> u16 {
    let known = manifest.encodings.categories.get(SERIES).map_or(&[][..], Vec::as_slice);
    let only = if let [only] = known { Some(only.as_str()) } else { None };
    manifest.encodings.code(SERIES, id.or(only))
}

/// An error of one series, for the request's list.
fn fields(error: ForecastError, pointer: &str) -> Vec<FieldError> {
    match error {
        ForecastError::Invalid(errors) => errors,
        other => vec![FieldError::new(pointer, other.to_string())],
    }
}

/// `length` is that of the first column.
fn check(spec: &InputSpec<'_>, column: &mut Column, length: usize, errors: &mut Vec<FieldError>) {
    let (found, needed) = (column.values.len(), length + spec.ahead);
    let detail = match column.ahead {
        true if found < needed => Some(format!(
            "has {found} values; {needed} are needed: those of the {length} points given, and of {} ahead",
            spec.ahead
        )),
        false if found != length => Some(format!("has {found} values where the first column has {length}")),
        false if length < spec.history => {
            Some(format!("has {length} values; the model reads the last {}", spec.history))
        }
        _ => None,
    };
    if let Some(detail) = detail {
        errors.push(FieldError::new(&column.place, detail));
    } else if let Values::Numbers(values) = &mut column.values {
        let place = &column.place;
        let wrong = |at: usize, detail: &str| FieldError::new(format!("{place}/{at}"), detail);
        if let Some(at) = values.iter().position(|value| value.abs() > f64::from(f32::MAX)) {
            errors.push(wrong(at, OUT_OF_RANGE));
        } else if let Some((at, detail)) = spec.prepare(&column.name, values) {
            errors.push(wrong(at, &detail));
        }
    }
}

/// The time of the last of `length` points, where start and frequency are known.
fn last_point(
    manifest: &Manifest,
    given: &Given,
    length: usize,
    pointer: &str,
    errors: &mut Vec<FieldError>,
) -> Option<(i64, Frequency)> {
    let (start, frequency) = (given.start?, given.frequency.or(manifest.frequency)?);
    let steps = i64::try_from(length).ok()?.saturating_sub(1);
    let last = frequency.add(start.as_microsecond(), steps);
    if last.is_none() {
        errors.push(FieldError::new(format!("{pointer}/start"), "lets the series run past the calendar's end"));
    }
    last.map(|last| (last, frequency))
}

fn names(columns: &[String]) -> String {
    columns.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Reads the last three points of the targets and of the covariates, daily.
    fn manifest(targets: &[&str], past: &[&str]) -> Manifest {
        let inputs: Vec<&str> = targets.iter().chain(past).copied().collect();
        with(json!({"targets": targets, "covariates": {"past": past}, "horizon": 2}), &inputs, json!({}))
    }

    /// The same with other data: what its order says of it, its numbers, its encodings.
    fn with(data: Value, inputs: &[&str], encodings: Value) -> Manifest {
        let id = "01920000-0000-7000-8000-000000000000";
        serde_json::from_value(json!({
            "format": 1, "version": "0", "order": {"dataset": id, "data": data}, "inputs": inputs,
            "targets": data["targets"], "encodings": encodings,
            "context": 3, "horizon": 2, "season": 7, "frequency": "P1D", "series": 1, "parameters": 1,
            "engine": "libtorch", "device": "cpu", "threads": 1, "epochs": 1, "best_epoch": 1,
            "metrics": {"baselines": {"naive": {}, "seasonal_naive": {}}},
            "trained_on": {"dataset": id, "name": "cta", "revision": 1, "sha256": ""},
        }))
        .unwrap()
    }

    fn read(manifest: &Manifest, series: Value) -> Result<Vec<History>, Vec<(String, String)>> {
        far(manifest, manifest.horizon, series)
    }

    fn far(manifest: &Manifest, horizon: usize, series: Value) -> Result<Vec<History>, Vec<(String, String)>> {
        let spec = InputSpec::of(manifest, horizon);
        from_request(&spec, serde_json::from_value(series).unwrap()).map_err(|error| match error {
            ForecastError::Invalid(errors) => errors.into_iter().map(|e| (e.pointer, e.detail)).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn the_last_context_points_are_kept_with_the_time_of_the_last() {
        let rail = manifest(&["rail"], &[]);
        let read =
            read(&rail, json!([{"id": "a", "start": "2019-04-06", "values": [1, 2, 3, 4]}, {"values": [5, 6, 7]}]));
        let [a, b] = <[History; 2]>::try_from(read.unwrap()).unwrap();
        assert_eq!(a.columns, [[2.0, 3.0, 4.0]]);
        let last: jiff::Timestamp = "2019-04-09T00:00:00Z".parse().unwrap();
        assert_eq!(a.last, Some((last.as_microsecond(), Frequency::Fixed(86_400_000_000))));
        assert_eq!((b.id, b.last), (None, None));
    }

    #[test]
    fn a_frequency_of_the_callers_goes_before_the_models() {
        let read = read(
            &manifest(&["rail"], &[]),
            json!([{"start": "2024-01-31T00:00:00Z", "frequency": "P1M", "values": [1, 2, 3]}]),
        );
        let last: jiff::Timestamp = "2024-03-31T00:00:00Z".parse().unwrap();
        assert_eq!(read.unwrap()[0].last, Some((last.as_microsecond(), Frequency::Months(1))));
    }

    #[test]
    fn columns_come_in_the_models_order() {
        let both = manifest(&["rail", "bus"], &["fare"]);
        let series = json!([{"targets": {"bus": [4, 5, 6], "rail": [1, 2, 3]}, "past": {"fare": [7, 8, 9]}}]);
        assert_eq!(read(&both, series).unwrap()[0].columns, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]);
    }

    /// Reads `rail`, lags of four points, the day's type and the temperature ahead, and the line's
    /// size and colour.
    fn line() -> Manifest {
        let data = json!({"targets": ["rail"], "horizon": 2, "lags": [4], "calendar": ["day_of_week"],
            "covariates": {"future": ["day", "warmth"], "static": ["colour", "size"]}});
        let encodings = json!({"categories": {"day": ["A", "W"], "colour": ["blue", "red"]},
            "statics": {"size": {"mean": 10.0, "std": 2.0}}});
        with(data, &["rail", "warmth"], encodings)
    }

    /// `rail` gives seven points from Monday, 1 January 2024.
    fn line_series() -> Value {
        json!({"start": "2024-01-01", "values": [1, 2, 3, 4, 5, 6, 7],
            "future": {"day": ["W", "W", "W", "W", "A", "W", "A", null, "never seen"],
                "warmth": [1, 2, 3, 4, 5, 6, 7, 8, 9]},
            "static": {"colour": "red", "size": 14}})
    }

    #[test]
    fn what_is_known_ahead_reaches_past_the_values() {
        let line = line();
        let [history] = <[History; 1]>::try_from(read(&line, json!([line_series()])).unwrap()).unwrap();
        assert_eq!(history.columns[0], [2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "three points, and three before for the lag");
        assert_eq!(history.columns[1], [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        let days = CodeColumn::Each(vec![2, 2, 2, 1, 2, 1, 0, 0]);
        let calendar = CodeColumn::Each(vec![1, 2, 3, 4, 5, 6, 0, 1]);
        assert_eq!(history.codes, [days, CodeColumn::All(2), calendar]);
        assert_eq!(history.constants, [2.0]);
        let mut short = line_series();
        short["future"]["warmth"] = json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let errors = far(&line, 3, json!([short])).unwrap_err();
        assert_eq!(errors.len(), 2, "two runs of two steps read four points ahead: {errors:?}");
        assert!(errors.iter().all(|(_, detail)| detail.contains("11 are needed")), "{errors:?}");
    }

    #[test]
    fn covariates_that_do_not_fit_are_named() {
        let line = line();
        let cases: [(&str, Value, &str, &str); 10] = [
            (
                "/future/warmth",
                json!([1, 2, 3]),
                "/series/0/future/warmth",
                "9 are needed: those of the 7 points given",
            ),
            ("/future/warmth/8", json!("mild"), "/series/0/future/warmth/8", "is a text"),
            ("/future/warmth/8", json!(null), "/series/0/future/warmth/8", "is null"),
            ("/future/warmth/8", json!(1e39), "/series/0/future/warmth/8", "outside the range"),
            ("/future/day/0", json!(3), "/series/0/future/day/0", "is a number"),
            ("/future", json!({"day": ["W"]}), "/series/0/future", "lacks `warmth`"),
            ("/static", json!({"colour": "red"}), "/series/0/static", "lacks `size`"),
            ("/static/size", json!("big"), "/series/0/static/size", "is a text"),
            ("/static/colour", json!(7), "/series/0/static/colour", "is a number"),
            ("/values", json!([1, 2, 3, 4, 5]), "/series/0/values", "has 5 values; the model reads the last 6"),
        ];
        for (at, value, pointer, detail) in cases {
            let mut series = line_series();
            *series.pointer_mut(at).unwrap() = value.clone();
            let errors = read(&line, json!([series])).unwrap_err();
            let found = errors.iter().any(|(at, why)| at == pointer && why.contains(detail));
            assert!(found, "{at} {value}: {errors:?}");
        }
        let mut timeless = line_series();
        timeless.as_object_mut().unwrap().remove("start");
        let errors = read(&line, json!([timeless])).unwrap_err();
        assert_eq!(errors[0].0, "/series/0/start", "{errors:?}");
    }

    #[test]
    fn what_does_not_fit_the_model_is_named() {
        let rail = manifest(&["rail"], &[]);
        let covariate = manifest(&["rail"], &["bus"]);
        let both = manifest(&["rail", "bus"], &[]);
        let cases = [
            (&rail, json!([{}]), "/series/0/targets", "lacks `rail`"),
            (&rail, json!([{"values": [1, 2]}]), "/series/0/values", "has 2 values; the model reads the last 3"),
            (&rail, json!([{"values": [1, 2, 1e39]}]), "/series/0/values/2", "outside the range"),
            (&rail, json!(["a"]), "/series/0", "is a key"),
            (
                &rail,
                json!([{"id": "a", "values": [1, 2, 3]}, {"id": "a", "values": [1, 2, 3]}]),
                "/series/1/id",
                "twice",
            ),
            (&rail, json!([{"targets": {"rial": [1, 2, 3]}}]), "/series/0/targets", "lacks `rail`"),
            (
                &rail,
                json!([{"values": [1, 2, 3], "past": {"bus": [1, 2, 3]}}]),
                "/series/0/past",
                "does not read `bus`",
            ),
            (&rail, json!([{"values": [1, 2, 3], "targets": {"rail": [1, 2, 3]}}]), "/series/0", "not both"),
            (&rail, json!([{"start": "9999-12-29", "values": [1, 2, 3]}]), "/series/0/start", "calendar"),
            (&covariate, json!([{"values": [1, 2, 3]}]), "/series/0/past", "lacks `bus`"),
            (
                &covariate,
                json!([{"values": [1, 2, 3], "past": {"bus": [1, 2]}}]),
                "/series/0/past/bus",
                "has 2 values where",
            ),
            (&both, json!([{"values": [1, 2, 3]}]), "/series/0/values", "needs `targets` with `rail`, `bus`"),
        ];
        for (manifest, series, pointer, detail) in cases {
            let errors = read(manifest, series.clone()).unwrap_err();
            let found = errors.iter().any(|(at, why)| at == pointer && why.contains(detail));
            assert!(found, "{series}: {errors:?}");
        }
    }
}
