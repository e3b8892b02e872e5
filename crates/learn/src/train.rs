//! The training loop.
//!
//! A model's bytes depend only on the spec, the data, the engine and the thread count: random numbers are
//! keyed by (seed, purpose, epoch), sums run in a fixed order, and an epoch starts from the state that the
//! previous epoch left, whether in memory or read from its checkpoint. An epoch is reported only after its
//! checkpoint is durable, so a history never gets ahead of what can be resumed.

mod epoch;
mod finalize;
mod gradient_norms;
mod lr_finder;
mod monitor;
mod refit;
mod setup;
mod shrink;
mod warm_start;

use super::evaluate::Evaluator;
use super::history::HistoryFile;
use super::memory::{Demand, Estimate, Machine, check_data};
use super::prepare::{Prepared, Shape, Use};
use super::progress::{EventSink, Extent, Interrupted, Progress, emit, warn};
use super::schedule::Rates;
use super::training_state::TrainingState;
use super::windows::{Batcher, PartName, Windows};
use super::{checkpoint, source, validate_counts};
use checkpoint::Identity;
use gatecast_model::build;
use gatecast_model::error::LearnError;
use gatecast_model::features::input_columns;
use gradient_norms::GradientNorms;
use monitor::TrainingMonitor;
use warm_start::PretrainedModel;

use gatecast_core::metric_values::WORSE_THAN_NAIVE;
use gatecast_core::model::{Encodings, StoppedBy};
use gatecast_core::order::{DataSpec, Device, Head, ScalingChoice, WindowLength};
use gatecast_core::trainer::{BaseModel, TrainTask, TrainerEvent};
use gatecast_data::Frame;
use gatecast_nn::engine::{Built, Engine, EngineError, MakeEngine, Objective, Wanted};
use gatecast_nn::network::Network;

/// Runs one training. The last event is `finished` or `failed`, unless `sink` fails.
pub fn train(task: &TrainTask, base: Option<&BaseModel>, make: MakeEngine, sink: &mut EventSink<'_>) {
    let run = |sink: &mut EventSink<'_>| {
        let frame = source::read(&task.dataset, &input_columns(&task.order.data))?;
        train_on(frame, task, base, &|network, task| build_engine(make, network, task), sink)
    };
    end(run(sink), sink);
}

/// Builds the engine for a network.
pub type EngineMaker<'m> = dyn Fn(&Network, &TrainTask) -> Result<Built, EngineError> + 'm;

fn build_engine(make: MakeEngine, network: &Network, task: &TrainTask) -> Result<Built, EngineError> {
    let training = &task.order.training;
    let wanted = Wanted { device: training.device, choice: training.engine, threads: task.threads };
    make(network, Objective::ordered(&task.order)?, wanted)
}

/// Runs one training on a frame in memory, with an engine built by the caller.
pub fn train_with(
    frame: Frame,
    task: &TrainTask,
    base: Option<&BaseModel>,
    engine: &EngineMaker<'_>,
    sink: &mut EventSink<'_>,
) {
    end(train_on(frame, task, base, engine, sink), sink);
}

fn end(run: Result<TrainerEvent, Interrupted>, sink: &mut EventSink<'_>) {
    let last = match run {
        Ok(finished) => finished,
        Err(Interrupted::Stopped) => return,
        Err(Interrupted::Failed(error)) => error.event(),
    };
    // The last event: a failed send changes nothing.
    let _ = sink(last);
}

/// The state of a running attempt.
struct Trainer<'t> {
    task: &'t TrainTask,
    prepared: Prepared,
    training: Windows,
    validation: Windows,
    test: Windows,
    network: Network,
    objective: Objective,
    engine: Box<dyn Engine>,
    /// Why this engine was chosen.
    reason: String,
    batcher: Batcher,
    evaluator: Evaluator,
    gradient: Vec<f32>,
    norms: GradientNorms,
    rates: Rates,
    /// The model to fine-tune, if any.
    base: Option<PretrainedModel>,
    identity: Identity,
    /// The indices of the training windows, shuffled for the epoch.
    permutation: Vec<u32>,
    progress: Progress,
}

/// What an attempt starts from.
struct Begun {
    state: TrainingState,
    history: HistoryFile,
    /// Has seen the epochs of earlier attempts.
    monitor: TrainingMonitor,
}

