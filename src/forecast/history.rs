//! What a model reads of one series, checked.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ForecastError;
use crate::domain::forecast::{History as Given, SeriesRequest};
use crate::domain::frequency::Frequency;
use crate::domain::model::Manifest;
use crate::domain::resolve::{FieldError, nearest};

/// The last `context` points of one series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct History {
    pub(super) id: Option<String>,
    /// One column an input of the model, in its order; all finite and `context` long.
    pub(super) columns: Vec<Vec<f64>>,
    /// The time of the last point, microseconds since 1970 UTC, and the step to the next.
    pub(super) last: Option<(i64, Frequency)>,
}

/// Histories whose values stand in the request.
pub(super) fn from_request(manifest: &Manifest, series: Vec<SeriesRequest>) -> Result<Vec<History>, ForecastError> {
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
                histories.extend(checked(manifest, given, &pointer, &mut errors));
            }
        }
    }
    if errors.is_empty() { Ok(histories) } else { Err(ForecastError::Invalid(errors)) }
}

fn checked(manifest: &Manifest, mut given: Given, pointer: &str, errors: &mut Vec<FieldError>) -> Option<History> {
    let before = errors.len();
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
    let past = std::mem::take(&mut given.past);
    let covariates = manifest.inputs.get(manifest.targets.len()..).unwrap_or_default();
    let mut columns = Vec::with_capacity(manifest.inputs.len());
    let groups = [("targets", &manifest.targets[..], targets), ("past", covariates, past)];
    for (group, wanted, mut found) in groups {
        for name in wanted {
            match found.remove(name) {
                Some(values) => columns.push((place(pointer, group, name, shorthand), values)),
                None => errors.push(FieldError::new(
                    format!("{pointer}/{group}"),
                    format!("lacks `{name}`, which the model reads"),
                )),
            }
        }
        unknown(&found, group, wanted, pointer, errors);
    }
    if errors.len() > before {
        return None;
    }
    check_values(manifest.context, &columns, errors);
    let last = last_point(manifest, &given, columns.first().map_or(0, |(_, values)| values.len()), pointer, errors);
    if errors.len() > before {
        return None;
    }
    let tail = |mut values: Vec<f64>| values.split_off(values.len().saturating_sub(manifest.context));
    Some(History { id: given.id, columns: columns.into_iter().map(|(_, values)| tail(values)).collect(), last })
}

/// Where the caller wrote a column's values.
fn place(pointer: &str, group: &str, name: &str, shorthand: bool) -> String {
    if shorthand && group == "targets" {
        format!("{pointer}/values")
    } else {
        format!("{pointer}/{group}/{}", name.replace('~', "~0").replace('/', "~1"))
    }
}

fn unknown(
    found: &BTreeMap<String, Vec<f64>>,
    group: &str,
    wanted: &[String],
    pointer: &str,
    errors: &mut Vec<FieldError>,
) {
    for name in found.keys() {
        let near = nearest(name, wanted.iter().map(String::as_str));
        errors.push(FieldError::new(format!("{pointer}/{group}"), format!("the model does not read `{name}`{near}")));
    }
}

fn check_values(context: usize, columns: &[(String, Vec<f64>)], errors: &mut Vec<FieldError>) {
    let length = columns.first().map_or(0, |(_, values)| values.len());
    for (pointer, values) in columns {
        if values.len() != length {
            let detail = format!("has {} values where the first column has {length}", values.len());
            errors.push(FieldError::new(pointer, detail));
        } else if values.len() < context {
            let detail = format!("has {} values; the model reads the last {context}", values.len());
            errors.push(FieldError::new(pointer, detail));
        } else if let Some(at) = values.iter().position(|value| value.abs() > f64::from(f32::MAX)) {
            errors.push(FieldError::new(format!("{pointer}/{at}"), "lies outside the range of 32-bit floats"));
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

    /// Reads the last three points of `rail` and of the covariates, daily.
    fn manifest(targets: &[&str], past: &[&str]) -> Manifest {
        let id = "01920000-0000-7000-8000-000000000000";
        let inputs: Vec<&str> = targets.iter().chain(past).copied().collect();
        serde_json::from_value(json!({
            "format": 1, "version": "0", "order": {"dataset": id}, "inputs": inputs, "targets": targets,
            "context": 3, "horizon": 2, "season": 7, "frequency": "P1D", "series": 1, "parameters": 1,
            "engine": "libtorch", "device": "cpu", "threads": 1, "epochs": 1, "best_epoch": 1,
            "metrics": {"baselines": {"naive": {}, "seasonal_naive": {}}},
            "trained_on": {"dataset": id, "name": "cta", "revision": 1, "sha256": ""},
        }))
        .unwrap()
    }

    fn read(manifest: &Manifest, series: Value) -> Result<Vec<History>, Vec<(String, String)>> {
        from_request(manifest, serde_json::from_value(series).unwrap()).map_err(|error| match error {
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
