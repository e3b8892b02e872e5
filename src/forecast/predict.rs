//! From histories to forecasts: scale, compute in batches, feed back, and bring back.

use std::sync::PoisonError;

use jiff::Timestamp;

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
pub(super) fn check_size(manifest: &Manifest, series: usize, horizon: usize) -> Result<(), ForecastError> {
    let numbers = series.saturating_mul(manifest.targets.len()).saturating_mul(horizon);
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
    horizon: usize,
    left: impl Fn() -> bool,
) -> Result<Vec<Forecast>, ForecastError> {
    let mut forecasts = Vec::with_capacity(histories.len() * model.bundle.manifest.targets.len());
    let reads = Reads::of(&model.bundle.manifest, horizon);
    for batch in histories.chunks(BATCH) {
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
        let scaled = roll(model, &reads, batch, &scales, &left)?;
        for (at, (history, scale)) in batch.iter().zip(&scales).enumerate() {
            forecasts.extend(answers(&model.bundle.manifest, history, scale, at, batch.len(), &scaled, horizon)?);
        }
    }
    Ok(forecasts)
}

/// The scaled forecasts `[step, series, target]` of a batch, as many steps as asked or some more.
fn roll(
    model: &Loaded,
    reads: &Reads<'_>,
    batch: &[History],
    scales: &[Scale<'_>],
    left: &impl Fn() -> bool,
) -> Result<Vec<f32>, ForecastError> {
    let manifest = &model.bundle.manifest;
    let targets = manifest.targets.len();
    let mut feed = Feed::new(reads, batch, scales);
    let mut forecast = Vec::with_capacity(reads.blocks * manifest.horizon * batch.len() * targets);
    let mut predicted = Vec::new();
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
            for series in predicted.chunks_exact(manifest.horizon * targets) {
                forecast.extend_from_slice(&series[step * targets..(step + 1) * targets]);
            }
        }
        feed.append(block, &predicted);
    }
    Ok(forecast)
}

fn answers(
    manifest: &Manifest,
    history: &History,
    scale: &Scale<'_>,
    at: usize,
    batch: usize,
    scaled: &[f32],
    horizon: usize,
) -> Result<Vec<Forecast>, ForecastError> {
    let targets = manifest.targets.len();
    let timestamps = timestamps(history, horizon)?;
    manifest
        .targets
        .iter()
        .enumerate()
        .map(|(target, name)| {
            let value = |step: usize| scale.undo(target, f64::from(scaled[(step * batch + at) * targets + target]));
            let mean: Vec<f64> = (0..horizon).map(value).collect();
            if !mean.iter().all(|value| value.is_finite()) {
                let id = history.id.as_deref().map_or("a series".to_owned(), |id| format!("series `{id}`"));
                return Err(ForecastError::NotFinite(id));
            }
            Ok(Forecast { series: history.id.clone(), target: name.clone(), timestamps: timestamps.clone(), mean })
        })
        .collect()
}

fn timestamps(history: &History, horizon: usize) -> Result<Option<Vec<Timestamp>>, ForecastError> {
    let Some((last, frequency)) = history.last else { return Ok(None) };
    let at = |step| frequency.add(last, step).and_then(|at| Timestamp::from_microsecond(at).ok());
    let stamps: Option<Vec<Timestamp>> = (1..=horizon as i64).map(at).collect();
    stamps.map(Some).ok_or_else(|| ForecastError::field("/horizon", "reaches past the calendar's end"))
}
