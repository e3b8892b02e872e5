//! Adding up errors, a window at a time, in double precision and always in the same order.

use super::interval_metrics::{IntervalMetrics, unit};
use super::prepare::Prepared;
use super::windows::WindowView;
use gatecast_core::metric_values::Metrics;
use gatecast_model::in_units;
use gatecast_model::target_transform::{Origin, Scratch};
use gatecast_nn::loss::{Criterion, Layout, Targets};

/// Sums over the windows of one part.
#[derive(Debug, Default)]
pub struct MetricAccumulator {
    loss: Mean,
    scaled_squares: Mean,
    absolute: Mean,
    squares: Mean,
    symmetric: Mean,
    seasonal: Mean,
    interval_metrics: IntervalMetrics,
    /// For the origins of one window, a target each.
    scratch: Vec<Scratch>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.weight += 1.0;
    }

    fn get(self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

impl MetricAccumulator {
    /// Of forecasts by a head.
    pub fn of(criterion: &Criterion) -> Self {
        Self { interval_metrics: IntervalMetrics::of(criterion), ..Self::default() }
    }

    /// Steps that the loss counts of one window: raw outputs `[step, output]` and targets
    /// `[step, point]` in the network's scale, units `[target, SCALE_FIELDS]`.
    pub fn add_loss(&mut self, criterion: &Criterion, outputs: &[f32], targets: &[f32], units: &[f32]) {
        let layout = Layout { series: 1, steps: 1, strides: [0, 0, 1] };
        let (loss, weight) = criterion.loss_sum(outputs, layout, Targets { targets, weights: &[], units });
        self.loss.sum += loss;
        self.loss.weight += weight;
    }

    /// The last step's forecast of one window, as the head gives it: `[step ahead, target, width]`.
    pub fn add_forecast(&mut self, criterion: &Criterion, prepared: &Prepared, view: &WindowView<'_>, outputs: &[f32]) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize_with(prepared.targets, Scratch::default);
        let origins: Vec<Origin<'_>> =
            scratch.iter_mut().enumerate().map(|(target, scratch)| view.origin(target, scratch)).collect();
        for (point, raw) in outputs.chunks(criterion.width()).enumerate() {
            let (ahead, target) = (point / prepared.targets, point % prepared.targets);
            let Some(origin) = origins.get(target).filter(|origin| !origin.is_lost(ahead)) else { continue };
            let distribution = criterion.distribution(raw, unit(prepared, view, target));
            let forecast = in_units(origin, ahead, criterion.middle(&distribution));
            self.add_point(prepared, view, target, ahead, forecast);
            self.interval_metrics.add(criterion, &distribution, (origin, ahead), view.future(target)[ahead]);
        }
        drop(origins);
        self.scratch = scratch;
    }

    /// One forecast, in the data's units; a point without a value judges nothing.
    pub fn add_point(
        &mut self,
        prepared: &Prepared,
        view: &WindowView<'_>,
        target: usize,
        ahead: usize,
        forecast: f64,
    ) {
        let value = view.future(target)[ahead];
        if value.is_nan() {
            return;
        }
        let error = (forecast - value).abs();
        self.absolute.add(error);
        self.squares.add(error * error);
        let distance = view.distance(target, forecast, value);
        // A baseline may forecast what the transform does not take.
        if distance.is_finite() || !error.is_finite() {
            self.scaled_squares.add(distance.powi(2));
        }
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
            pinball: self.interval_metrics.pinball(),
            coverage: self.interval_metrics.coverage(),
        })
    }
}
