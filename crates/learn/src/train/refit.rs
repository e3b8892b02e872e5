//! The second training of a request with `refit`: on all data, for as many steps as the best epoch of the first took.
//!
//! Its checkpoint has a name of its own, so an attempt that is killed in the second training resumes there: the first
//! training has ended by its checkpoint and is only evaluated again.

use std::ops::ControlFlow;
use std::path::Path;

use super::{EngineMaker, Trainer};
use crate::prepare::Use;
use crate::progress::{EventSink, Interrupted, emit};
use crate::training_state::TrainingState;
use gatecast_core::model::StoppedBy;
use gatecast_core::trainer::{BaseModel, TrainTask, TrainerEvent};
use gatecast_data::Frame;

/// The file name, without extension, of the second training's checkpoint.
const CHECKPOINT: &str = "refit.safetensors";

/// Trains again on all data. Returns the trainer and the state whose last weights are the model's.
pub(super) fn refit<'t>(
    first: &Trainer<'_>,
    state: &TrainingState,
    task: &'t TrainTask,
    data: (Frame, Option<&BaseModel>, &EngineMaker<'_>),
    sink: &mut EventSink<'_>,
) -> Result<(Trainer<'t>, TrainingState), Interrupted> {
    let (frame, base, engine) = data;
    let mut trainer = Trainer::new(frame, task, base, engine, Use::All)?;
    let detail = format!(
        "training again on all data for {} steps, the number after which the validation loss was lowest; the metrics are those of the model before",
        steps(first, state)
    );
    emit(sink, TrainerEvent::Info { code: "refit".to_owned(), detail })?;
    let (state, _) = trainer.run(&mut |event| match event {
        // The epochs and warnings in the store are those of the first training.
        TrainerEvent::Started { .. }
        | TrainerEvent::Epoch { .. }
        | TrainerEvent::Epochs { .. }
        | TrainerEvent::Warning { .. }
        | TrainerEvent::Info { .. } => ControlFlow::Continue(()),
        TrainerEvent::Progress { fraction, eta_seconds } => {
            sink(TrainerEvent::Progress { fraction: 0.5 + fraction / 2.0, eta_seconds })
        }
        event => sink(event),
    })?;
    Ok((trainer, state))
}

/// The task of the second training.
pub(super) fn task(first: &Trainer<'_>, state: &TrainingState) -> TrainTask {
    let mut task = first.task.clone();
    let checkpoint = task.checkpoint.with_file_name(CHECKPOINT);
    task.resume = task.resume.filter(|_| Path::is_file(&checkpoint)).map(|_| checkpoint.clone());
    task.checkpoint = checkpoint;
    task.known_epochs = 0;
    let steps = steps(first, state);
    let training = &mut task.order.training;
    training.refit = false;
    training.early_stopping = None;
    // Both trainings together keep the limit.
    training.time_limit_seconds = training.time_limit_seconds.map(|limit| (limit - state.seconds()).max(1e-3));
    training.max_steps = Some(steps);
    // An epoch over all data has no fewer steps than one over the training part.
    training.epochs = state.best_epoch().max(1);
    task
}

/// The number of steps up to the best epoch.
fn steps(first: &Trainer<'_>, state: &TrainingState) -> u64 {
    let of_epochs = first.rates.steps_per_epoch().saturating_mul(u64::from(state.best_epoch().max(1)));
    of_epochs.min(state.optimizer.steps()).max(1)
}

/// The progress of the first of two trainings. The second takes about as long.
pub(super) fn first_half(event: TrainerEvent) -> TrainerEvent {
    match event {
        TrainerEvent::Progress { fraction, eta_seconds } => TrainerEvent::Progress {
            fraction: fraction / 2.0,
            eta_seconds: eta_seconds.map(|eta| eta + eta / (1.0 - fraction).max(1e-3)),
        },
        event => event,
    }
}

/// Whether a training of this end is worth a second one.
pub(super) fn is_wanted(task: &TrainTask, stopped_by: StoppedBy) -> bool {
    // The time is up: what there is is kept.
    task.order.training.refit && stopped_by != StoppedBy::TimeLimit
}
