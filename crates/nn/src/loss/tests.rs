//! Losses against central differences and against numbers worked out elsewhere.

use super::*;

const TARGETS: usize = 2;

fn head(levels: &[f64]) -> Head {
    Head::Quantile { levels: levels.to_vec() }
}

fn all() -> Vec<Criterion> {
    let points = [Loss::Mse, Loss::Mae, Loss::Huber { delta: 0.7 }, Loss::Smape, Loss::Mase].map(Criterion::of_points);
    let heads = [head(&[0.1, 0.5, 0.9]), Head::Normal {}, Head::StudentT {}, Head::NegativeBinomial {}];
    points.into_iter().chain(heads.map(Criterion::of_head)).collect()
}

/// Numbers in −1 to 1 without a pattern.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let next = |at: u64| ((at * 2_654_435_761 + seed * 40_503) % 1_000_003) as f64 / 500_001.5 - 1.0;
    (1..=count as u64).map(next).collect()
}

/// Two targets: one of some thousands, one of counts, its seasonal error unknown.
const UNIT: [TargetScale; TARGETS] = [
    TargetScale { factor: 120.0, term: 2000.0, seasonal: 60.0 },
    TargetScale { factor: 3.0, term: 2.5, seasonal: f64::NAN },
];

#[test]
fn slopes_equal_central_differences() {
    for criterion in all() {
        for (case, unit) in (0..200).zip(UNIT.iter().cycle()) {
            let raw: Vec<f64> = numbers(criterion.width(), case).iter().map(|x| 2.0 * x).collect();
            // Whole numbers, as a count's slope needs it; away from the kinks.
            let count = ((1.5 * numbers(1, 7 * case + 3)[0]) * unit.factor + unit.term).round().max(0.0);
            let value = (count - unit.term) / unit.factor;
            let mut slopes = vec![f64::NAN; criterion.width()];
            criterion.point(&raw, value, *unit, &mut slopes);
            for (at, &slope) in slopes.iter().enumerate() {
                let moved = |by: f64| {
                    let mut raw = raw.clone();
                    raw[at] += by;
                    criterion.point(&raw, value, *unit, &mut [0.0; WIDEST])
                };
                // Where ln Γ is some ten thousand, a smaller one would measure its rounding.
                let step = 1e-5;
                let expected = (moved(step) - moved(-step)) / (2.0 * step);
                let error = (slope - expected).abs();
                assert!(error < 2e-6 * (1.0 + expected.abs()), "{criterion:?} {raw:?} at {at}: {slope}, {expected}");
            }
        }
    }
}

#[track_caller]
fn near(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-10 * (1.0 + expected.abs()), "{got} is not {expected}");
}

/// The raw output whose softplus is a value.
fn raw(value: f64) -> f64 {
    value.exp_m1().ln()
}

#[test]
fn likelihoods_are_those_of_scipy() {
    let none = &mut [0.0; 0];
    let of = |head: Head| Criterion::of_head(head);
    // -norm.logpdf(1.3, loc=0.4, scale=0.7)
    let normal = of(Head::Normal {}).point(&[0.4, raw(0.699)], 1.3, TargetScale::ONE, none);
    near(normal, NORMAL);
    // -t.logpdf(1.3, df=3.5, loc=0.4, scale=0.7)
    let student = of(Head::StudentT {}).point(&[0.4, raw(0.699), raw(1.5)], 1.3, TargetScale::ONE, none);
    near(student, STUDENT);
    // -nbinom.logpmf(7, n=1/0.3, p=1/(1+0.3*4.5))
    let unit = TargetScale { factor: 4.0, term: 2.0, seasonal: 1.0 };
    let outputs = [raw(4.5 / 4.0) - 0.5, raw(2.0 * (0.3 - 1e-6))];
    let counts = of(Head::NegativeBinomial {}).point(&outputs, (7.0 - 2.0) / 4.0, unit, none);
    near(counts, NEGATIVE_BINOMIAL);
}

const NORMAL: f64 = 1.388_794_201_510_838_3;
const STUDENT: f64 = 1.503_161_607_066_964_2;
const NEGATIVE_BINOMIAL: f64 = 2.716_988_685_272_322;

