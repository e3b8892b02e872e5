//! From series to forecasts: scale, compute in batches, append to the history, and bring back.

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
/// It has an engine of its own. An engine's scratch memory can be a hundred times the size of its
/// model's weights, so it goes with the request; to make an engine takes microseconds. Two requests
/// for one model need not wait for each other either.
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

    /// The most series in a batch.
    pub(super) fn batch_series(&self) -> usize {
        /// Series that the engine computes in one vector.
        const LANES: usize = 16;
        let units: usize = self.model.bundle.network.layers.iter().map(|layer| layer.outputs()).sum();
        // The engine keeps about two numbers of each unit and step. Its numbers are half as long as
        // the values read.
        let step = self.spec.layout.width().saturating_add(units.saturating_mul(2));
        let computed = self.spec.manifest.context.saturating_mul(step) / 2;
        let most = (BATCH_NUMBERS / computed.max(self.spec.numbers()).max(1)).clamp(1, BATCH_SERIES);
        if most > LANES { most - most % LANES } else { most }
    }

    /// The forecasts of a batch, one for each series and target, in order.
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
