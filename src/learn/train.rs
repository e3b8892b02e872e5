//! The training loop.
//!
//! What a model's bytes depend on is in the order, the data, the engine and the thread count:
//! random numbers are keyed by (seed, purpose, epoch), sums run in a fixed order, and an epoch
//! begins from the state the one before left, be it in memory or read from its checkpoint. An
//! epoch is reported only once its checkpoint is safe, so a history never runs ahead of what can
//! be resumed.

use std::time::Instant;

use super::baselines::Baseline;
use super::build;
use super::bundle::Bundle;
use super::error::LearnError;
use super::evaluate::Judge;
use super::prepare::{Prepared, input_columns};
use super::progress::{Emit, Halt, Progress, tell};
use super::state::State;
use super::windows::{Batcher, PartName, Windows};
use super::{checkpoint, source};
use crate::data::Frame;
use crate::domain::metrics::{Baselines, EpochReport, FinalMetrics, HeldOut, Metrics, TrainingMetrics};
use crate::domain::model::{BUNDLE_FORMAT, Manifest, TrainedOn};
use crate::domain::order::Optimizer;
use crate::domain::trainer::{Assignment, TrainerEvent, WindowCounts};
use crate::nn::clip::{clip, norm};
use crate::nn::engine::{self, Batch, Engine, EngineError, Inputs, Objective};
use crate::nn::network::Network;
use crate::nn::random::{Purpose, Random};

/// Fewer training windows than this are worth a warning.
const FEW_WINDOWS: u64 = 100;

/// Runs one assignment. The last event is `finished` or `failed`, unless `emit` breaks.
pub fn train(assignment: &Assignment, emit: &mut Emit<'_>) {
    let run = |emit: &mut Emit<'_>| {
        let frame = source::read(&assignment.dataset, &input_columns(&assignment.order.data))?;
        train_on(frame, assignment, &build_engine, emit)
    };
    end(run(emit), emit);
}

/// Makes the engine for a network.
pub type EngineMaker<'m> = dyn Fn(&Network, &Assignment) -> Result<Box<dyn Engine>, EngineError> + 'm;