#[test]
fn the_losses_of_points_are_those_worked_out_by_hand() {
    let unit = TargetScale { factor: 10.0, term: 100.0, seasonal: 4.0 };
    let of =
        |loss: Loss, forecast: f64, value: f64| Criterion::of_points(loss).point(&[forecast], value, unit, &mut [0.0]);
    near(of(Loss::Mse, 1.0, 4.0), 9.0);
    near(of(Loss::Mae, 1.0, 4.0), 3.0);
    near(of(Loss::Huber { delta: 2.0 }, 1.0, 4.0), 2.0 * (3.0 - 1.0));
    near(of(Loss::Huber { delta: 5.0 }, 1.0, 4.0), 4.5);
    // 110 for 140.
    near(of(Loss::Smape, 1.0, 4.0), 200.0 * 30.0 / 250.0);
    near(of(Loss::Mase, 1.0, 4.0), 30.0 / 4.0);
    let quantile = Criterion::of_head(head(&[0.1, 0.9]));
    near(quantile.point(&[3.0, 5.0], 4.0, unit, &mut [0.0; 2]), (0.1 * 1.0 + 0.1 * 1.0) / 2.0);
}

#[test]
fn far_raw_outputs_give_finite_losses_and_slopes() {
    for criterion in all() {
        for far in [-1e4, -100.0, 100.0, 1e4] {
            for place in 0..criterion.width() {
                for value in [0.0, 3.0] {
                    let mut raw = vec![0.0; criterion.width()];
                    raw[place] = far;
                    let mut slopes = vec![0.0; criterion.width()];
                    let unit = TargetScale { factor: 1.0, term: 0.0, seasonal: 1.0 };
                    let loss = criterion.point(&raw, value, unit, &mut slopes);
                    let finite = loss.is_finite() && slopes.iter().all(|slope| (*slope as f32).is_finite());
                    assert!(finite, "{criterion:?} {raw:?}: {loss}, {slopes:?}");
                }
            }
        }
    }
}

/// Two layouts: `[series, step, output]`, and `[step, output, lane]` with six lanes.
#[test]
fn unknown_values_and_weights_count_as_they_should_wherever_the_numbers_lie() {
    let (series, steps, horizon, lanes) = (5, 3, 4, 6);
    for criterion in all() {
        let width = horizon * TARGETS * criterion.width();
        let raw: Vec<f32> = numbers(series * steps * width, 3).iter().map(|&x| x as f32).collect();
        let mut targets: Vec<f32> =
            numbers(series * steps * horizon * TARGETS, 5).iter().map(|&x| x as f32 + 1.0).collect();
        targets.iter_mut().step_by(7).for_each(|target| *target = f32::NAN);
        let weights = [1.0, 0.5, 0.0, 2.0, 1.25];
        let units: Vec<f32> = (0..series)
            .flat_map(|_| UNIT.iter().flat_map(|unit| [unit.factor, unit.term, unit.seasonal].map(|x| x as f32)))
            .collect();
        let truth = Targets { targets: &targets, weights: &weights, units: &units };
        let rows = Layout { series, steps, strides: [steps * width, width, 1] };
        let blocks = Layout { series, steps, strides: [1, width * lanes, lanes] };

        let (mut total, mut weight) = (0.0, 0.0);
        for (at, &target) in targets.iter().enumerate().filter(|(_, target)| !target.is_nan()) {
            let outputs = &raw[at * criterion.width()..(at + 1) * criterion.width()];
            let outputs: Vec<f64> = outputs.iter().map(|&x| x.into()).collect();
            let w = f64::from(weights[at / (steps * horizon * TARGETS)]);
            let slopes = &mut [0.0; WIDEST];
            total += w * criterion.point(&outputs, target.into(), UNIT[at % TARGETS], slopes);
            weight += w;
        }
        let (got, got_weight) = criterion.loss_sum(&raw, rows, truth);
        near(got, total);
        near(got_weight, weight);
        near(truth.weight(series).0, weight);
        assert!(!truth.weight(series).1);

        let mut by_rows = raw.clone();
        near(criterion.backward(&mut by_rows, rows, truth, 1.0 / weight), total);
        let mut by_blocks = vec![9.0; steps * width * lanes];
        for (at, &x) in raw.iter().enumerate() {
            by_blocks[(at % (steps * width)) * lanes + at / (steps * width)] = x;
        }
        criterion.backward(&mut by_blocks, blocks, truth, 1.0 / weight);
        for (at, &slope) in by_rows.iter().enumerate() {
            assert_eq!(slope, by_blocks[(at % (steps * width)) * lanes + at / (steps * width)]);
            let unknown = targets[at / criterion.width()].is_nan();
            assert!(slope == 0.0 || !(unknown || weights[at / (steps * width)] == 0.0));
        }
        assert!(by_blocks.iter().skip(5).step_by(lanes).all(|&untouched| untouched == 9.0));
    }
}

