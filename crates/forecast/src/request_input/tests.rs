use gatecast_core::frequency::Frequency;
use serde_json::{Value, json};

use super::super::input_spec::CodeColumn;
use super::*;

/// The manifest of a model that reads the last three points of daily targets and covariates.
fn manifest(targets: &[&str], past: &[&str]) -> Manifest {
    let inputs: Vec<&str> = targets.iter().chain(past).copied().collect();
    with(json!({"targets": targets, "covariates": {"past": past}, "horizon": 2}), &inputs, json!({}))
}

/// The same, with other `data`, inputs and encodings.
fn with(mut data: Value, inputs: &[&str], encodings: Value) -> Manifest {
    (data["context"], data["season"]) = (json!(3), json!(7));
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

fn inputs(manifest: &Manifest, series: Value) -> Result<Vec<SeriesInput>, Vec<(String, String)>> {
    inputs_ahead(manifest, manifest.horizon, series)
}

fn inputs_ahead(manifest: &Manifest, horizon: usize, series: Value) -> Result<Vec<SeriesInput>, Vec<(String, String)>> {
    let spec = InputSpec::of(manifest, horizon);
    read(&spec, serde_json::from_value(series).unwrap()).map_err(|error| match error {
        ForecastError::Invalid(errors) => errors.into_iter().map(|e| (e.pointer, e.detail)).collect(),
        other => panic!("{other}"),
    })
}

#[test]
fn the_last_context_points_are_kept_with_the_time_of_the_last() {
    let rail = manifest(&["rail"], &[]);
    let read =
        inputs(&rail, json!([{"id": "a", "start": "2019-04-06", "values": [1, 2, 3, 4]}, {"values": [5, 6, 7]}]));
    let [a, b] = <[SeriesInput; 2]>::try_from(read.unwrap()).unwrap();
    assert_eq!(a.columns, [[2.0, 3.0, 4.0]]);
    let last: jiff::Timestamp = "2019-04-09T00:00:00Z".parse().unwrap();
    assert_eq!(a.last, Some(LastPoint { time: last.as_microsecond(), frequency: Frequency::Fixed(86_400_000_000) }));
    assert_eq!((b.id, b.last), (None, None));
}

#[test]
fn a_frequency_in_the_request_overrides_the_models() {
    let read = inputs(
        &manifest(&["rail"], &[]),
        json!([{"start": "2024-01-31T00:00:00Z", "frequency": "P1M", "values": [1, 2, 3]}]),
    );
    let last: jiff::Timestamp = "2024-03-31T00:00:00Z".parse().unwrap();
    let expected = LastPoint { time: last.as_microsecond(), frequency: Frequency::Months(1) };
    assert_eq!(read.unwrap()[0].last, Some(expected));
}

#[test]
fn columns_come_in_the_models_order() {
    let both = manifest(&["rail", "bus"], &["fare"]);
    let series = json!([{"targets": {"bus": [4, 5, 6], "rail": [1, 2, 3]}, "past": {"fare": [7, 8, 9]}}]);
    assert_eq!(inputs(&both, series).unwrap()[0].columns, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]);
}

/// The manifest of a model that reads `rail`, lags of four points, the type of the day and the temperature as future
/// covariates, and the line's size and colour.
fn line() -> Manifest {
    let data = json!({"targets": ["rail"], "horizon": 2, "lags": [4], "calendar": ["day_of_week"],
        "covariates": {"future": ["day", "warmth"], "static": ["colour", "size"]}});
    let encodings = json!({"categories": {"day": ["A", "W"], "colour": ["blue", "red"]},
        "statics": {"size": {"mean": 10.0, "std": 2.0}}});
    with(data, &["rail", "warmth"], encodings)
}

/// A series with seven points of `rail`, from Monday, 1 January 2024.
fn line_series() -> Value {
    json!({"start": "2024-01-01", "values": [1, 2, 3, 4, 5, 6, 7],
        "future": {"day": ["W", "W", "W", "W", "A", "W", "A", null, "never seen"],
            "warmth": [1, 2, 3, 4, 5, 6, 7, 8, 9]},
        "static": {"colour": "red", "size": 14}})
}

