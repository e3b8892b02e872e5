//! Compares inputs with a plain computation of what each step should read.

use serde_json::{Value, json};

use crate::LearnError;
use crate::prepare::Prepared;
use crate::windows::{Batcher, PartName, Windows};
use gatecast_core::frequency::Frequency;
use gatecast_core::order::{DataSpec, Output};
use gatecast_data::frame::{Frame, FrameCategories, FrameColumn, FrameSeries};

const DAY: i64 = 86_400_000_000;
/// 2024-02-26, a Monday: the series contain the leap day and a change of month.
const MONDAY: i64 = 1_708_905_600_000_000;

/// Two series of ten days from [`MONDAY`].
fn frame() -> Frame {
    let number =
        |name: &str, of: fn(usize) -> f64| FrameColumn { name: name.to_owned(), values: (0..20).map(of).collect() };
    let category = |name: &str, texts: &[&str], of: fn(usize) -> u32| FrameCategories {
        name: name.to_owned(),
        texts: texts.iter().map(|&text| text.to_owned()).collect(),
        codes: (0..20).map(of).collect(),
    };
    Frame {
        series: [("a", 0..10), ("b", 10..20)]
            .map(|(key, rows)| FrameSeries { key: key.into(), rows, frequency: Some(Frequency::Fixed(DAY)) })
            .into(),
        times: Some((0..20).map(|row| MONDAY + (row % 10) * DAY).collect()),
        columns: vec![
            number("x", |row| row as f64 * 1.5),
            number("warmth", |row| 100.0 - row as f64),
            number("size", |row| if row < 10 { 4.0 } else { 8.0 }),
        ],
        categories: vec![
            // `late` occurs only in the validation part; one point has no mood.
            category("mood", &["sad", "glad", "late"], |row| match row {
                9 | 19 => 2,
                3 => FrameCategories::MISSING,
                _ => row as u32 % 2,
            }),
            category("day", &["work", "rest"], |row| u32::from(row % 7 > 4)),
            category("colour", &["red", "blue"], |row| row as u32 / 10),
        ],
    }
}

/// The frame with the columns that a spec reads, in the order in which they are read from a dataset.
fn prepared(frame: Frame, data: &DataSpec) -> Result<Prepared, LearnError> {
    let wanted = gatecast_model::features::input_columns(data);
    let place = |name: &String| wanted.iter().position(|other| other == name);
    let mut frame = frame;
    frame.columns.retain(|column| place(&column.name).is_some());
    frame.columns.sort_by_key(|column| place(&column.name));
    frame.categories.retain(|column| place(&column.name).is_some());
    Prepared::new(frame, data)
}

fn data(fields: Value) -> DataSpec {
    let mut data = json!({
        "targets": ["x"], "context": 3, "horizon": 2, "season": 1, "scaling": "none",
        "split": {"by": "time", "validation": 0.2},
    });
    for (name, value) in fields.as_object().unwrap() {
        data[name] = value.clone();
    }
    serde_json::from_value(data).unwrap()
}

fn all_features() -> DataSpec {
    data(json!({
        "covariates": {"past": ["mood"], "future": ["warmth", "day"], "static": ["size", "colour"], "series": true},
        "lags": [3, 2], "future_window": 2,
        "calendar": ["day_of_week", {"feature": "month", "as": "category"}, "is_weekend"],
    }))
}

fn one_hot(place: usize, count: usize) -> Vec<f32> {
    (0..count).map(|at| if at == place { 1.0 } else { 0.0 }).collect()
}

/// The inputs of the step at a row, in the order that the `features` module documents.
fn expected(row: usize) -> Vec<f32> {
    let (frame, series) = (frame(), row / 10);
    let number = |column: usize, row: usize| vec![frame.columns[column].values[row] as f32];
    let mood = |row: usize| match frame.categories[0].codes[row] {
        // The unknown category, glad, sad: known categories are sorted by text.
        0 => one_hot(2, 3),
        1 => one_hot(1, 3),
        _ => one_hot(0, 3),
    };
    let day = |row: usize| one_hot(if frame.categories[1].codes[row] == 1 { 1 } else { 2 }, 3);
    let (next, days) = (row + 1, row as i64 % 10 + 1);
    let turn = std::f64::consts::TAU * (days % 7) as f64 / 7.0;
    [
        number(0, row),
        mood(row),
        number(0, next - 3),
        number(0, next - 2),
        number(1, next),
        number(1, next + 1),
        day(next),
        day(next + 1),
        vec![if series == 0 { -1.0 } else { 1.0 }],
        one_hot(if series == 0 { 2 } else { 1 }, 3),
        one_hot(series + 1, 3),
        vec![turn.sin() as f32, turn.cos() as f32],
        one_hot(if days > 3 { 2 } else { 1 }, 12),
        vec![if days % 7 > 4 { 1.0 } else { 0.0 }],
    ]
    .concat()
}