#[test]
fn quantiles_are_those_of_scipy_and_never_cross() {
    let quantile = |head: Head, raw: &[f32], unit: TargetScale, level: f64| {
        let criterion = Criterion::of_head(head);
        let distribution = criterion.distribution(raw, unit);
        match criterion.quantile(&distribution, level) {
            Some(ScaledOrRaw::Scaled(value) | ScaledOrRaw::Count(value)) => value,
            None => f64::NAN,
        }
    };
    let close =
        |got: f64, expected: f64| assert!((got - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{got}, {expected}");
    let scale = raw(0.699) as f32;
    // norm.ppf(0.9, 0.4, 0.7), t.ppf([0.025, 0.9], 3.5, 0.4, 0.7)
    close(quantile(Head::Normal {}, &[0.4, scale], TargetScale::ONE, 0.9), 0.4 + 0.7 * 1.281_551_565_544_600_4);
    close(quantile(Head::StudentT {}, &[0.4, scale, raw(1.5) as f32], TargetScale::ONE, 0.025), STUDENT_LOW);
    close(quantile(Head::StudentT {}, &[0.4, scale, raw(1.5) as f32], TargetScale::ONE, 0.9), STUDENT_HIGH);
    for (mean, dispersion, level, count) in COUNTS {
        assert_eq!(negative_binomial::quantile(mean, dispersion, level), count, "{mean} {dispersion} {level}");
    }
    let criterion = Criterion::of_head(head(&[0.1, 0.5, 0.9]));
    let distribution = criterion.distribution(&[3.0, 1.0, 2.0], TargetScale::ONE);
    assert_eq!(distribution, PredictiveDistribution::Quantiles(vec![1.0, 2.0, 3.0]));
    assert_eq!(criterion.middle(&distribution), ScaledOrRaw::Scaled(2.0));
    assert_eq!(criterion.quantile(&distribution, 0.8), None);
    for head in [Head::Normal {}, Head::StudentT {}, Head::NegativeBinomial {}] {
        let ascending: Vec<f64> = (1..1000)
            .map(|level| quantile(head.clone(), &[0.3, 0.2, -0.5], UNIT[1], f64::from(level) / 1000.0))
            .collect();
        assert!(ascending.is_sorted(), "{head:?}");
    }
}

const STUDENT_LOW: f64 = -1.658_062_046_587_910_6;
const STUDENT_HIGH: f64 = 1.503_603_623_595_483_7;

/// Mean, dispersion, level and nbinom.ppf(level, 1 / dispersion, 1 / (1 + dispersion * mean)).
const COUNTS: [(f64, f64, f64, f64); 13] = [
    (4.5, 0.3, 0.025, 0.0),
    (4.5, 0.3, 0.5, 4.0),
    (4.5, 0.3, 0.9, 9.0),
    (4.5, 0.3, 0.999, 20.0),
    (0.2, 2.0, 0.5, 0.0),
    (0.2, 2.0, 0.9, 1.0),
    (0.2, 2.0, 0.999, 4.0),
    (1e5, 0.01, 0.025, 81_355.0),
    (1e5, 0.01, 0.999, 133_787.0),
    (1e6, 1e-6, 0.025, 997_230.0),
    (1e6, 1e-6, 0.9, 1_001_813.0),
    (30.0, 1e-6, 0.025, 20.0),
    (0.001, 1.0, 0.999, 0.0),
];

/// A loss that does not fit its head must never train as something else.
#[test]
fn a_loss_that_does_not_fit_its_head_is_refused() {
    for (head, loss) in [
        (Head::Point {}, Loss::Nll),
        (Head::Point {}, Loss::Quantile),
        (Head::Normal {}, Loss::Mse),
        (head(&[0.5]), Loss::Nll),
    ] {
        let reason = Criterion::new(head, Some(loss)).unwrap_err();
        assert!(reason.contains(loss.name()), "{reason}");
    }
    assert_eq!(Criterion::new(Head::Point {}, Some(Loss::Mae)).unwrap().loss(), Loss::Mae);
    assert_eq!(Criterion::new(Head::Normal {}, None).unwrap().loss(), Loss::Nll);
}

#[test]
fn the_loss_of_another_head_is_not_a_number() {
    let layout = Layout { series: 1, steps: 1, strides: [1, 1, 1] };
    let truth = Targets { targets: &[0.0], weights: &[], units: &[] };
    for loss in [Loss::Quantile, Loss::Nll] {
        assert!(Criterion::of_points(loss).loss_sum(&[0.5], layout, truth).0.is_nan());
    }
}