fn train_on(
    frame: Frame,
    task: &TrainTask,
    base: Option<&BaseModel>,
    engine: &EngineMaker<'_>,
    sink: &mut EventSink<'_>,
) -> Result<TrainerEvent, Interrupted> {
    let kept = task.order.training.refit.then(|| frame.clone());
    let mut trainer = Trainer::new(frame, task, base, engine, Use::Split)?;
    let (state, stopped_by) = match &kept {
        Some(_) => trainer.run(&mut |event| sink(refit::first_half(event)))?,
        None => trainer.run(sink)?,
    };
    let factor = trainer.shrinkage(&state.best, sink)?;
    let best = trainer.shrunk(&state.best, factor);
    let metrics = trainer.final_metrics(&state, &best, stopped_by, sink)?;
    if let Some(detail) = metrics.worse_than_naive() {
        warn(WORSE_THAN_NAIVE, detail, sink)?;
    }
    let Some(frame) = kept.filter(|_| refit::is_wanted(task, stopped_by)) else {
        let manifest = trainer.manifest(&state, stopped_by, metrics);
        return trainer.finish(manifest, best);
    };
    let again = refit::task(&trainer, &state);
    let (second, last) = refit::refit(&trainer, &state, &again, (frame, base, engine), sink)?;
    let mut manifest = trainer.manifest(&state, stopped_by, metrics);
    manifest.encodings = second.prepared.features.encodings.clone();
    manifest.series = second.prepared.scaler.keys().len() as u64;
    manifest.parameters = second.network.parameter_count() as u64;
    manifest.refit = Some(last.optimizer.steps());
    let parameters = second.shrunk(&last.parameters, factor);
    second.finish(manifest, parameters)
}

impl<'t> Trainer<'t> {
    /// Runs epochs until the training ends.
    fn run(&mut self, sink: &mut EventSink<'_>) -> Result<(TrainingState, StoppedBy), Interrupted> {
        let Begun { mut state, mut history, mut monitor } = self.begin(sink)?;
        self.find_rate(&mut state, &history, sink)?;
        let task = self.task;
        let stopped_by = loop {
            if let Some(reason) = state.stopped_by(&task.order.training) {
                break reason;
            }
            let report = self.epoch(&mut state, sink)?;
            let report = state.end_epoch(report);
            history.append(&report).map_err(|cause| LearnError::storage("writing the history", cause))?;
            checkpoint::write(&task.checkpoint, &self.identity, &state, &history.mark())?;
            self.progress.reach(report.epoch);
            let warnings = monitor.see(&report);
            emit(sink, TrainerEvent::Epoch { report })?;
            for warning in warnings {
                warn(&warning.code, warning.detail, sink)?;
            }
        };
        Ok((state, stopped_by))
    }

    fn new(
        frame: Frame,
        task: &'t TrainTask,
        base: Option<&BaseModel>,
        engine: &EngineMaker<'_>,
        usage: Use,
    ) -> Result<Self, LearnError> {
        let (data, model) = (&task.order.data, &task.order.model);
        if model.head == (Head::NegativeBinomial {}) {
            validate_counts::check(&frame, data.targets.len())?;
        }
        let base = base.map(|base| PretrainedModel::read(base, &task.order)).transpose()?;
        let known = base.as_ref().map(|base| &base.bundle.manifest.encodings);
        let machine = machine(task);
        let mut prepared = prepare(frame, data, known, machine, usage)?;
        if let Some(base) = base.as_ref().filter(|base| base.from.scaling == ScalingChoice::Keep) {
            prepared.scaler = base.bundle.scaler.clone();
        }
        let training = Windows::of(&prepared, PartName::Training);
        if training.is_empty() {
            return Err(no_training_windows(&prepared));
        }
        let count = u32::try_from(training.len()).map_err(|_| LearnError::TooManyWindows(training.len()))?;
        let mut network = build::network(model, prepared.inputs(), prepared.shape.horizon * prepared.targets);
        network.embeddings = prepared.features.layout.embeddings().to_vec();
        if let Some(base) = &base {
            base.check_network(&network)?;
        }
        if let Some(machine) = machine {
            demand(task, &network, &prepared, training.len()).check(machine)?;
        }
        let Built { engine, reason } = engine(&network, task)?;
        let validation = Windows::of(&prepared, PartName::Validation);
        let rates = Rates::new(&task.order.training, training.len());
        let frozen = base.as_ref().map_or(&[][..], |base| &base.frozen);
        Ok(Self {
            task,
            test: Windows::of(&prepared, PartName::Test),
            gradient: vec![0.0; network.parameter_count()],
            norms: GradientNorms::new(&network, frozen),
            permutation: (0..count).collect(),
            progress: Progress::new(extent(task, &rates, training.len(), validation.len(), 0.0), 0),
            rates,
            identity: Identity::new(task, engine.name(), base.as_ref().map(|base| &base.from))?,
            base,
            training,
            validation,
            prepared,
            network,
            objective: Objective::ordered(&task.order)?,
            engine,
            reason,
            batcher: Batcher::default(),
            evaluator: Evaluator::default(),
        })
    }
}

