//! Rolling-origin evaluation of a stored model, in the trainer's process.
//!
//! The forecasts are made by the code that handles `POST /v1/models/{id}/forecast`, from histories that end at the
//! origin, so they are the forecasts that a user would have received then. Gaps in a history are filled only from
//! points before the origin.

mod data;
mod error;
mod evaluation;
mod history;
mod points;

use gatecast_core::backtest::BacktestResult;
use gatecast_core::dataset::Warning;
use gatecast_core::trainer::{BacktestTask, TrainerEvent};
use gatecast_forecast::LocalModel;

use crate::progress::{EventSink, emit, warn};
use data::{BacktestData, Plan};
use error::BacktestError;
use evaluation::{Evaluation, Evaluator};
use points::Points;

/// The number of histories to forecast at once.
const BATCH: usize = 128;

/// Runs one backtest. The last event is `backtested` or `failed`, unless `sink` breaks.
pub fn run(task: &BacktestTask, sink: &mut EventSink<'_>) {
    let last = match backtest(task, sink) {
        Ok(result) => TrainerEvent::Backtested { result: Box::new(result) },
        Err(error) => match error.event() {
            Some(failed) => failed,
            None => return,
        },
    };
    // This is the last event, so it does not matter whether the server still listens.
    let _ = sink(last);
}

fn backtest(task: &BacktestTask, sink: &mut EventSink<'_>) -> Result<BacktestResult, BacktestError> {
    let model = LocalModel::read(&task.model)?;
    let manifest = model.manifest();
    let plan = Plan::new(task);
    let data = BacktestData::read(&task.dataset, manifest, task.until)?;
    let mut evaluation = Evaluation::new(&plan, data.frame.series.len(), manifest.order.model.head.evaluated_levels());
    let mut points = Points::create(&task.points, data.frame.times.is_some())?;
    let all: Vec<usize> = (0..data.frame.series.len()).collect();
    for fold in 0..plan.folds {
        for batch in all.chunks(BATCH) {
            let (mut origins, mut histories) = (Vec::new(), Vec::new());
            for &series in batch {
                match history::at_origin(&data, manifest, &plan, fold, series)? {
                    Some((origin, history)) if !(task.unseen_only && origin.seen != Some(false)) => {
                        origins.push(origin);
                        histories.push(history);
                    }
                    _ => evaluation.skipped += 1,
                }
            }
            if origins.is_empty() {
                continue;
            }
            let forecasts = model.forecast(histories, plan.horizon)?;
            let of_origins = forecasts.chunks(manifest.targets.len().max(1));
            let mut evaluator = Evaluator { data: &data, manifest, plan: &plan, points: &mut points };
            for (origin, forecasts) in origins.iter().zip(of_origins) {
                evaluator.add(&mut evaluation, origin, forecasts)?;
            }
        }
        let fraction = (fold + 1) as f64 / plan.folds as f64;
        emit(sink, TrainerEvent::Progress { fraction, eta_seconds: None })?;
    }
    if evaluation.is_empty() {
        return Err(BacktestError::nothing_evaluated(manifest, &plan, &data));
    }
    let warnings = evaluation.warnings();
    for Warning { code, detail } in &warnings {
        warn(code, detail.clone(), sink)?;
    }
    Ok(evaluation.result(task, &plan, &data, warnings, points.finish()?))
}
