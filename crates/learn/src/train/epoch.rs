//! One epoch: trains on every training window once, then evaluates the validation part.

use std::time::Instant;

use super::Trainer;
use crate::evaluate::EvaluatedNetwork;
use crate::progress::{EventSink, Interrupted};
use crate::training_state::TrainingState;
use crate::windows::PartName;
use gatecast_core::metric_values::{EpochReport, Metrics, TrainingMetrics};
use gatecast_model::error::LearnError;
use gatecast_nn::clip::{clip, norm};
use gatecast_nn::engine::{Batch, DropoutKey, Inputs};
use gatecast_nn::random::{Purpose, Random};

/// The result of an epoch's training steps.
struct Learned {
    /// The mean over the windows.
    loss: f64,
    /// The learning rate of the last step.
    learning_rate: f64,
}

impl Trainer<'_> {
    /// Runs the epoch after the last one of `state`, and evaluates it.
    pub(super) fn epoch(
        &mut self,
        state: &mut TrainingState,
        sink: &mut EventSink<'_>,
    ) -> Result<EpochReport, Interrupted> {
        let began = Instant::now();
        let epoch = state.epochs() + 1;
        let learned = self.learn(state, epoch, began, sink)?;
        let validation = self.evaluate(&state.parameters, PartName::Validation, sink)?;
        let all_finite = |metrics: &Metrics| metrics.loss.unwrap_or_default().is_finite() && metrics.rmse.is_finite();
        if !validation.as_ref().is_none_or(all_finite) {
            return Err(diverged("the validation loss", epoch, learned.learning_rate).into());
        }
        Ok(EpochReport {
            epoch,
            seconds: began.elapsed().as_secs_f64(),
            training: TrainingMetrics { loss: learned.loss },
            validation,
            best: false,
            learning_rate: Some(learned.learning_rate),
            gradient_norm: self.norms.means(),
        })
    }

    /// Trains on every training window once, shuffled for this epoch, or until the limit on steps or time is reached.
    fn learn(
        &mut self,
        state: &mut TrainingState,
        epoch: u32,
        began: Instant,
        sink: &mut EventSink<'_>,
    ) -> Result<Learned, Interrupted> {
        let training = &self.task.order.training;
        let order_rate = state
            .learning_rate(training)
            .ok_or_else(|| LearnError::Broken("no learning rate was found before the first epoch".to_owned()))?;
        let base = self.rates.base(order_rate, state.losses());
        let seconds_before = state.seconds();
        let mut permutation = std::mem::take(&mut self.permutation);
        // Always shuffled from the same order, so that the permutation depends only on the epoch.
        permutation.iter_mut().zip(0..).for_each(|(number, at)| *number = at);
        Random::new(training.seed, Purpose::Shuffle, u64::from(epoch)).shuffle(&mut permutation);
        self.norms.begin();
        let (mut total, mut seen, mut learning_rate) = (0.0, 0, base);
        for numbers in permutation.chunks(training.batch_size.max(1)) {
            let step = state.optimizer.steps();
            learning_rate = self.rates.at(base, step);
            let loss = self.compute(&state.parameters, numbers, step)?;
            if !loss.is_finite() || !self.norms.add(&self.gradient).is_finite() {
                let what = if loss.is_finite() { "the gradient" } else { "the loss" };
                return Err(diverged(what, epoch, learning_rate).into());
            }
            self.move_weights(state, learning_rate);
            total += loss * numbers.len() as f64;
            seen += numbers.len();
            self.progress.trained(numbers.len(), sink)?;
            let out_of_time = |limit: f64| seconds_before + began.elapsed().as_secs_f64() >= limit;
            if training.max_steps.is_some_and(|most| state.optimizer.steps() >= most)
                || training.time_limit_seconds.is_some_and(out_of_time)
            {
                break;
            }
        }
        self.permutation = permutation;
        if !norm(&state.parameters).is_finite() {
            return Err(diverged("a weight", epoch, learning_rate).into());
        }
        Ok(Learned { loss: total / f64::from(u32::try_from(seen).unwrap_or(u32::MAX)), learning_rate })
    }

    /// Computes the loss of the training windows with these indices, and leaves its gradient in `gradient`,
    /// with zeros for frozen weights. `step` is part of the dropout key.
    pub(super) fn compute(&mut self, parameters: &[f32], numbers: &[u32], step: u64) -> Result<f64, LearnError> {
        let windows = numbers.iter().filter_map(|&number| self.training.get(u64::from(number)));
        self.batcher.gather(&self.prepared, self.network.output, windows);
        let inputs = Inputs { batch: numbers.len(), steps: self.prepared.shape.context, values: &self.batcher.inputs };
        let draw = Some(DropoutKey { seed: self.task.order.training.seed, step });
        let (weights, units) = (&self.batcher.weights, &self.batcher.units);
        let batch = Batch { draw, weights, units, ..Batch::new(inputs, &self.batcher.targets) };
        let loss = self.engine.loss_and_gradient(parameters, batch, &mut self.gradient)?;
        for range in self.base.iter().flat_map(|base| &base.frozen) {
            self.gradient[range.clone()].fill(0.0);
        }
        Ok(f64::from(loss))
    }

    /// Updates the weights with `gradient`.
    pub(super) fn move_weights(&mut self, state: &mut TrainingState, learning_rate: f64) {
        if let Some(bound) = self.task.order.training.clip {
            clip(bound, &self.network, &mut self.gradient);
        }
        state.optimizer.step(&mut state.parameters, &self.gradient, learning_rate);
        // Weight decay also changes weights without a gradient.
        if let Some(base) = &self.base {
            for range in &base.frozen {
                state.parameters[range.clone()].copy_from_slice(&base.bundle.parameters[range.clone()]);
            }
        }
    }

    pub(super) fn evaluate(
        &mut self,
        parameters: &[f32],
        part: PartName,
        sink: &mut EventSink<'_>,
    ) -> Result<Option<Metrics>, Interrupted> {
        let windows = if part == PartName::Test { &self.test } else { &self.validation };
        let network = EvaluatedNetwork {
            engine: self.engine.as_mut(),
            parameters,
            output: self.network.output,
            criterion: &self.objective.criterion,
        };
        let progress = &mut self.progress;
        self.evaluator.evaluate(network, &self.prepared, windows, &mut |windows| progress.evaluated(windows, sink))
    }
}

fn diverged(what: &str, epoch: u32, learning_rate: f64) -> LearnError {
    LearnError::Diverged(format!(
        "{what} was no longer finite in epoch {epoch}: try a learning rate below {learning_rate}, `training.clip` with a `global_norm` of 1, or `data.scaling` set to `standard`"
    ))
}
