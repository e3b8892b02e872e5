//! One epoch: every training window once, then the validation part.

use std::time::Instant;

use super::Trainer;
use crate::domain::metrics::{EpochReport, Metrics, TrainingMetrics};
use crate::domain::order::Optimizer;
use crate::learn::error::LearnError;
use crate::learn::progress::{Emit, Halt};
use crate::learn::state::State;
use crate::learn::windows::PartName;
use crate::nn::clip::{clip, norm};
use crate::nn::engine::{Batch, Draw, Inputs};
use crate::nn::random::{Purpose, Random};

impl Trainer<'_> {
    /// Runs the epoch after the last one of `state`, and judges it.
    pub(super) fn epoch(&mut self, state: &mut State, emit: &mut Emit<'_>) -> Result<EpochReport, Halt> {
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
            let draw = Some(Draw { seed: training.seed, step: state.optimizer.steps() });
            let batch = Batch { draw, ..Batch::new(inputs, &self.batcher.targets) };
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

    pub(super) fn judge(
        &mut self,
        parameters: &[f32],
        part: PartName,
        emit: &mut Emit<'_>,
    ) -> Result<Option<Metrics>, Halt> {
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
}
