//! What every method promises, whatever the history.

use gatecast_classical::{LONGEST, Method};

const NAN: f64 = f64::NAN;

/// A number from −1 to 1 that depends on `at` alone.
fn noise(at: usize) -> f64 {
    let mixed = (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// A line with a season and some noise, all greater than zero.
fn sales(length: usize, season: usize) -> Vec<f64> {
    let wave = |at: usize| (std::f64::consts::TAU * (at % season) as f64 / season as f64).sin();
    (0..length).map(|at| 100.0 + 0.4 * at as f64 + 20.0 * wave(at) + 3.0 * noise(at)).collect()
}

fn mean(method: Method, history: &[f64], season: usize) -> Vec<f64> {
    method.fit(history, season).forecast(6).mean
}

fn near(a: &[f64], b: &[f64], tolerance: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance * b.abs().max(1e-300))
}

#[test]
fn every_history_with_a_known_value_has_a_finite_forecast() {
    let huge: Vec<f64> = sales(60, 4).iter().map(|value| value * 1e305).collect();
    let tiny: Vec<f64> = sales(60, 4).iter().map(|value| value * 1e-310).collect();
    let explosive: Vec<f64> = (0..40).map(|at| 1e-200 * 1e9_f64.powi(at)).collect();
    let intermittent: Vec<f64> = (0..80).map(|at| if at % 7 == 3 { 2.0 } else { 0.0 }).collect();
    let gaps: Vec<f64> = sales(60, 4).iter().enumerate().map(|(at, v)| if at % 3 == 1 { NAN } else { *v }).collect();
    let mut late = vec![NAN; 30];
    late.extend([4.0, 5.0, NAN, NAN]);
    let mut all_gone = sales(30, 4);
    all_gone.extend(vec![NAN; 2 * LONGEST]);
    let alternating: Vec<f64> = (0..50).map(|at| if at % 2 == 0 { 1e300 } else { -1e300 }).collect();
    let step: Vec<f64> = (0..60).map(|at| if at < 59 { 0.0 } else { 1.0 }).collect();
    let mut histories = vec![huge, tiny, explosive, intermittent, gaps, late, all_gone, alternating, step];
    histories.extend([vec![0.0; 40], vec![-3.0; 40], vec![f64::MAX, -f64::MAX, f64::MAX, 0.0, 1.0, 2.0, -f64::MAX]]);
    histories.extend((1..=12).map(|length| sales(length, 4)));
    histories.extend((1..=12).map(|length| (0..length).map(|at| at as f64).collect()));
    for (case, history) in histories.iter().enumerate() {
        for method in Method::ALL {
            for season in [0, 1, 2, 4, 7, 24, 1_000_000, usize::MAX] {
                let forecast = method.fit(history, season).forecast(30);
                let sound = |values: &[f64]| values.len() == 30 && values.iter().all(|value| value.is_finite());
                assert!(sound(&forecast.mean), "case {case}, {method:?}, season {season}: {:?}", forecast.mean);
                assert!(sound(&forecast.sigma), "case {case}, {method:?}, season {season}: {:?}", forecast.sigma);
                assert!(forecast.sigma.iter().all(|&sigma| sigma >= 0.0), "case {case}, {method:?}, season {season}");
            }
        }
    }
}

#[test]
fn a_history_without_a_known_value_has_no_forecast() {
    for method in Method::ALL {
        for history in [&[][..], &[NAN, NAN], &[f64::INFINITY]] {
            let fitted = method.fit(history, 4);
            assert!(fitted.is_fallback() || method == Method::SeasonalNaive);
            assert!(fitted.forecast(2).mean.iter().all(|value| value.is_nan()), "{method:?} {history:?}");
            assert!(near(&fitted.refilter(&[5.0]).forecast(2).mean, &[5.0, 5.0], 1e-12), "{method:?}");
        }
    }
}

#[test]
fn a_single_point_and_a_constant_go_on() {
    for method in Method::ALL {
        assert_eq!(mean(method, &[7.5], 12), [7.5; 6], "{method:?}");
        assert_eq!(mean(method, &[7.5; 50], 12), [7.5; 6], "{method:?}");
        assert_eq!(method.fit(&[0.0; 50], 1).forecast(2).sigma, [0.0; 2], "{method:?}");
    }
}

#[test]
fn units_do_not_matter() {
    let history = sales(90, 12);
    for method in Method::ALL {
        let expected: Vec<f64> = mean(method, &history, 12);
        for unit in [1e-150, 1e150] {
            let scaled: Vec<f64> = history.iter().map(|value| value * unit).collect();
            let forecast: Vec<f64> = mean(method, &scaled, 12).iter().map(|value| value / unit).collect();
            assert!(near(&forecast, &expected, 1e-6), "{method:?}: {forecast:?}, not {expected:?}");
        }
    }
}

#[test]
fn a_season_on_a_line_is_continued() {
    let history = sales(96, 12);
    let future = sales(102, 12).split_off(96);
    for method in [Method::Theta, Method::OptimisedTheta, Method::DampedTrend, Method::Ets, Method::Ces] {
        let forecast = mean(method, &history, 12);
        assert!(near(&forecast, &future, 0.06), "{method:?}: {forecast:?}, not {future:?}");
    }
}

#[test]
fn a_multiplicative_model_is_only_chosen_for_values_greater_than_zero() {
    let history: Vec<f64> =
        (0..96).map(|at| (1.0 + at as f64) * [1.0, 2.0, 3.0, 0.5][at % 4] * (1.0 + 0.05 * noise(at))).collect();
    assert!(Method::Ets.fit(&history, 4).form().starts_with("ETS(M,"));
    let below: Vec<f64> = history.iter().map(|value| value - 50.0).collect();
    assert!(Method::Ets.fit(&below, 4).form().starts_with("ETS(A,"));
}

#[test]
fn missing_values_cost_little_and_time_goes_on_over_them() {
    let history = sales(120, 12);
    let mut gaps = history.clone();
    for at in [5, 40, 41, 42, 77, 100] {
        gaps[at] = NAN;
    }
    for method in Method::ALL {
        let (whole, missing) = (mean(method, &history, 12), mean(method, &gaps, 12));
        assert!(near(&missing, &whole, 0.03), "{method:?}: {missing:?}, not {whole:?}");
        // With the last two missing, the first forecast is for the third point after the last known one.
        if method != Method::SeasonalNaive {
            let mut late = history.clone();
            late.extend([NAN, NAN]);
            let after = mean(method, &late, 12);
            assert!(near(&after[..4], &whole[2..], 0.06), "{method:?}: {after:?}, not {whole:?}");
        }
    }
}

#[test]
fn a_refiltered_method_stands_at_the_new_end() {
    let history = sales(140, 12);
    for method in Method::ALL {
        let fitted = method.fit(&history[..120], 12);
        let same = fitted.refilter(&history[..120]);
        assert_eq!(same.forecast(6), fitted.forecast(6), "{method:?}");
        // The parameters of the earlier origin do nearly as well as new ones.
        let moved = fitted.refilter(&history).forecast(6);
        let anew = method.fit(&history, 12).forecast(6);
        assert!(near(&moved.mean, &anew.mean, 0.05), "{method:?}: {:?}, not {:?}", moved.mean, anew.mean);
        let back = fitted.refilter(&history[..100]).forecast(6);
        assert!(near(&back.mean, &mean(method, &history[..100], 12), 0.05), "{method:?}: {:?}", back.mean);
    }
}

#[test]
fn a_method_moved_before_its_window_is_estimated_anew() {
    let history = sales(3 * LONGEST, 12);
    for method in Method::ALL {
        let fitted = method.fit(&history, 12);
        let early = fitted.refilter(&history[..100]).forecast(6);
        assert_eq!(early, method.fit(&history[..100], 12).forecast(6), "{method:?}");
        assert!(!fitted.refilter(&history[..2 * LONGEST + 100]).is_fallback(), "{method:?}");
    }
}

#[test]
fn a_long_history_is_judged_by_its_latest_part() {
    let recent = sales(LONGEST, 24);
    let mut long = vec![1e6; 16_500];
    long.extend(&recent);
    for method in Method::ALL {
        assert_eq!(mean(method, &long, 24), mean(method, &recent, 24), "{method:?}");
    }
}
