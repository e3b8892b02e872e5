//! Compares windows, splits and scales with plain implementations.

use std::collections::HashSet;
use std::ops::Range;

use proptest::prelude::*;

use super::baselines::Baseline;
use super::prepare::Prepared;
use super::window_metrics::WindowMetrics;
use super::windows::{Batcher, PartName, Window, WindowView, Windows};
use gatecast_core::order::{DataSpec, Loss, Missing, Output, Part, Scaling, ScalingKind, ScalingScope, Split};
use gatecast_data::frame::{Frame, FrameColumn, FrameSeries};
use gatecast_model::scaling::WindowScale;
use gatecast_nn::loss::Criterion;

/// Series of the given lengths without times, with columns `x` and `y`. Every value identifies its row.
fn frame(lengths: &[usize]) -> Frame {
    let total: usize = lengths.iter().sum();
    let mut next = 0;
    let series = lengths.iter().enumerate().map(|(at, &length)| {
        let rows = next..next + length;
        next = rows.end;
        FrameSeries { key: format!("s{at}"), rows, frequency: None }
    });
    let series = series.collect();
    let column = |name: &str, of: fn(f64) -> f64| FrameColumn {
        name: name.to_owned(),
        values: (0..total).map(|row| of(row as f64)).collect(),
    };
    let columns = vec![column("x", |row| row * row + 1.0), column("y", |row| 100.0 - row)];
    Frame { series, columns, ..Frame::default() }
}

fn data(context: usize, horizon: usize, split: Split) -> DataSpec {
    DataSpec {
        targets: vec!["x".to_owned()],
        covariates: gatecast_core::order::Covariates { past: vec!["y".to_owned()], ..Default::default() },
        context,
        horizon,
        season: 2,
        split,
        ..DataSpec::of("x", 1, 1)
    }
}

fn by_time(validation: f64, test: f64) -> Split {
    Split::Time { training: None, validation: Some(Part::Fraction(validation)), test: Some(Part::Fraction(test)) }
}

fn all(prepared: &Prepared, part: PartName) -> Vec<Window> {
    let windows = Windows::of(prepared, part);
    assert_eq!(windows.get(windows.len()), None);
    (0..windows.len()).map(|number| windows.get(number).unwrap()).collect()
}

/// Every window of a part by the rules of `split`, checked point by point.
fn naive_windows(prepared: &Prepared, part: PartName) -> Vec<(usize, usize)> {
    let shape = prepared.shape;
    let mut found = Vec::new();
    for (series, (of_series, parts)) in prepared.frame.series.iter().zip(&prepared.parts).enumerate() {
        let length = of_series.rows.len();
        for start in (0..length).filter(|start| start + shape.points() <= length) {
            let holds = |range: &Range<usize>, points: Range<usize>| {
                points.start >= range.start && points.end <= range.end && !range.is_empty()
            };
            let targets = start + shape.context..start + shape.points();
            let belongs = match part {
                PartName::Training => {
                    let whole = holds(&parts.training, start..start + shape.points());
                    whole && (start - parts.training.start).is_multiple_of(shape.stride)
                }
                PartName::Validation => holds(&parts.validation, targets),
                PartName::Test => holds(&parts.test, targets),
            };
            if belongs {
                found.push((series, of_series.rows.start + start));
            }
        }
    }
    found
}

fn held_out(parts: &[PartName], prepared: &Prepared) -> HashSet<usize> {
    let mut rows = HashSet::new();
    for (series, of) in prepared.frame.series.iter().zip(&prepared.parts) {
        for part in parts {
            let range = if *part == PartName::Test { &of.test } else { &of.validation };
            rows.extend(range.clone().map(|point| series.rows.start + point));
        }
    }
    rows
}

fn scalings() -> impl Strategy<Value = Scaling> {
    use ScalingKind::{Center, Mean, Minmax, None, Robust, Standard};
    let kinds = prop::sample::select(vec![None, Standard, Center, Minmax, Robust, Mean]);
    let scopes = prop::sample::select(vec![ScalingScope::Series, ScalingScope::Global, ScalingScope::Window]);
    (kinds, scopes).prop_map(|(kind, per)| Scaling::new(kind, per))
}

fn splits() -> impl Strategy<Value = Split> {
    let shares = || (0.0..0.45_f64, 0.0..0.45_f64);
    prop_oneof![
        shares().prop_map(|(validation, test)| by_time(validation, test)),
        (shares(), any::<u64>()).prop_map(|((validation, test), seed)| Split::Series { validation, test, seed }),
    ]
}

