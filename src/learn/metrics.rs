//! Adding up errors, a window at a time, in double precision and always in the same order.

use super::prepare::Prepared;
use super::windows::View;
use crate::domain::metrics::Metrics;
use crate::domain::order::Loss;

/// Sums over the windows of one part.
#[derive(Debug, Default)]
pub struct Errors {
    loss: Mean,
    scaled_squares: Mean,
    absolute: Mean,
    squares: Mean,
    symmetric: Mean,
    seasonal: Mean,
}

#[derive(Debug, Default, Clone, Copy)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn get(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

impl Errors {
    /// Steps that the loss counts, in the network's scale.
    pub fn add_loss(&mut self, loss: Loss, predictions: &[f32], targets: &[f32]) {
        let differences = predictions.iter().zip(targets).map(|(p, t)| f64::from(*p) - f64::from(*t));
        self.loss.sum += match loss {
            Loss::Mse => differences.map(|difference| difference * difference).sum::<f64>(),
            Loss::Mae => differences.map(f64::abs).sum::<f64>(),
        };
        self.loss.count += predictions.len() as u64;
    }

    /// The last step's forecast of one window, in the network's scale: `[step ahead, target]`.
    pub fn add_scaled(&mut self, prepared: &Prepared, view: &View<'_>, forecast: &[f32]) {
        for (ahead, row) in forecast.chunks(prepared.targets).enumerate() {
            for (target, &scaled) in row.iter().enumerate() {
                let forecast = view.scale.undo(target, f64::from(scaled));
                self.add_point(prepared, view, target, ahead, forecast);
            }
        }
    }

    /// One forecast, in the data's units.
    pub fn add_point(&mut self, prepared: &Prepared, view: &View<'_>, target: usize, ahead: usize, forecast: f64) {
        let value = view.future(target)[ahead];
        let (_, std) = view.scale.column(target);
        let error = (forecast - value).abs();
        self.absolute.add(error);
        self.squares.add(error * error);
        self.scaled_squares.add((error / std).powi(2));
        let size = forecast.abs() + value.abs();
        self.symmetric.add(if size > 0.0 { 200.0 * error / size } else { 0.0 });
        let seasonal = prepared.seasonal_errors[view.window.series * prepared.targets + target];
        if !seasonal.is_nan() {
            self.seasonal.add(error / seasonal);
        }
    }

    /// `None` where nothing was added.
    pub fn metrics(&self) -> Option<Metrics> {
        Some(Metrics {
            loss: self.loss.get(),
            last_time_step_mse: self.scaled_squares.get()?,
            mae: self.absolute.get()?,
            rmse: self.squares.get()?.sqrt(),
            smape: self.symmetric.get()?,
            mase: self.seasonal.get().filter(|mase| mase.is_finite()),
        })
    }
}
