use super::*;

/// Normal noise by the sum of twelve uniform numbers.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    fn uniform(&mut self) -> f64 {
        // Knuth's linear congruential generator (MMIX).
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn series(count: usize, length: usize, mut value: impl FnMut(usize, &mut Noise) -> f64) -> Vec<Vec<f64>> {
    let mut noise = Noise(7);
    (0..count).map(|_| (0..length).map(|at| value(at, &mut noise)).collect()).collect()
}

/// One cycle of a pattern without symmetry.
fn pattern(at: usize, season: usize) -> f64 {
    let phase = (at % season) as f64 / season as f64 * std::f64::consts::TAU;
    phase.sin() + 0.5 * (2.0 * phase + 1.0).cos()
}

#[test]
fn a_season_is_found_under_trend_noise_an_outlier_and_unknown_values() {
    for season in [4, 7, 12, 24, 52, 96] {
        let found = detect_seasons(&series(3, season * 12, |at, noise| match noise.uniform() {
            unknown if unknown < 0.1 => f64::NAN,
            _ if at == season * 5 => 1_000.0,
            _ => 3.0 * (at as f64 / season as f64) + pattern(at, season) * 2.0 + noise.next(),
        }));
        assert_eq!(found, [season], "{season}");
    }
}

#[test]
fn an_unusual_season_is_found() {
    for season in [5, 31, 100] {
        let found = detect_seasons(&series(2, season * 9, |at, noise| pattern(at, season) + 0.1 * noise.next()));
        assert_eq!(found, [season]);
    }
}

#[test]
fn a_week_of_hours_is_a_second_season_where_days_differ() {
    let hours = |weekend: f64| {
        series(2, 24 * 7 * 8, |at, noise| {
            let scale = if at / 24 % 7 >= 5 { weekend } else { 1.0 };
            scale * pattern(at, 24) + 0.1 * noise.next()
        })
    };
    assert_eq!(detect_seasons(&hours(0.2)), [24, 168]);
    assert_eq!(detect_seasons(&hours(1.0)), [24]);
    let exact: Vec<Vec<f64>> = vec![(0..200).map(|at| pattern(at, 7)).collect()];
    assert_eq!(detect_seasons(&exact), [7]);
}

#[test]
fn series_without_a_season_have_none() {
    for length in [20, 60, 500] {
        let mut level = 0.0;
        let walks = series(20, length, |_, noise| {
            level += noise.next();
            level
        });
        assert_eq!(detect_seasons(&walks), [0; 0], "random walks of {length}");
        assert_eq!(detect_seasons(&series(20, length, |_, noise| noise.next())), [0; 0], "noise of {length}");
        assert_eq!(detect_seasons(&series(5, length, |at, _| at as f64)), [0; 0], "lines of {length}");
        assert_eq!(detect_seasons(&series(5, length, |_, _| 1.0)), [0; 0], "constants of {length}");
    }
    // Cycles of about 10 points that do not keep their phase: an autoregressive process of order 2.
    let (mut one, mut two) = (0.0, 0.0);
    let cycles = series(20, 300, |_, noise| {
        let value = 1.3 * one - 0.7 * two + noise.next();
        (two, one) = (one, value);
        value
    });
    assert_eq!(detect_seasons(&cycles), [0; 0]);
    assert_eq!(detect_seasons(&[]), [0; 0]);
    assert_eq!(detect_seasons(&[vec![f64::NAN; 50], Vec::new()]), [0; 0]);
}

#[test]
fn one_long_series_does_not_decide_for_many_short_ones() {
    let mut sample = series(9, 10, |_, noise| noise.next());
    sample.extend(series(1, 200, |at, _| pattern(at, 12)));
    assert_eq!(detect_seasons(&sample), [0; 0]);
}