fn build_engine(network: &Network, assignment: &Assignment) -> Result<Box<dyn Engine>, EngineError> {
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
        let network = build::network(model, prepared.inputs(), prepared.shape.horizon * prepared.targets);
        let engine = engine(&network, assignment)?;
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

    /// The state to go on from, told to whoever listens.
    fn begin(&mut self, emit: &mut Emit<'_>) -> Result<State, Halt> {
        let training = &self.assignment.order.training;
        let parameters = self.network.parameter_count();
        let read = |path| checkpoint::read(path, self.assignment, self.engine.name(), parameters);
        let resumed = self.assignment.resume.as_deref().map(read);
        let (state, unusable) = match resumed {
            Some(Ok(state)) => (state, None),
            Some(Err(unusable)) => (State::new(&self.network, training), Some(unusable)),
            None => (State::new(&self.network, training), None),
        };
        self.progress = Progress::new(self.training.len(), self.validation.len(), training.epochs, state.epochs());
        tell(
            emit,
            TrainerEvent::Started {
                engine: self.engine.name().to_owned(),
                device: self.engine.device(),
                parameters: parameters as u64,
                windows: WindowCounts {
                    training: self.training.len(),
                    validation: self.validation.len(),
                    test: self.test.len(),
                },
                resumed_after: (state.epochs() > 0).then_some(state.epochs()),
                history: state.history.clone(),
            },
        )?;
        if let Some(unusable) = unusable {
            let detail =
                format!("the checkpoint of an earlier attempt was left aside and training begins again: {unusable}");
            warn("checkpoint_unusable", detail, emit)?;
        }
        if state.epochs() == 0 {
            self.warn_of_data(emit)?;
        }
        Ok(state)
    }

    fn warn_of_data(&self, emit: &mut Emit<'_>) -> Result<(), Halt> {
        for warning in &self.prepared.warnings {
            warn(&warning.code, warning.detail.clone(), emit)?;
        }
        if self.training.len() < FEW_WINDOWS {
            let detail = format!(
                "there are {} training windows: expect little of a network that saw so few; a smaller `data.stride` or shorter windows give more",
                self.training.len()
            );
            warn("few_training_windows", detail, emit)?;
        }
        let parts = &self.prepared.parts;
        let asked = [
            ("validation", &self.validation, parts.iter().any(|parts| !parts.validation.is_empty())),
            ("test", &self.test, parts.iter().any(|parts| !parts.test.is_empty())),
        ];
        for (name, windows, has_points) in asked {
            if windows.is_empty() && (has_points || self.asks_for(name)) {
                let detail = format!(
                    "the {name} part holds no window: its windows need {} points ahead within the part and {} before",
                    self.prepared.shape.horizon, self.prepared.shape.context
                );
                warn(&format!("no_{name}_windows"), detail, emit)?;
            }
        }
        Ok(())
    }

    fn asks_for(&self, part: &str) -> bool {
        use crate::domain::order::{Part, Split};
        let asked = |part: &Option<Part>| part.is_some_and(|part| part != Part::Fraction(0.0));
        match (&self.assignment.order.data.split, part) {
            (Split::Time { validation, .. }, "validation") => asked(validation),
            (Split::Time { test, .. }, _) => asked(test),
            (Split::Series { validation, .. }, "validation") => *validation > 0.0,
            (Split::Series { test, .. }, _) => *test > 0.0,
        }
    }

    /// Runs the epoch after the last one of `state`, and judges it.
    fn epoch(&mut self, state: &mut State, emit: &mut Emit<'_>) -> Result<EpochReport, Halt> {
        let began = Instant::now();
        let epoch = state.epochs() + 1;
        let loss = self.learn(state, epoch, emit)?;
        let validation = self.judge(&state.parameters, PartName::Validation, emit)?;
        let all_finite = |metrics: &Metrics| metrics.loss.unwrap_or_default().is_finite() && metrics.rmse.is_finite();
        if !validation.as_ref().is_none_or(all_finite) {
            return Err(self.diverged("the validation loss", epoch).into());
        }
        let training = TrainingMetrics { loss };
        Ok(EpochReport { epoch, seconds: began.elapsed().as_secs_f64(), training, validation, best: false })
    }

    /// Takes every training window once, in an order drawn for this epoch; the mean loss.
    fn learn(&mut self, state: &mut State, epoch: u32, emit: &mut Emit<'_>) -> Result<f64, Halt> {
        let training = &self.assignment.order.training;
        // From the same beginning every time, so that the order depends on the epoch alone.
        self.order.iter_mut().zip(0..).for_each(|(number, at)| *number = at);
        Random::new(training.seed, Purpose::Shuffle, u64::from(epoch)).shuffle(&mut self.order);
        let mut total = 0.0;
        for numbers in self.order.chunks(training.batch_size.max(1)) {
            let windows = numbers.iter().filter_map(|&number| self.training.get(u64::from(number)));
            self.batcher.gather(&self.prepared, self.network.output, windows);
            let inputs =
                Inputs { batch: numbers.len(), steps: self.prepared.shape.context, values: &self.batcher.inputs };
            let batch = Batch::new(inputs, &self.batcher.targets);
            let loss = self.engine.loss_and_gradient(&state.parameters, batch, &mut self.gradient)?;
            if !loss.is_finite() || !norm(&self.gradient).is_finite() {
                let what = if loss.is_finite() { "the gradient" } else { "the loss" };
                return Err(self.diverged(what, epoch).into());
            }
            if let Some(bound) = training.clip {
                clip(bound, &self.network, &mut self.gradient);
            }
            state.optimizer.step(&mut state.parameters, &self.gradient);
            total += f64::from(loss) * numbers.len() as f64;
            self.progress.trained(numbers.len(), emit)?;
        }
        if !norm(&state.parameters).is_finite() {
            return Err(self.diverged("a weight", epoch).into());
        }
        Ok(total / self.order.len() as f64)
    }

    fn judge(&mut self, parameters: &[f32], part: PartName, emit: &mut Emit<'_>) -> Result<Option<Metrics>, Halt> {
        let windows = if part == PartName::Test { &self.test } else { &self.validation };
        let progress = &mut self.progress;
        let aims = (self.network.output, self.assignment.order.training.loss);
        let mut judged = |windows| progress.judged(windows, emit);
        self.judge.judge(self.engine.as_mut(), parameters, &self.prepared, windows, aims, &mut judged)
    }

    fn diverged(&self, what: &str, epoch: u32) -> LearnError {
        let rate = match self.assignment.order.training.optimizer {
            Optimizer::Adam { learning_rate, .. }
            | Optimizer::Nadam { learning_rate, .. }
            | Optimizer::Rmsprop { learning_rate, .. }
            | Optimizer::Sgd { learning_rate, .. } => learning_rate,
        };
        LearnError::Diverged(format!(
            "{what} was no longer finite in epoch {epoch}: try a learning rate below {rate}, `training.clip` with a `global_norm` of 1, or `data.scaling` set to `standard`"
        ))
    }

    /// Judges the best weights and writes the model.
    fn finish(mut self, state: &State, emit: &mut Emit<'_>) -> Result<TrainerEvent, Halt> {
        let model = HeldOut {
            validation: self.judge(&state.best, PartName::Validation, emit)?,
            test: self.judge(&state.best, PartName::Test, emit)?,
        };
        let baseline = |baseline: Baseline| HeldOut {
            validation: baseline.judge(&self.prepared, &self.validation),
            test: baseline.judge(&self.prepared, &self.test),
        };
        let baselines =
            Baselines { naive: baseline(Baseline::Naive), seasonal_naive: baseline(Baseline::SeasonalNaive) };
        let metrics = FinalMetrics { model, baselines };
        let manifest = self.manifest(state, metrics);
        let (epochs, best_epoch) = (state.epochs(), state.best_epoch());
        let bundle =
            Bundle { manifest, network: self.network, parameters: state.best.clone(), scaler: self.prepared.scaler };
        let written = source::write_bundle(&self.assignment.model, &bundle)?;
        Ok(TrainerEvent::Finished {
            metrics: Box::new(metrics),
            best_epoch,
            epochs,
            sha256: written.sha256,
            bytes: written.bytes,
        })
    }

    fn manifest(&self, state: &State, metrics: FinalMetrics) -> Manifest {
        let (order, dataset) = (&self.assignment.order, &self.assignment.dataset);
        let mut frequencies = self.prepared.frame.series.iter().map(|series| series.frequency);
        let frequency = frequencies.next().flatten();
        Manifest {
            format: BUNDLE_FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            order: order.clone(),
            inputs: input_columns(&order.data),
            targets: order.data.targets.clone(),
            context: self.prepared.shape.context,
            horizon: self.prepared.shape.horizon,
            season: self.prepared.shape.season,
            frequency: frequency.filter(|_| frequencies.all(|other| other == frequency)),
            series: self.prepared.scaler.keys().len() as u64,
            parameters: self.network.parameter_count() as u64,
            engine: self.engine.name().to_owned(),
            device: self.engine.device(),
            threads: self.assignment.threads,
            epochs: state.epochs(),
            best_epoch: state.best_epoch(),
            metrics,
            trained_on: TrainedOn {
                dataset: dataset.id,
                name: dataset.name.clone(),
                revision: dataset.revision,
                sha256: dataset.sha256.clone(),
            },
        }
    }
}

fn warn(code: &str, detail: String, emit: &mut Emit<'_>) -> Result<(), Halt> {
    tell(emit, TrainerEvent::Warning { code: code.to_owned(), detail })
}

fn no_training_windows(prepared: &Prepared) -> LearnError {
    let longest = prepared.frame.series.iter().map(|series| series.rows.len()).max().unwrap_or(0);
    let in_training = prepared.parts.iter().map(|parts| parts.training.len()).max().unwrap_or(0);
    let (context, horizon, needed) = (prepared.shape.context, prepared.shape.horizon, prepared.shape.points());
    if longest < needed {
        return LearnError::SeriesTooShort(format!(
            "context {context} and horizon {horizon} need series of {needed} points, and the longest has {longest}: lower `data.context` or `data.horizon`"
        ));
    }
    LearnError::NoTrainingWindows(format!(
        "a training window needs {needed} points (context {context}, horizon {horizon}), and the training part of `data.split` holds at most {in_training} of a series: give it more, or lower `data.context`"
    ))
}
