//! From histories to forecasts: scale, compute in batches, feed back, and bring back.

use std::sync::PoisonError;

use super::answer::{self, Asked};
use super::cache::Loaded;
use super::error::ForecastError;
use super::feed::Feed;
use super::history::History;
use super::reads::Reads;
use crate::domain::forecast::Forecast;
use crate::domain::model::Manifest;
use crate::learn::scaling::{OwnScale, Scale};
use crate::nn::engine::{Inputs, Steps};

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
pub(super) fn check_size(model: &Loaded, series: usize, asked: &Asked) -> Result<(), ForecastError> {
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
    model: &Loaded,
    histories: &[History],
    asked: &Asked,
    left: impl Fn() -> bool,
) -> Result<Vec<Forecast>, ForecastError> {
    let mut forecasts = Vec::with_capacity(histories.len() * model.bundle.manifest.targets.len());
    let reads = Reads::of(&model.bundle.manifest, asked.horizon);
    let of_series = reads.manifest.context.saturating_mul(reads.layout.width());
    for batch in histories.chunks((MOST_INPUTS / of_series.max(1)).clamp(1, BATCH)) {
        let own: Vec<OwnScale> = batch
            .iter()
            .map(|history| {
                model.bundle.scaler.of_context(history.columns.iter().map(|column| &column[reads.reach..reads.history]))
            })
            .collect();
        let scales: Vec<Scale<'_>> = batch
            .iter()
            .zip(&own)
            .map(|(history, own)| model.bundle.scaler.for_series(history.id.as_deref()).unwrap_or_else(|| own.get()))
            .collect();
        let said = roll(model, &reads, batch, &scales, &left)?;
        for (at, (history, scale)) in batch.iter().zip(&scales).enumerate() {
            let (targets, width) = (model.bundle.manifest.targets.len(), model.criterion.width());
            let raw = |step: usize, target: usize| {
                let first = ((step * batch.len() + at) * targets + target) * width;
                &said[first..first + width]
            };
            forecasts.extend(answer::forecasts(model, history, scale, asked, raw)?);
        }
    }
    Ok(forecasts)
}

/// What the network says of a batch, `[step, series, target, width]`, as many steps as asked or some
/// more.
fn roll(
    model: &Loaded,
    reads: &Reads<'_>,
    batch: &[History],
    scales: &[Scale<'_>],
    left: &impl Fn() -> bool,
) -> Result<Vec<f32>, ForecastError> {
    let manifest = &model.bundle.manifest;
    let (targets, width) = (manifest.targets.len(), model.criterion.width());
    let of_step = targets * width;
    let mut feed = Feed::new(reads, batch, scales);
    let mut said = Vec::with_capacity(reads.blocks * manifest.horizon * batch.len() * of_step);
    let (mut predicted, mut middles) = (Vec::new(), Vec::new());
    for block in 0..reads.blocks {
        if left() {
            return Err(ForecastError::Abandoned);
        }
        let read = Inputs { batch: batch.len(), steps: manifest.context, values: feed.window(block) };
        // An engine holds scratch memory alone, so one that panicked is as good as new.
        let mut engine = model.engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.predict(&model.bundle.parameters, read, Steps::Last, &mut predicted).map_err(ForecastError::machine)?;
        drop(engine);
        for step in 0..manifest.horizon {
            for series in predicted.chunks_exact(manifest.horizon * of_step) {
                said.extend_from_slice(&series[step * of_step..(step + 1) * of_step]);
            }
        }
        middles.clear();
        for (series, scale) in predicted.chunks_exact(manifest.horizon * of_step).zip(scales) {
            let points = series.chunks_exact(width).enumerate();
            middles.extend(points.map(|(at, raw)| answer::fed_back(&model.criterion, raw, scale, at % targets)));
        }
        feed.append(block, &middles);
    }
    Ok(said)
}
