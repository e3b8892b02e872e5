//! From histories to forecasts: scale, compute in batches, feed back, and bring back.

use std::sync::PoisonError;

use super::answer::{self, Asked};
use super::error::ForecastError;
use super::feed::Feed;
use super::history::History;
use super::model::LocalModel;
use super::reads::Reads;
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
pub(super) fn check_size(model: &LocalModel, series: usize, asked: &Asked) -> Result<(), ForecastError> {
    let points = series.saturating_mul(model.bundle.manifest.targets.len()).saturating_mul(asked.horizon);
    let numbers = points.saturating_mul(answer::numbers(&model.criterion, asked));
    if numbers <= MOST_NUMBERS {
        return Ok(());
    }
    Err(ForecastError::field(
        "/series",
        format!("the answer would hold {numbers} numbers; at most {MOST_NUMBERS} are given at once: ask in parts"),
    ))
}

/// One forecast a history and target, in order; `left` is asked between two batches.
pub(super) fn run(
    model: &LocalModel,
    histories: &[History],
    asked: &Asked,
    left: impl Fn() -> bool,
) -> Result<Vec<Forecast>, ForecastError> {
    let mut forecasts = Vec::with_capacity(histories.len() * model.bundle.manifest.targets.len());
    let reads = Reads::of(&model.bundle.manifest, asked.horizon);
    let of_series = reads.manifest.context.saturating_mul(reads.layout.width());
    for batch in histories.chunks((MOST_INPUTS / of_series.max(1)).clamp(1, BATCH)) {
        let mut feed = Feed::new((&reads, &model.criterion), &model.bundle.scaler, batch);
        roll(model, &mut feed, batch.len(), &left)?;
        for (at, history) in batch.iter().enumerate() {
            let said = |step: usize, target: usize| feed.said(step, at, target);
            forecasts.extend(answer::forecasts(model, history, asked, said)?);
        }
    }
    Ok(forecasts)
}

/// Runs the network as often as the horizon asks.
fn roll(model: &LocalModel, feed: &mut Feed<'_>, batch: usize, left: &impl Fn() -> bool) -> Result<(), ForecastError> {
    let steps = model.bundle.manifest.context;
    let mut predicted = Vec::new();
    for block in 0..feed.blocks() {
        if left() {
            return Err(ForecastError::Abandoned);
        }
        let read = Inputs { batch, steps, values: feed.window(block) };
        // An engine holds scratch memory alone, so one that panicked is as good as new.
        let mut engine = model.engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.predict(&model.bundle.parameters, read, Steps::Last, &mut predicted).map_err(ForecastError::machine)?;
        drop(engine);
        feed.take(block, &predicted);
    }
    Ok(())
}
