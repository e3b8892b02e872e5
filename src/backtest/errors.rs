//! Adding up errors, a point at a time, always in the same order.

use crate::domain::backtest::PointErrors;

/// Sums over points whose value is known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    points: u64,
    absolute: f64,
    squares: f64,
    symmetric: f64,
    scaled: f64,
    /// Points whose series has a scale.
    scaled_points: u64,
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
