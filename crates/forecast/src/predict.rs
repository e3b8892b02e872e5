//! Computes forecasts from series: scales them, runs the network in batches, appends forecasts to the history, and
//! converts the results back.

use gatecast_core::forecast::Forecast;
use gatecast_nn::engine::{self, Engine, Inputs, Objective, Steps, Wanted};

use super::error::ForecastError;
use super::input_spec::InputSpec;
use super::limits::{BATCH_NUMBERS, BATCH_SERIES};
use super::model::LocalModel;
use super::response::{self, ForecastOptions};
use super::rollout::Rollout;
use super::series_input::SeriesInput;

/// Computes the forecasts of one request, batch by batch.
///
/// Each predictor has its own engine. An engine's scratch memory can be a hundred times the size of its model's
/// weights, so it is freed after the request; creating an engine takes microseconds. Separate engines also let two
/// requests for one model run concurrently.
pub(super) struct Predictor<'p> {
    model: &'p LocalModel,
    spec: &'p InputSpec<'p>,
    options: &'p ForecastOptions,
    engine: Box<dyn Engine>,
    /// The network's outputs of one pass.
    predicted: Vec<f32>,
    is_cancelled: &'p dyn Fn() -> bool,
}

impl<'p> Predictor<'p> {
    pub(super) fn new(
        model: &'p LocalModel,
        spec: &'p InputSpec<'p>,
        options: &'p ForecastOptions,
        is_cancelled: &'p dyn Fn() -> bool,
    ) -> Result<Self, ForecastError> {
        let objective = Objective { criterion: model.criterion.clone() };
        let engine = engine::build(&model.bundle.network, objective, Wanted::PROCESSOR)?.engine;
        Ok(Self { model, spec, options, engine, predicted: Vec::new(), is_cancelled })
    }

    /// The maximum number of series in a batch.
    pub(super) fn batch_series(&self) -> usize {
        /// The number of series that the engine computes in one vector.
        const LANES: usize = 16;
        let units: usize = self.model.bundle.network.layers.iter().map(|layer| layer.outputs()).sum();
        // The engine stores about two numbers per unit and step, as 32-bit floats. The values read are 64-bit floats.
        let step = self.spec.layout.width().saturating_add(units.saturating_mul(2));
        let computed = self.spec.manifest.context.saturating_mul(step) / 2;
        let most = (BATCH_NUMBERS / computed.max(self.spec.numbers()).max(1)).clamp(1, BATCH_SERIES);
        if most > LANES { most - most % LANES } else { most }
    }

    /// Computes the forecasts of a batch, one per series and target, in order.
    pub(super) fn forecast(&mut self, batch: &[SeriesInput]) -> Result<Vec<Forecast>, ForecastError> {
        let mut rollout = Rollout::new(self.model, self.spec, batch)?;
        for pass in 0..self.spec.passes {
            self.check_cancelled()?;
            let inputs = Inputs { batch: batch.len(), steps: self.spec.manifest.context, values: rollout.window(pass) };
            self.engine.predict(&self.model.bundle.parameters, inputs, Steps::Last, &mut self.predicted)?;
            rollout.accept(pass, &self.predicted);
        }
        let targets = &self.spec.manifest.targets;
        let mut forecasts = Vec::with_capacity(batch.len() * targets.len());
        for (at, series) in batch.iter().enumerate() {
            let raw = |step: usize, target: usize| rollout.raw(step, at, target);
            forecasts.extend(response::forecasts(&self.model.criterion, targets, self.options, series, raw)?);
        }
        Ok(forecasts)
    }

    pub(super) fn check_cancelled(&self) -> Result<(), ForecastError> {
        if (self.is_cancelled)() { Err(ForecastError::Cancelled) } else { Ok(()) }
    }
}