#[test]
fn future_covariates_extend_beyond_the_values() {
    let line = line();
    let [history] = <[SeriesInput; 1]>::try_from(inputs(&line, json!([line_series()])).unwrap()).unwrap();
    assert_eq!(history.columns[0], [2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "three points, and three before for the lag");
    assert_eq!(history.columns[1], [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    let days = CodeColumn::Each(vec![2, 2, 2, 1, 2, 1, 0, 0]);
    let calendar = CodeColumn::Each(vec![1, 2, 3, 4, 5, 6, 0, 1]);
    assert_eq!(history.codes, [days, CodeColumn::All(2), calendar]);
    assert_eq!(history.constants, [2.0]);
    let mut short = line_series();
    short["future"]["warmth"] = json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let errors = inputs_ahead(&line, 3, json!([short])).unwrap_err();
    assert_eq!(errors.len(), 2, "two runs of two steps read four points ahead: {errors:?}");
    assert!(errors.iter().all(|(_, detail)| detail.contains("11 are needed")), "{errors:?}");
}

#[test]
fn covariates_that_do_not_fit_are_named() {
    let line = line();
    let cases: [(&str, Value, &str, &str); 10] = [
        ("/future/warmth", json!([1, 2, 3]), "/series/0/future/warmth", "9 are needed: 7 of the history and 2 ahead"),
        ("/future/warmth/8", json!("mild"), "/series/0/future/warmth/8", "is a string"),
        ("/future/warmth/8", json!(null), "/series/0/future/warmth/8", "is null"),
        ("/future/warmth/8", json!(1e39), "/series/0/future/warmth/8", "outside the range"),
        ("/future/day/0", json!(3), "/series/0/future/day/0", "is a number"),
        ("/future", json!({"day": ["W"]}), "/series/0/future", "`warmth` is missing"),
        ("/static", json!({"colour": "red"}), "/series/0/static", "`size` is missing"),
        ("/static/size", json!("big"), "/series/0/static/size", "is a string"),
        ("/static/colour", json!(7), "/series/0/static/colour", "is a number"),
        ("/values", json!([1, 2, 3, 4, 5]), "/series/0/values", "has 5 values; the model reads the last 6"),
    ];
    for (at, value, pointer, detail) in cases {
        let mut series = line_series();
        *series.pointer_mut(at).unwrap() = value.clone();
        let errors = inputs(&line, json!([series])).unwrap_err();
        let found = errors.iter().any(|(at, why)| at == pointer && why.contains(detail));
        assert!(found, "{at} {value}: {errors:?}");
    }
    let mut timeless = line_series();
    timeless.as_object_mut().unwrap().remove("start");
    let errors = inputs(&line, json!([timeless])).unwrap_err();
    assert_eq!(errors[0].0, "/series/0/start", "{errors:?}");
}

#[test]
fn faults_against_the_model_are_named() {
    let rail = manifest(&["rail"], &[]);
    let covariate = manifest(&["rail"], &["bus"]);
    let both = manifest(&["rail", "bus"], &[]);
    let cases = [
        (&rail, json!([{}]), "/series/0/targets", "`rail` is missing"),
        (&rail, json!([{"values": [1, 2]}]), "/series/0/values", "has 2 values; the model reads the last 3"),
        (&rail, json!([{"values": [1, 2, 1e39]}]), "/series/0/values/2", "outside the range"),
        (&rail, json!([{"id": "x".repeat(513), "values": [1, 2, 3]}]), "/series/0/id", "has 513 bytes; at most 512"),
        (
            &rail,
            json!([{"id": "a", "values": [1, 2, 3]}, {"id": "a", "values": [1, 2, 3]}]),
            "/series/1/id",
            "duplicate id",
        ),
        (&rail, json!([{"targets": {"rial": [1, 2, 3]}}]), "/series/0/targets", "`rail` is missing"),
        (&rail, json!([{"values": [1, 2, 3], "past": {"bus": [1, 2, 3]}}]), "/series/0/past", "does not read `bus`"),
        (
            &rail,
            json!([{"values": [1, 2, 3], "targets": {"rail": [1, 2, 3]}}]),
            "/series/0",
            "both `values` and `targets`",
        ),
        (&rail, json!([{"start": "9999-12-29", "values": [1, 2, 3]}]), "/series/0/start", "year 9999"),
        (&covariate, json!([{"values": [1, 2, 3]}]), "/series/0/past", "`bus` is missing"),
        (
            &covariate,
            json!([{"values": [1, 2, 3], "past": {"bus": [1, 2]}}]),
            "/series/0/past/bus",
            "has 2 values, but",
        ),
        (&both, json!([{"values": [1, 2, 3]}]), "/series/0/values", "send `targets` with the model's: `rail`, `bus`"),
    ];
    for (manifest, series, pointer, detail) in cases {
        let errors = inputs(manifest, series.clone()).unwrap_err();
        let found = errors.iter().any(|(at, why)| at == pointer && why.contains(detail));
        assert!(found, "{series}: {errors:?}");
    }
}

#[test]
fn a_covariate_missing_in_many_series_is_listed_once() {
    let covariate = manifest(&["rail"], &["bus"]);
    let series: Vec<Value> = (0..20).map(|_| json!({"values": [1, 2, 3]})).collect();
    let errors = inputs(&covariate, json!(series)).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].0, "/series/0/past");
    assert!(errors[0].1.ends_with("the same is true of 19 other series"), "{errors:?}");
}