/// The upper bound of the work, after epochs that took `seconds`.
fn extent(task: &TrainTask, rates: &Rates, training: u64, judged: u64, seconds: f64) -> Extent {
    let limit = task.order.training.time_limit_seconds;
    Extent {
        training_windows: training,
        evaluated_windows: judged,
        epochs: rates.epochs(),
        seconds: limit.map(|limit| (limit - seconds).max(0.0)),
    }
}

/// The memory limit; `None` if the machine does not report one. A GPU has its own memory, and reports an
/// error when that is full.
fn machine(task: &TrainTask) -> Option<Machine> {
    Machine::here().filter(|_| !matches!(task.order.training.device, Device::Cuda(_)))
}

/// Prepares the data if it fits in memory.
fn prepare(
    frame: Frame,
    data: &DataSpec,
    known: Option<&Encodings>,
    machine: Option<Machine>,
    usage: Use,
) -> Result<Prepared, LearnError> {
    if let Some(machine) = machine {
        check_data(&frame, data, machine)?;
    }
    Prepared::encoded(frame, data, known, usage)
}

fn demand(task: &TrainTask, network: &Network, prepared: &Prepared, training_windows: u64) -> Estimate {
    let training = &task.order.training;
    Estimate::of(Demand {
        network,
        optimizer: training.optimizer,
        batch: training.batch_size.min(usize::try_from(training_windows).unwrap_or(usize::MAX)),
        steps: prepared.shape.context,
        training_windows,
    })
}

fn no_training_windows(prepared: &Prepared) -> LearnError {
    let longest = prepared.frame.series.iter().map(|series| series.rows.len()).max().unwrap_or(0);
    let in_training = prepared.parts.iter().map(|parts| parts.training.len()).max().unwrap_or(0);
    let Shape { context, horizon, lookback, .. } = prepared.shape;
    let window = WindowLength { context, horizon, lookback };
    if let Some(detail) = window.refuses(longest as u64) {
        return LearnError::SeriesTooShort(format!("{detail}: lower `data.context` or `data.horizon`"));
    }
    LearnError::NoTrainingWindows(format!(
        "a training window needs {} points ({window}), and the training part of `data.split` holds at most {in_training} of a series: give it more, or lower `data.context`",
        window.points()
    ))
}

#[cfg(test)]
mod tests {
    use gatecast_core::frequency::Frequency;
    use gatecast_data::frame::{FrameColumn, FrameSeries};

    use super::*;

    #[test]
    fn memory_is_checked_before_the_data_is_copied() {
        // The times do not fit the frequency, so preparing this frame fails for another reason.
        let series = FrameSeries { key: "a".to_owned(), rows: 0..2, frequency: Some(Frequency::Fixed(10)) };
        let frame = Frame {
            series: vec![series],
            times: Some(vec![0, 25]),
            columns: vec![FrameColumn { name: "x".to_owned(), values: vec![1.0, 2.0] }],
            categories: Vec::new(),
        };
        let data =
            DataSpec { targets: vec!["x".to_owned()], context: 1, horizon: 1, season: 1, ..DataSpec::of("x", 1, 1) };
        let code = |machine| prepare(frame.clone(), &data, None, machine, Use::Split).unwrap_err().code();
        assert_eq!(code(None), "irregular_times");
        assert_eq!(code(Some(Machine { limit: 40, available: 40, own: 0 })), "too_large");
    }
}
