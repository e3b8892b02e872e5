//! From histories to forecasts: scale, compute in batches, feed back, and bring back.

use std::sync::PoisonError;

use super::error::ForecastError;
use super::input_spec::InputSpec;
use super::model::LocalModel;
use super::request_input::History;
use super::response::{self, ForecastOptions};
use super::rollout::Rollout;
use gatecast_core::forecast::Forecast;
use gatecast_core::model::Manifest;
use gatecast_nn::engine::{Inputs, Steps};

/// Series computed together: enough to fill the machine, few enough to stop soon after a caller
/// leaves.
const BATCH: usize = 128;

/// Inputs of one run: 64 MB.
const MOST_INPUTS: usize = 16_000_000;

/// In one answer: some 100 MB as JSON.
const MOST_NUMBERS: usize = 5_000_000;

/// How far to forecast. Past the trained horizon the forecast is fed back as history, which no past
/// covariate can be.
pub(super) fn horizon(manifest: &Manifest, asked: Option<usize>) -> Result<usize, ForecastError> {
    let horizon = asked.unwrap_or(manifest.horizon);
    if horizon > manifest.horizon && !manifest.order.data.covariates.past.is_empty() {
        return Err(ForecastError::field(
            "/horizon",
            format!(
                "this model reads past covariates, which nobody knows past its trained horizon of {}",
                manifest.horizon
            ),
        ));
    }
    Ok(horizon)
}

/// Refuses an answer of more numbers than a server should hold at once.
pub(super) fn check_size(model: &LocalModel, series: usize, options: &ForecastOptions) -> Result<(), ForecastError> {
    let points = series.saturating_mul(model.bundle.manifest.targets.len()).saturating_mul(options.horizon);
    let numbers = points.saturating_mul(response::numbers(&model.criterion, options));
    if numbers <= MOST_NUMBERS {
        return Ok(());
    }
    Err(ForecastError::field(
        "/series",
        format!("the answer would hold {numbers} numbers; at most {MOST_NUMBERS} are given at once: ask in parts"),
    ))
}

/// One forecast a history and target, in order; `is_cancelled` is asked between two batches.
pub(super) fn run(
    model: &LocalModel,
    histories: &[History],
    options: &ForecastOptions,
    is_cancelled: impl Fn() -> bool,
) -> Result<Vec<Forecast>, ForecastError> {
    let mut forecasts = Vec::with_capacity(histories.len() * model.bundle.manifest.targets.len());
    let spec = InputSpec::of(&model.bundle.manifest, options.horizon);
    let of_series = spec.manifest.context.saturating_mul(spec.layout.width());
    for batch in histories.chunks((MOST_INPUTS / of_series.max(1)).clamp(1, BATCH)) {
        let mut rollout = Rollout::new((&spec, &model.criterion), &model.bundle.scaler, batch);
        roll(model, &mut rollout, batch.len(), &is_cancelled)?;
        for (at, history) in batch.iter().enumerate() {
            let said = |step: usize, target: usize| rollout.said(step, at, target);
            forecasts.extend(response::forecasts(model, history, options, said)?);
        }
    }
    Ok(forecasts)
}

/// Runs the network as often as the horizon asks.
fn roll(
    model: &LocalModel,
    rollout: &mut Rollout<'_>,
    batch: usize,
    is_cancelled: &impl Fn() -> bool,
) -> Result<(), ForecastError> {
    let steps = model.bundle.manifest.context;
    let mut predicted = Vec::new();
    for block in 0..rollout.blocks() {
        if is_cancelled() {
            return Err(ForecastError::Abandoned);
        }
        let read = Inputs { batch, steps, values: rollout.window(block) };
        // An engine holds scratch memory alone, so one that panicked is as good as new.
        let mut engine = model.engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.predict(&model.bundle.parameters, read, Steps::Last, &mut predicted).map_err(ForecastError::machine)?;
        drop(engine);
        rollout.take(block, &predicted);
    }
    Ok(())
}
