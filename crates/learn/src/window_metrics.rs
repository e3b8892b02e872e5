//! The errors of forecasts on windows: the loss and the mean squared error in the network's scale, and all other metrics in the
//! data's units.

use super::prepare::Prepared;
use super::windows::WindowView;
use gatecast_core::metric_accumulator::MetricAccumulator;
use gatecast_core::metric_values::Metrics;
use gatecast_model::in_units;
use gatecast_model::target_transform::{Origin, Scratch};
use gatecast_nn::loss::{Criterion, Layout, ScaledOrRaw, Targets};

/// Sums over the windows of one part.
#[derive(Debug, Default)]
pub struct WindowMetrics {
    loss: WeightedMean,
    scaled_squares: WeightedMean,
    errors: MetricAccumulator,
    /// Memory for the origins of one window, one per target.
    scratch: Vec<Scratch>,
    /// Memory for the quantiles of one point.
    quantiles: Vec<f64>,
}

#[derive(Debug, Default, Clone, Copy)]
struct WeightedMean {
    sum: f64,
    weight: f64,
}

impl WeightedMean {
    fn add(&mut self, sum: f64, weight: f64) {
        self.sum += sum;
        self.weight += weight;
    }

    fn get(self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

impl WindowMetrics {
    /// Metrics for forecasts by a head. The default is for point forecasts.
    pub fn of(criterion: &Criterion) -> Self {
        Self { errors: MetricAccumulator::with_levels(criterion.head().evaluated_levels()), ..Self::default() }
    }

    /// Adds the loss of the steps of one window that count: raw outputs `[step, output]` and targets `[step, point]`
    /// in the network's scale, scales `[target, SCALE_FIELDS]`.
    pub fn add_loss(&mut self, criterion: &Criterion, outputs: &[f32], targets: &[f32], units: &[f32]) {
        let layout = Layout { series: 1, steps: 1, strides: [0, 0, 1] };
        let (loss, weight) = criterion.loss_sum(outputs, layout, Targets { targets, weights: &[], units });
        self.loss.add(loss, weight);
    }

    /// Adds the forecast of one window's last step as output by the head: `[step ahead, target, width]`.
    pub fn add_forecast(&mut self, criterion: &Criterion, prepared: &Prepared, view: &WindowView<'_>, outputs: &[f32]) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize_with(prepared.targets, Scratch::default);
        let origins: Vec<Origin<'_>> =
            scratch.iter_mut().enumerate().map(|(target, scratch)| view.origin(target, scratch)).collect();
        for (point, raw) in outputs.chunks(criterion.width()).enumerate() {
            let (ahead, target) = (point / prepared.targets, point % prepared.targets);
            let Some(origin) = origins.get(target).filter(|origin| !origin.is_lost(ahead)) else { continue };
            let distribution = criterion.distribution(raw, view.target_scale(target));
            let forecast = in_units(origin, ahead, criterion.middle(&distribution));
            self.add_point(view, target, ahead, forecast);
            self.quantiles.clear();
            for &level in self.errors.levels() {
                let quantile = criterion.quantile(&distribution, level).unwrap_or(ScaledOrRaw::Count(f64::NAN));
                self.quantiles.push(in_units(origin, ahead, quantile));
            }
            self.errors.add_quantiles(&self.quantiles, view.future(target)[ahead]);
        }
        drop(origins);
        self.scratch = scratch;
    }

    /// Adds one forecast in the data's units. A point without a value is ignored.
    pub fn add_point(&mut self, view: &WindowView<'_>, target: usize, ahead: usize, forecast: f64) {
        let value = view.future(target)[ahead];
        if value.is_nan() {
            return;
        }
        self.errors.add(forecast, value, view.seasonal_error(target));
        let distance = view.distance(target, forecast, value);
        // A baseline may forecast a value that the transform does not accept.
        if distance.is_finite() || !(forecast - value).is_finite() {
            self.scaled_squares.add(distance.powi(2), 1.0);
        }
    }

    /// `None` where nothing was added.
    pub fn metrics(&self) -> Option<Metrics> {
        Some(Metrics {
            loss: self.loss.get(),
            last_time_step_mse: self.scaled_squares.get()?,
            mae: self.errors.mae()?,
            rmse: self.errors.rmse()?,
            smape: self.errors.smape()?,
            mase: self.errors.mase(),
            pinball: self.errors.pinball(),
            coverage: self.errors.coverage(),
        })
    }
}
