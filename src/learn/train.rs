//! The training loop.
//!
//! What a model's bytes depend on is in the order, the data, the engine and the thread count:
//! random numbers are keyed by (seed, purpose, epoch), sums run in a fixed order, and an epoch
//! begins from the state the one before left, be it in memory or read from its checkpoint. An
//! epoch is reported only once its checkpoint is safe, so a history never runs ahead of what can
//! be resumed.

mod begin;
mod epoch;
mod finish;

use super::build;
use super::error::LearnError;
use super::evaluate::Judge;
use super::features::input_columns;
use super::prepare::Prepared;
use super::progress::{Emit, Halt, Progress, tell};
use super::windows::{Batcher, PartName, Windows};
use super::{checkpoint, source};
use crate::data::Frame;
use crate::domain::trainer::{Assignment, TrainerEvent};
use crate::nn::engine::{self, Built, Engine, EngineError, Objective};
use crate::nn::network::Network;

/// Runs one assignment. The last event is `finished` or `failed`, unless `emit` breaks.
pub fn train(assignment: &Assignment, emit: &mut Emit<'_>) {
    let run = |emit: &mut Emit<'_>| {
        let frame = source::read(&assignment.dataset, &input_columns(&assignment.order.data))?;
        train_on(frame, assignment, &build_engine, emit)
    };
    end(run(emit), emit);
}

/// Makes the engine for a network.
pub type EngineMaker<'m> = dyn Fn(&Network, &Assignment) -> Result<Built, EngineError> + 'm;

fn build_engine(network: &Network, assignment: &Assignment) -> Result<Built, EngineError> {
    let training = &assignment.order.training;
    let objective = Objective::of(training.loss);
    engine::build(network, objective, training.device, training.engine, assignment.threads)
}

/// Runs one assignment on a frame in memory and an engine of the caller's.
pub fn train_with(frame: Frame, assignment: &Assignment, engine: &EngineMaker<'_>, emit: &mut Emit<'_>) {
    end(train_on(frame, assignment, engine, emit), emit);
}

fn end(run: Result<TrainerEvent, Halt>, emit: &mut Emit<'_>) {
    let last = match run {
        Ok(finished) => finished,
        Err(Halt::Stopped) => return,
        Err(Halt::Failed(error)) => {
            TrainerEvent::Failed { fault: error.fault(), code: error.code().to_owned(), detail: error.to_string() }
        }
    };
    // The last event: whether anyone still listens changes nothing.
    let _ = emit(last);
}

/// One attempt under way.
struct Trainer<'t> {
    assignment: &'t Assignment,
    prepared: Prepared,
    training: Windows,
    validation: Windows,
    test: Windows,
    network: Network,
    engine: Box<dyn Engine>,
    batcher: Batcher,
    judge: Judge,
    gradient: Vec<f32>,
    /// The numbers of the training windows, in the order of the epoch.
    order: Vec<u32>,
    progress: Progress,
}

fn train_on(
    frame: Frame,
    assignment: &Assignment,
    engine: &EngineMaker<'_>,
    emit: &mut Emit<'_>,
) -> Result<TrainerEvent, Halt> {
    let mut trainer = Trainer::new(frame, assignment, engine)?;
    let mut state = trainer.begin(emit)?;
    while !state.is_over(&assignment.order.training) {
        let report = trainer.epoch(&mut state, emit)?;
        let report = state.end_epoch(report).clone();
        checkpoint::write(&assignment.checkpoint, assignment, trainer.engine.name(), &state)?;
        trainer.progress.reach(report.epoch);
        tell(emit, TrainerEvent::Epoch { report })?;
    }
    trainer.finish(&state, emit)
}

impl<'t> Trainer<'t> {
    fn new(frame: Frame, assignment: &'t Assignment, engine: &EngineMaker<'_>) -> Result<Self, LearnError> {
        let (data, model) = (&assignment.order.data, &assignment.order.model);
        let prepared = Prepared::new(frame, data)?;
        let training = Windows::of(&prepared, PartName::Training);
        if training.is_empty() {
            return Err(no_training_windows(&prepared));
        }
        let count = u32::try_from(training.len()).map_err(|_| LearnError::TooManyWindows(training.len()))?;
        let mut network = build::network(model, prepared.inputs(), prepared.shape.horizon * prepared.targets);
        network.embeddings = prepared.features.layout.embeddings().to_vec();
        let Built { engine, .. } = engine(&network, assignment)?;
        let validation = Windows::of(&prepared, PartName::Validation);
        Ok(Self {
            assignment,
            test: Windows::of(&prepared, PartName::Test),
            gradient: vec![0.0; network.parameter_count()],
            order: (0..count).collect(),
            progress: Progress::new(training.len(), validation.len(), assignment.order.training.epochs, 0),
            training,
            validation,
            prepared,
            network,
            engine,
            batcher: Batcher::default(),
            judge: Judge::default(),
        })
    }
}

fn no_training_windows(prepared: &Prepared) -> LearnError {
    let longest = prepared.frame.series.iter().map(|series| series.rows.len()).max().unwrap_or(0);
    let in_training = prepared.parts.iter().map(|parts| parts.training.len()).max().unwrap_or(0);
    let (context, horizon, reach) = (prepared.shape.context, prepared.shape.horizon, prepared.shape.reach);
    let needed = prepared.shape.points() + reach;
    let lags = if reach > 0 { format!(", lags of {reach} more points back") } else { String::new() };
    if longest < needed {
        return LearnError::SeriesTooShort(format!(
            "context {context}, horizon {horizon}{lags} need series of {needed} points, and the longest has {longest}: lower `data.context` or `data.horizon`"
        ));
    }
    LearnError::NoTrainingWindows(format!(
        "a training window needs {needed} points (context {context}, horizon {horizon}{lags}), and the training part of `data.split` holds at most {in_training} of a series: give it more, or lower `data.context`"
    ))
}
