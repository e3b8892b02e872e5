//! Accumulates forecast errors. Training, baselines, backtests and the totals of refitted backtests all use it, so
//! every metric has a single definition.
//!
//! Sums are in double precision and in the order in which points are added, so the same points yield the same metrics
//! to the last bit.

use super::backtest::PointErrors;
use super::metric_values::Coverage;
use super::quantile_level::{self, pinball};

/// The errors of point forecasts and, if the forecasts have them, of quantiles.
#[derive(Debug, Clone, Default)]
pub struct MetricAccumulator {
    absolute: Mean,
    squared: Mean,
    symmetric: Mean,
    /// Absolute errors divided by the seasonal error of their series, for the series that have one.
    scaled: Mean,
    pinball: Mean,
    /// Ascending. Empty if the forecasts have no quantiles.
    levels: Vec<f64>,
    /// Widest first.
    intervals: Vec<Interval>,
}

/// A sum and the number of its terms.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: f64,
}

#[derive(Debug, Clone, Copy)]
struct Interval {
    percent: f64,
    /// The indices of the two ends in `levels`.
    lower: usize,
    upper: usize,
    /// The number of values within the interval.
    within: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }

    /// Adds the terms that a mean was computed from.
    fn merge(&mut self, mean: Option<f64>, count: u64) {
        if let Some(mean) = mean {
            self.sum += mean * count as f64;
            self.count += count as f64;
        }
    }

    fn get(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

impl MetricAccumulator {
    /// For forecasts with quantiles at these ascending levels. An empty slice is for point forecasts.
    pub fn with_levels(levels: &[f64]) -> Self {
        let interval = |pair: quantile_level::LevelPair| {
            let quantile_level::LevelPair { percent, lower, upper } = pair;
            Interval { percent, lower, upper, within: 0.0 }
        };
        let intervals = quantile_level::intervals(levels).into_iter().map(interval).collect();
        Self { levels: levels.to_vec(), intervals, ..Self::default() }
    }

    /// The levels of the quantiles that [`Self::add_quantiles`] expects.
    pub fn levels(&self) -> &[f64] {
        &self.levels
    }

    /// Adds one point, in the data's units. A point whose actual value is unknown (NaN) is ignored.
    ///
    /// `seasonal_error` is the scale of the point's series, or NaN if it has none. A forecast that is NaN makes the
    /// metrics NaN, so points without a forecast must not be added.
    pub fn add(&mut self, forecast: f64, actual: f64, seasonal_error: f64) {
        if actual.is_nan() {
            return;
        }
        let error = (forecast - actual).abs();
        let size = forecast.abs() + actual.abs();
        self.absolute.add(error);
        self.squared.add(error * error);
        // `size > 0` would hide a forecast that is NaN.
        self.symmetric.add(if size == 0.0 { 0.0 } else { 200.0 * error / size });
        if !seasonal_error.is_nan() {
            self.scaled.add(error / seasonal_error);
        }
    }

    /// Adds the quantiles of one point, one per level, in the data's units. A point whose actual value is unknown
    /// (NaN) is ignored.
    pub fn add_quantiles(&mut self, quantiles: &[f64], actual: f64) {
        if self.levels.is_empty() || actual.is_nan() {
            return;
        }
        let losses = self.levels.iter().zip(quantiles).map(|(&level, &quantile)| pinball(level, quantile, actual));
        self.pinball.add(losses.sum::<f64>() / self.levels.len() as f64);
        for interval in &mut self.intervals {
            let (lower, upper) = (quantiles.get(interval.lower), quantiles.get(interval.upper));
            let within = lower.is_some_and(|&lower| lower <= actual) && upper.is_some_and(|&upper| actual <= upper);
            interval.within += f64::from(u8::from(within));
        }
    }

    /// Adds the points of another evaluation of the same kind of forecast, given by their means.
    pub fn merge(&mut self, part: &PointErrors) {
        let quantile_points = part.quantile_points.unwrap_or(part.points);
        self.absolute.merge(part.mae, part.points);
        self.squared.merge(part.rmse.map(|rmse| rmse * rmse), part.points);
        self.symmetric.merge(part.smape, part.points);
        self.scaled.merge(part.mase, part.mase_points.unwrap_or(part.points));
        self.pinball.merge(part.pinball, quantile_points);
        for &Coverage { level, share } in &part.coverage {
            let within = share * quantile_points as f64;
            match self.intervals.iter_mut().find(|interval| interval.percent == level) {
                Some(interval) => interval.within += within,
                None => self.intervals.push(Interval { percent: level, lower: 0, upper: 0, within }),
            }
        }
    }

    /// Whether no point was added.
    pub fn is_empty(&self) -> bool {
        self.absolute.count == 0.0
    }

    /// The number of points with a known value.
    pub fn points(&self) -> u64 {
        self.absolute.count as u64
    }

    /// Mean absolute error. Like all metrics below, it is `None` if no point was added.
    pub fn mae(&self) -> Option<f64> {
        self.absolute.get()
    }

    /// Root mean squared error.
    pub fn rmse(&self) -> Option<f64> {
        self.squared.get().map(f64::sqrt)
    }

    /// Symmetric mean absolute percentage error, 0 to 200.
    pub fn smape(&self) -> Option<f64> {
        self.symmetric.get()
    }

    /// Mean absolute scaled error, over the points of series with a seasonal error.
    pub fn mase(&self) -> Option<f64> {
        self.scaled.get().filter(|mase| mase.is_finite())
    }

    /// Mean pinball loss over the levels.
    pub fn pinball(&self) -> Option<f64> {
        self.pinball.get()
    }

    /// The fraction of values within each interval, narrowest interval first.
    pub fn coverage(&self) -> Vec<Coverage> {
        if self.pinball.count == 0.0 {
            return Vec::new();
        }
        let coverage =
            |interval: &Interval| Coverage { level: interval.percent, share: interval.within / self.pinball.count };
        let mut all: Vec<Coverage> = self.intervals.iter().map(coverage).collect();
        all.sort_by(|a, b| a.level.total_cmp(&b.level));
        all
    }

    /// All metrics, except those that are not finite.
    pub fn errors(&self) -> PointErrors {
        let finite = |metric: Option<f64>| metric.filter(|value| value.is_finite());
        PointErrors {
            points: self.points(),
            mae: finite(self.mae()),
            rmse: finite(self.rmse()),
            smape: finite(self.smape()),
            mase: self.mase(),
            mase_points: Some(self.scaled.count as u64),
            pinball: finite(self.pinball()),
            quantile_points: (self.pinball.count > 0.0).then_some(self.pinball.count as u64),
            coverage: self.coverage(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_skip_unknown_points() {
        let mut errors = MetricAccumulator::default();
        assert!(errors.is_empty() && errors.mae().is_none() && errors.mase().is_none());
        errors.add(1.0, 2.0, 0.5);
        errors.add(3.0, 1.0, f64::NAN);
        errors.add(3.0, f64::NAN, 1.0);
        assert_eq!((errors.points(), errors.mae(), errors.mase()), (2, Some(1.5), Some(2.0)));
        assert_eq!(errors.rmse(), Some(2.5_f64.sqrt()));
        assert!((errors.smape().unwrap() - (200.0 / 3.0 + 100.0) / 2.0).abs() < 1e-12);
        assert_eq!(errors.errors().mase_points, Some(1));
        errors.add(0.0, 0.0, f64::NAN);
        assert_eq!(errors.points(), 3, "forecast and value 0 count 0 in smape");
    }

    #[test]
    fn a_nan_forecast_makes_the_metrics_nan() {
        let mut errors = MetricAccumulator::default();
        errors.add(1.0, 1.0, 1.0);
        errors.add(f64::NAN, 1.0, 1.0);
        for metric in [errors.mae(), errors.rmse(), errors.smape()] {
            assert!(metric.unwrap().is_nan());
        }
        let reported = errors.errors();
        assert_eq!((reported.points, reported.mae, reported.mase), (2, None, None), "JSON has no such number");
    }

    #[test]
    fn quantiles_yield_pinball_loss_and_coverage() {
        let levels = [0.025, 0.1, 0.5, 0.9, 0.975];
        let quantiles = [0.0, 2.0, 5.0, 8.0, 10.0];
        let mut errors = MetricAccumulator::with_levels(&levels);
        for actual in [5.0, 9.0, f64::NAN] {
            errors.add_quantiles(&quantiles, actual);
        }
        let of = |actual: f64| {
            let loss =
                |(level, quantile): (f64, f64)| (level * (actual - quantile)).max((level - 1.0) * (actual - quantile));
            levels.into_iter().zip(quantiles).map(loss).sum::<f64>() / 5.0
        };
        assert!((errors.pinball().unwrap() - (of(5.0) + of(9.0)) / 2.0).abs() < 1e-12);
        let covered = errors.coverage();
        assert_eq!(covered.iter().map(|of| (of.level, of.share)).collect::<Vec<_>>(), [(80.0, 0.5), (95.0, 1.0)]);
    }

    #[test]
    fn merged_parts_give_the_metrics_of_all_their_points() {
        let points = [(1.0, 2.0, 0.5), (4.0, 2.0, f64::NAN), (7.0, 3.0, 2.0), (2.0, 2.5, f64::NAN), (1.0, 9.0, 1.5)];
        let evaluate = |points: &[(f64, f64, f64)]| {
            let mut errors = MetricAccumulator::with_levels(&[0.1, 0.9]);
            for &(forecast, actual, scale) in points {
                errors.add(forecast, actual, scale);
                errors.add_quantiles(&[forecast - 1.0, forecast + 1.0], actual);
            }
            errors.errors()
        };
        let (all, merged) = (evaluate(&points), PointErrors::over([&evaluate(&points[..2]), &evaluate(&points[2..])]));
        assert_eq!((all.points, all.mase_points, all.quantile_points), (5, Some(3), Some(5)));
        assert_eq!((merged.points, merged.mase_points, merged.quantile_points), (5, Some(3), Some(5)));
        let close = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs() < 1e-12;
        let metrics: [fn(&PointErrors) -> Option<f64>; 5] =
            [|of| of.mae, |of| of.rmse, |of| of.smape, |of| of.mase, |of| of.pinball];
        for metric in metrics {
            assert!(close(metric(&all), metric(&merged)));
        }
        assert!((all.coverage[0].share - merged.coverage[0].share).abs() < 1e-12);
        assert_eq!(PointErrors::over([]), MetricAccumulator::default().errors());
    }
}
