//! One linear map from the context to the horizon for all series: ridge regression on the training windows, each
//! standardised to mean 0 and deviation 1 by its own context. A network that does not beat it has learned no more
//! than a weighted mean of the past (compare Zeng et al. 2023, "Are transformers effective for time series
//! forecasting?").

use crate::prepare::Prepared;
use crate::windows::{WindowView, Windows};
use gatecast_model::scaling::WindowScale;

use super::known;

/// The largest number of points that the map reads: the latest ones.
const MOST_POINTS: usize = 512;
/// The largest number of training windows that it is fitted on, spread evenly over all windows.
const MOST_WINDOWS: u64 = 20_000;
/// The penalty on the weights, per window: as much as a thousandth of a standardised point's square.
const RIDGE: f64 = 1e-3;

/// The fitted map. Each target has weights `[point or constant, step ahead]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    points: usize,
    horizon: usize,
    weights: Vec<Vec<f64>>,
}

impl Linear {
    pub fn fit(prepared: &Prepared, training: &Windows) -> Self {
        let points = prepared.shape.context.min(MOST_POINTS);
        let horizon = prepared.shape.horizon;
        let weights = (0..prepared.targets).map(|target| fit(prepared, training, target, points)).collect();
        Self { points, horizon, weights }
    }

    /// Appends the forecast of the points after `context`, in the context's units.
    pub(super) fn forecast(&self, context: &[f64], target: usize, forecast: &mut Vec<f64>) {
        let (z, mean, std) = standardised(context, self.points);
        let Some(weights) = self.weights.get(target) else { return };
        for ahead in 0..self.horizon {
            let column = weights.iter().skip(ahead).step_by(self.horizon);
            let sum: f64 = z.iter().zip(column).map(|(z, weight)| z * weight).sum();
            forecast.push(mean + std * sum);
        }
    }
}

/// The latest `points`, standardised (mean subtracted, divided by the deviation), followed by a constant 1.
fn standardised(context: &[f64], points: usize) -> (Vec<f64>, f64, f64) {
    let latest = &context[context.len().saturating_sub(points)..];
    let count = latest.len().max(1) as f64;
    let mean = latest.iter().sum::<f64>() / count;
    let std = (latest.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let std = if std > 0.0 { std } else { 1.0 };
    let z = latest.iter().map(|value| (value - mean) / std).chain([1.0]).collect();
    (z, mean, std)
}

/// Solves (ZᵀZ + λI) W = ZᵀY for W, `[point or constant, step ahead]`.
fn fit(prepared: &Prepared, training: &Windows, target: usize, points: usize) -> Vec<f64> {
    let (width, horizon) = (points + 1, prepared.shape.horizon);
    let mut square = vec![0.0; width * width];
    let mut right = vec![0.0; width * horizon];
    let mut own = WindowScale::default();
    let mut context = Vec::new();
    let every = training.len().div_ceil(MOST_WINDOWS).max(1);
    let mut windows = 0.0;
    for window in (0..training.len()).step_by(usize::try_from(every).unwrap_or(1)).filter_map(|at| training.get(at)) {
        let view = WindowView::of(prepared, window, &mut own);
        let future = view.future(target);
        if future.iter().any(|value| value.is_nan()) {
            continue;
        }
        known(view.context(target), &mut context);
        let (z, mean, std) = standardised(&context, points);
        for (row, &zi) in z.iter().enumerate() {
            // Only the lower triangle, because the matrix is symmetric.
            let cells = square[row * width..row * width + row + 1].iter_mut();
            cells.zip(&z).for_each(|(cell, zj)| *cell += zi * zj);
            let cells = right[row * horizon..(row + 1) * horizon].iter_mut();
            cells.zip(future).for_each(|(cell, value)| *cell += zi * (value - mean) / std);
        }
        windows += 1.0;
    }
    for row in 0..width {
        square[row * width + row] += RIDGE * f64::max(windows, 1.0);
    }
    solve(&mut square, &mut right, width, horizon);
    right
}

/// Solves a linear system in place by Cholesky decomposition. `square` is `[width, width]`; only its lower triangle
/// is read, and it must be positive definite, which the ridge ensures. `right` is `[width, columns]` and becomes the
/// solution.
fn solve(square: &mut [f64], right: &mut [f64], width: usize, columns: usize) {
    for row in 0..width {
        for column in 0..=row {
            let (a, b) = (row * width, column * width);
            let dot: f64 = (0..column).map(|at| square[a + at] * square[b + at]).sum();
            let rest = square[a + column] - dot;
            square[a + column] =
                if row == column { rest.max(f64::MIN_POSITIVE).sqrt() } else { rest / square[b + column] };
        }
    }
    for column in 0..columns {
        for row in 0..width {
            let dot: f64 = (0..row).map(|at| square[row * width + at] * right[at * columns + column]).sum();
            right[row * columns + column] = (right[row * columns + column] - dot) / square[row * width + row];
        }
        for row in (0..width).rev() {
            let dot: f64 = (row + 1..width).map(|at| square[at * width + row] * right[at * columns + column]).sum();
            right[row * columns + column] = (right[row * columns + column] - dot) / square[row * width + row];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::PartName;
    use gatecast_core::order::DataSpec;
    use gatecast_data::frame::{Frame, FrameColumn, FrameSeries};

    #[test]
    fn a_linear_system_is_solved() {
        // [[4, 2], [2, 3]] x = [[8], [7]] has x = [1.25, 1.5]. The upper triangle is never read.
        let (mut square, mut right) = (vec![4.0, f64::NAN, 2.0, 3.0], vec![8.0, 7.0]);
        solve(&mut square, &mut right, 2, 1);
        assert!((right[0] - 1.25).abs() < 1e-12 && (right[1] - 1.5).abs() < 1e-12, "{right:?}");
    }

    #[test]
    fn a_linear_map_of_the_past_is_fitted() {
        // A sine is one: x(t) = 2 cos(w) x(t − 1) − x(t − 2).
        let values: Vec<f64> = (0..400).map(|at| 50.0 + 7.0 * (f64::from(at) * 0.37).sin()).collect();
        let series = vec![FrameSeries { key: "a".to_owned(), rows: 0..400, frequency: None }];
        let columns = vec![FrameColumn { name: "x".to_owned(), values }];
        let data =
            DataSpec { targets: vec!["x".to_owned()], context: 24, horizon: 4, season: 1, ..DataSpec::of("x", 1, 1) };
        let prepared = Prepared::new(Frame { series, columns, ..Frame::default() }, &data).unwrap();
        let linear = Linear::fit(&prepared, &Windows::of(&prepared, PartName::Training));
        let validation = Windows::of(&prepared, PartName::Validation);
        let of = |baseline: super::super::Baseline| baseline.evaluate(&prepared, &validation).unwrap().mae;
        let (linear, naive) = (of(super::super::Baseline::Linear(linear)), of(super::super::Baseline::Naive));
        assert!(linear < 0.1 && naive > 1.0, "linear {linear}, naive {naive}");
    }
}