proptest! {
    #[test]
    fn windows_are_those_of_the_plain_rules(
        lengths in prop::collection::vec(1..40_usize, 1..6),
        context in 1..8_usize, horizon in 1..5_usize, stride in 1..4_usize, split in splits(),
    ) {
        let prepared = Prepared::new(frame(&lengths), &DataSpec { stride, ..data(context, horizon, split) }).unwrap();
        for part in [PartName::Training, PartName::Validation, PartName::Test] {
            let found: Vec<_> = all(&prepared, part).iter().map(|window| (window.series, window.start)).collect();
            prop_assert_eq!(found, naive_windows(&prepared, part));
        }
    }

    #[test]
    fn training_touches_no_point_that_judges(
        lengths in prop::collection::vec(1..40_usize, 1..6),
        context in 1..8_usize, horizon in 1..5_usize, split in splits(),
    ) {
        let prepared = Prepared::new(frame(&lengths), &data(context, horizon, split)).unwrap();
        let evaluated = held_out(&[PartName::Validation, PartName::Test], &prepared);
        let tested = held_out(&[PartName::Test], &prepared);
        for window in all(&prepared, PartName::Training) {
            prop_assert!((window.start..window.start + context + horizon).all(|row| !evaluated.contains(&row)));
        }
        for window in all(&prepared, PartName::Validation) {
            prop_assert!((window.start..window.start + context + horizon).all(|row| !tested.contains(&row)));
        }
    }

    #[test]
    fn counted_steps_have_all_their_targets_in_the_part(
        lengths in prop::collection::vec(10..40_usize, 1..4), context in 1..8_usize, horizon in 1..4_usize,
    ) {
        let prepared = Prepared::new(frame(&lengths), &data(context, horizon, by_time(0.4, 0.0))).unwrap();
        for window in all(&prepared, PartName::Validation) {
            let border = prepared.frame.series[window.series].rows.start + prepared.parts[window.series].validation.start;
            for step in 0..context {
                let within = window.start + step + 1 >= border;
                prop_assert_eq!(within, step >= window.first_step, "step {}", step);
            }
        }
    }

    #[test]
    fn batches_hold_what_a_plain_loop_gathers(
        lengths in prop::collection::vec(1..30_usize, 1..4),
        context in 1..6_usize, horizon in 1..4_usize, split in splits(),
        scaling in scalings(),
        output in prop::sample::select(vec![Output::EveryStep, Output::LastStep]),
    ) {
        let spec = DataSpec { scaling, ..data(context, horizon, split) };
        let prepared = Prepared::new(frame(&lengths), &spec).unwrap();
        for part in [PartName::Training, PartName::Validation, PartName::Test] {
            let windows = all(&prepared, part);
            let mut batcher = Batcher::default();
            batcher.gather(&prepared, output, windows.iter().copied());
            let (mut inputs, mut targets) = (Vec::new(), Vec::new());
            for &window in &windows {
                let mut own = WindowScale::default();
                let view = WindowView::of(&prepared, window, &mut own);
                let at = |column: usize, step: usize| {
                    view.scale.apply(column, prepared.frame.columns[column].values[window.start + step]) as f32
                };
                for step in 0..context {
                    inputs.extend([at(0, step), at(1, step)]);
                    if output == Output::EveryStep || step == context - 1 {
                        targets.extend((1..=horizon).map(|ahead| at(0, step + ahead)));
                    }
                }
            }
            prop_assert_eq!(&batcher.inputs, &inputs);
            prop_assert_eq!(&batcher.targets, &targets);
        }
    }

    #[test]
    fn scales_and_encodings_depend_on_training_points_only(
        lengths in prop::collection::vec(12..30_usize, 1..4), split in splits(),
        unknown in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        missing in prop::sample::select(vec![Missing::Interpolate, Missing::ForwardFill]),
        scaling in scalings(),
    ) {
        let spec = DataSpec { missing, scaling, ..data(3, 2, split) };
        let mut one = frame(&lengths);
        for index in unknown {
            let row = index.index(one.columns[0].values.len());
            one.columns[0].values[row] = f64::NAN;
        }
        let Ok(first) = Prepared::new(one.clone(), &spec) else { return Ok(()) };
        // The same data with other values in the validation and test parts.
        let evaluated = held_out(&[PartName::Validation, PartName::Test], &first);
        let mut other = one;
        for row in &evaluated {
            other.columns[0].values[*row] += 1e6;
            other.columns[1].values[*row] *= -3.0;
        }
        let second = Prepared::new(other, &spec).unwrap();
        prop_assert_eq!(&first.scaler, &second.scaler);
        prop_assert_eq!(format!("{:?}", first.seasonal_errors), format!("{:?}", second.seasonal_errors));
        for window in all(&first, PartName::Training) {
            let rows = window.start..window.start + 5;
            prop_assert_eq!(&first.frame.columns[0].values[rows.clone()], &second.frame.columns[0].values[rows]);
        }
    }
}

