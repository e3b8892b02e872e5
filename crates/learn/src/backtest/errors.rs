//! Adding up errors, a point at a time, always in the same order.

use gatecast_core::backtest::PointErrors;
use gatecast_core::forecast::Forecast;
use gatecast_core::metric_values::Coverage;
use gatecast_model::pinball;

/// Sums over points whose value is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    points: u64,
    absolute: f64,
    squares: f64,
    symmetric: f64,
    scaled: f64,
    /// Points whose series has a scale.
    scaled_points: u64,
    pinball: f64,
    /// Points with quantiles.
    spread_points: u64,
    /// Intervals by level, in the order they first came: the values within.
    within: Vec<(f64, u64)>,
}

impl Sums {
    /// One forecast; nothing where the value, or the forecast, is unknown (NaN). `scale` is the
    /// series' seasonal naive error, NaN where it has none.
    pub(super) fn add(&mut self, forecast: f64, value: f64, scale: f64) {
        if value.is_nan() || forecast.is_nan() {
            return;
        }
        let error = (forecast - value).abs();
        let size = forecast.abs() + value.abs();
        self.points += 1;
        self.absolute += error;
        self.squares += error * error;
        self.symmetric += if size > 0.0 { 200.0 * error / size } else { 0.0 };
        if !scale.is_nan() {
            self.scaled += error / scale;
            self.scaled_points += 1;
        }
    }

    /// How sure a forecast was at one step, against the value; nothing where that is unknown (NaN), or
    /// the forecast is one number a point.
    pub(super) fn add_spread(&mut self, forecast: &Forecast, ahead: usize, value: f64) {
        if value.is_nan() || (forecast.intervals.is_empty() && forecast.quantiles.is_empty()) {
            return;
        }
        let at = |row: &[f64]| row.get(ahead).copied().unwrap_or(f64::NAN);
        let (mut losses, mut levels) = (0.0, 0.0);
        let mut judge = |level: f64, quantile: f64| {
            losses += pinball(level, quantile, value);
            levels += 1.0;
        };
        for quantile in &forecast.quantiles {
            judge(quantile.level, at(&quantile.values));
        }
        for interval in &forecast.intervals {
            let (lower, upper) = (at(&interval.lower), at(&interval.upper));
            if forecast.quantiles.is_empty() {
                let tail = 0.5 - interval.level / 200.0;
                judge(tail, lower);
                if interval.level > 0.0 {
                    judge(1.0 - tail, upper);
                }
            }
            if interval.level > 0.0 {
                let place = self.within.iter().position(|(level, _)| *level == interval.level);
                let place = place.unwrap_or_else(|| {
                    self.within.push((interval.level, 0));
                    self.within.len() - 1
                });
                self.within[place].1 += u64::from(lower <= value && value <= upper);
            }
        }
        self.pinball += losses / levels;
        self.spread_points += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.points == 0
    }

    pub(super) fn errors(&self) -> PointErrors {
        let mean = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64).filter(|mean| mean.is_finite());
        PointErrors {
            points: self.points,
            mae: mean(self.absolute, self.points),
            rmse: mean(self.squares, self.points).map(f64::sqrt),
            smape: mean(self.symmetric, self.points),
            mase: mean(self.scaled, self.scaled_points),
            pinball: mean(self.pinball, self.spread_points),
            coverage: self.coverage(),
        }
    }

    fn coverage(&self) -> Vec<Coverage> {
        let share = |within: u64| within as f64 / self.spread_points as f64;
        let mut coverage: Vec<Coverage> =
            self.within.iter().map(|&(level, within)| Coverage { level, share: share(within) }).collect();
        coverage.sort_by(|a, b| a.level.total_cmp(&b.level));
        coverage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::forecast::Interval;

    #[test]
    fn means_are_over_known_points_alone() {
        let mut sums = Sums::default();
        assert_eq!(sums.errors(), PointErrors::default());
        sums.add(1.0, 2.0, 0.5);
        sums.add(3.0, 1.0, f64::NAN);
        sums.add(3.0, f64::NAN, 1.0);
        let errors = sums.errors();
        assert_eq!((errors.points, errors.mae, errors.mase), (2, Some(1.5), Some(2.0)));
        assert_eq!(errors.rmse, Some(2.5_f64.sqrt()));
        assert!((errors.smape.unwrap() - (200.0 / 3.0 + 100.0) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_forecast_that_says_how_sure_it_is_is_judged_by_it() {
        let interval = |level, lower, upper| Interval { level, lower: vec![lower], upper: vec![upper] };
        let forecast = Forecast {
            series: None,
            target: "x".to_owned(),
            timestamps: None,
            mean: vec![5.0],
            intervals: vec![interval(0.0, 5.0, 5.0), interval(80.0, 2.0, 8.0), interval(95.0, 0.0, 10.0)],
            quantiles: Vec::new(),
        };
        let mut sums = Sums::default();
        for value in [5.0, 9.0] {
            sums.add(5.0, value, f64::NAN);
            sums.add_spread(&forecast, 0, value);
        }
        sums.add_spread(&forecast, 0, f64::NAN);
        let errors = sums.errors();
        let of = |value: f64| {
            let levels = [(0.025, 0.0), (0.1, 2.0), (0.5, 5.0), (0.9, 8.0), (0.975, 10.0)];
            let loss =
                |(level, quantile): (f64, f64)| (level * (value - quantile)).max((level - 1.0) * (value - quantile));
            levels.into_iter().map(loss).sum::<f64>() / 5.0
        };
        assert!((errors.pinball.unwrap() - (of(5.0) + of(9.0)) / 2.0).abs() < 1e-12);
        let covered: Vec<(f64, f64)> = errors.coverage.iter().map(|of| (of.level, of.share)).collect();
        assert_eq!(covered, [(80.0, 0.5), (95.0, 1.0)]);
        let both = PointErrors::over([&errors, &errors].into_iter());
        assert_eq!((both.pinball, both.coverage), (errors.pinball, errors.coverage));
    }
}