#[test]
fn each_step_reads_the_documented_inputs() {
    let prepared = self::prepared(frame(), &all_features()).unwrap();
    for (part, count) in [(PartName::Training, 4), (PartName::Validation, 2)] {
        let windows = Windows::of(&prepared, part);
        assert_eq!(windows.len(), count, "the lags read two points before each window");
        let windows: Vec<_> = (0..count).map(|number| windows.get(number).unwrap()).collect();
        let mut batcher = Batcher::default();
        batcher.gather(&prepared, Output::LastStep, windows.iter().copied());
        let width = prepared.inputs();
        for (window, inputs) in windows.iter().zip(batcher.inputs.chunks(3 * width)) {
            for (step, inputs) in inputs.chunks(width).enumerate() {
                assert_eq!(inputs, expected(window.start + step), "{part:?}, {window:?}, step {step}");
            }
        }
        for (window, targets) in windows.iter().zip(batcher.targets.chunks(2)) {
            let row = (window.start + 3) as f32;
            assert_eq!(targets, [row * 1.5, (row + 1.0) * 1.5]);
        }
    }
}

#[test]
fn encodings_come_from_the_training_part() {
    let prepared = self::prepared(frame(), &all_features()).unwrap();
    let encodings = &prepared.features.encodings;
    assert_eq!(encodings.categories["mood"], ["glad", "sad"], "`late` is only in the validation part");
    assert_eq!(encodings.categories["colour"], ["blue", "red"]);
    assert_eq!(encodings.categories["series"], ["a", "b"]);
    assert_eq!((encodings.statics["size"].mean, encodings.statics["size"].std), (6.0, 2.0));
    assert_eq!(encodings.code("mood", Some("late")), 0);
    let tables: Vec<_> = prepared
        .features
        .layout
        .embeddings()
        .iter()
        .map(|table| (table.name.as_str(), table.rows, table.dimension, table.places.len()))
        .collect();
    let expected =
        [("mood", 3, 1, 1), ("day", 3, 1, 2), ("colour", 3, 1, 1), ("series", 3, 1, 1), ("calendar.month", 12, 6, 1)];
    assert_eq!(tables, expected);
}

#[test]
fn a_series_ends_at_its_last_target_if_covariates_are_known_ahead() {
    let mut longer = frame();
    longer.columns[0].values[18..].fill(f64::NAN);
    let spec = data(json!({"covariates": {"future": ["warmth"]}}));
    let prepared = self::prepared(longer.clone(), &spec).unwrap();
    assert_eq!(prepared.frame.series[1].rows, 10..18);
    let prepared = self::prepared(longer, &data(json!({"covariates": {"past": ["warmth"]}}))).unwrap();
    assert_eq!(prepared.frame.series[1].rows, 10..20, "without covariates known ahead, a gap at the end is filled");
}

#[test]
fn unusable_covariates_are_refused() {
    let refused = |frame: Frame, fields: Value| -> LearnError { prepared(frame, &data(fields)).unwrap_err() };
    let error = refused(frame(), json!({"covariates": {"static": ["warmth"]}}));
    assert_eq!(error.code(), "covariates_unusable");
    assert!(error.to_string().contains("`warmth` changes within series `a`"), "{error}");
    let error = refused(frame(), json!({"covariates": {"static": ["day"]}}));
    assert!(error.to_string().contains("`day` changes within series `a`"), "{error}");
    let error = refused(frame(), json!({"missing": "refuse", "covariates": {"past": ["mood"]}}));
    assert!(error.to_string().contains("1 points without a value of `mood`"), "{error}");
    let mut unknown = frame();
    unknown.columns[2].values[10..].fill(f64::NAN);
    let error = refused(unknown, json!({"covariates": {"static": ["size"]}}));
    assert!(error.to_string().contains("series `b` has no value of the static covariate `size`"), "{error}");
    let mut many = frame();
    many.series = vec![FrameSeries { key: "a".into(), rows: 0..2_000, frequency: None }];
    many.times = None;
    many.columns = vec![FrameColumn { name: "x".into(), values: vec![1.0; 2_000] }];
    let codes = (0..2_000).collect();
    let texts = (0..2_000).map(|at| format!("{at:04}")).collect();
    many.categories = vec![FrameCategories { name: "mood".into(), codes, texts }];
    let error = refused(many, json!({"covariates": {"past": ["mood"]}}));
    assert!(error.to_string().contains("`mood` has 1600 categories"), "{error}");
}