/// One series of 12 points. The last three are the validation part, with a context and a horizon of two.
fn small(values: [f64; 12]) -> Prepared {
    let frame = Frame {
        series: vec![FrameSeries { key: "s".into(), rows: 0..12, frequency: None }],
        times: None,
        columns: vec![FrameColumn { name: "x".into(), values: values.to_vec() }],
        ..Frame::default()
    };
    let mut spec = data(2, 2, by_time(0.25, 0.0));
    spec.covariates.past.clear();
    Prepared::new(frame, &spec).unwrap()
}

#[test]
fn errors_equal_hand_computed_values() {
    // Training part: 0 0 1 1 2 2 3 3 4, mean 16/9. The seasonal naive forecast (2) has an error of 1 everywhere.
    let prepared = small([0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 10.0, 0.0, 6.0]);
    assert_eq!(prepared.seasonal_errors, [1.0]);
    let windows = all(&prepared, PartName::Validation);
    assert_eq!(windows.iter().map(|window| window.start).collect::<Vec<_>>(), [7, 8]);
    let mut errors = WindowMetrics::default();
    let mut own = WindowScale::default();
    for (&window, forecast) in windows.iter().zip([[7.0, 0.0], [2.0, 2.0]]) {
        let view = WindowView::of(&prepared, window, &mut own);
        for (ahead, value) in forecast.into_iter().enumerate() {
            errors.add_point(&view, 0, ahead, value);
        }
    }
    let squared = Criterion::of_points(Loss::Mse);
    errors.add_loss(&squared, &[1.0, 2.0], &[0.0, 4.0], &[]);
    errors.add_loss(&squared, &[1.0, 9.0], &[2.0, f32::NAN], &[]);
    // Errors: 7-10, 0-0, 2-0, 2-6.
    let metrics = errors.metrics().unwrap();
    let near = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
    near(metrics.mae, (3.0 + 0.0 + 2.0 + 4.0) / 4.0);
    near(metrics.rmse, (29.0_f64 / 4.0).sqrt());
    near(metrics.smape, (200.0 * 3.0 / 17.0 + 0.0 + 200.0 + 200.0 * 4.0 / 8.0) / 4.0);
    near(metrics.mase.unwrap(), 9.0 / 4.0);
    near(metrics.loss.unwrap(), 6.0 / 3.0);
    let variance =
        [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0_f64].map(|x| (x - 16.0 / 9.0).powi(2)).iter().sum::<f64>() / 9.0;
    near(metrics.last_time_step_mse, 29.0 / 4.0 / variance);
}

#[test]
fn baselines_repeat_the_last_value_and_the_last_season() {
    let prepared = small([0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 10.0, 0.0, 6.0]);
    let windows = Windows::of(&prepared, PartName::Validation);
    // Naive: forecast 4 4 for 10 0, then 10 10 for 0 6. Seasonal: 3 4, then 4 10.
    assert_eq!(Baseline::Naive.evaluate(&prepared, &windows).unwrap().mae, (6.0 + 4.0 + 10.0 + 4.0) / 4.0);
    assert_eq!(Baseline::SeasonalNaive.evaluate(&prepared, &windows).unwrap().mae, (7.0 + 4.0 + 4.0 + 4.0) / 4.0);
    assert!(Baseline::Naive.evaluate(&prepared, &Windows::default()).is_none());
}

#[test]
fn mase_is_absent_if_the_seasonal_error_is_zero() {
    let prepared = small([5.0; 12]);
    let windows = Windows::of(&prepared, PartName::Validation);
    let metrics = Baseline::Naive.evaluate(&prepared, &windows).unwrap();
    assert_eq!((metrics.mase, metrics.mae, metrics.smape), (None, 0.0, 0.0));
}

#[test]
fn unknown_values_are_refused_if_requested() {
    let mut holed = frame(&[20]);
    holed.columns[1].values[4] = f64::NAN;
    let spec = DataSpec { missing: Missing::Refuse, ..data(3, 2, by_time(0.2, 0.0)) };
    let error = Prepared::new(holed, &spec).unwrap_err();
    assert_eq!(error.code(), "missing_values");
    assert!(error.to_string().contains("`s0` has 1 points without a value of `y`"), "{error}");
}

#[test]
fn a_series_without_any_value_is_left_out_and_named() {
    let mut holed = frame(&[20, 20]);
    holed.columns[0].values[20..].fill(f64::NAN);
    let prepared = Prepared::new(holed, &data(3, 2, by_time(0.2, 0.0))).unwrap();
    assert!(prepared.warnings[0].detail.contains("`s1`"));
    assert!(all(&prepared, PartName::Training).iter().all(|window| window.series == 0));
    assert_eq!(prepared.scaler.keys(), ["s0"]);
}

#[test]
fn numbers_past_single_precision_are_refused() {
    let mut large = frame(&[20]);
    large.columns[0].values[4] = 1e39;
    assert_eq!(Prepared::new(large, &data(3, 2, by_time(0.2, 0.0))).unwrap_err().code(), "values_too_large");
}
