//! The state that a training carries from epoch to epoch. A checkpoint contains all of it.

use gatecast_core::metric_values::EpochReport;
use gatecast_core::model::{FoundRate, StoppedBy};
use gatecast_core::order::{EarlyStopping, TrainingSpec};
use gatecast_nn::optimizer::OptimizerState;

#[derive(Debug, Clone, PartialEq)]
pub struct TrainingState {
    pub parameters: Vec<f32>,
    pub optimizer: OptimizerState,
    /// The weights of the best epoch so far.
    pub best: Vec<f32>,
    /// The learning rate, if the spec has it found and this has been done.
    pub found: Option<FoundRate>,
    epochs: EndedEpochs,
}

/// A summary of the ended epochs. Their reports are in the history file.
#[derive(Debug, Clone, PartialEq, Default)]
struct EndedEpochs {
    /// The monitored loss per epoch, by which epochs are compared.
    losses: Vec<f64>,
    seconds: f64,
    best: Option<BestEpoch>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct BestEpoch {
    number: u32,
    loss: f64,
}

impl TrainingState {
    /// The state before the first epoch.
    pub fn new(parameters: Vec<f32>, training: &TrainingSpec) -> Self {
        let optimizer = OptimizerState::new(training.optimizer, parameters.len());
        Self::from_weights(parameters.clone(), parameters, optimizer, None)
    }

    /// The state from a checkpoint. [`Self::add_epoch`] adds its epochs.
    pub(crate) fn from_weights(
        parameters: Vec<f32>,
        best: Vec<f32>,
        optimizer: OptimizerState,
        found: Option<FoundRate>,
    ) -> Self {
        Self { parameters, best, optimizer, found, epochs: EndedEpochs::default() }
    }

    /// The number of epochs that have ended.
    pub fn epochs(&self) -> u32 {
        self.epochs.losses.len() as u32
    }

    /// The epoch whose weights are kept, from 1; 0 before the first epoch has ended.
    pub fn best_epoch(&self) -> u32 {
        self.epochs.best.map_or(0, |best| best.number)
    }

    /// Ends an epoch, and keeps its weights if they are the best so far. Returns its report with `best` set.
    pub fn end_epoch(&mut self, mut report: EpochReport) -> EpochReport {
        report.best = self.epochs.best.map_or(f64::INFINITY, |best| best.loss) > report.monitored_loss();
        if report.best {
            self.best.clone_from(&self.parameters);
        }
        self.add_epoch(&report);
        report
    }

    /// Adds an epoch whose report has `best` set.
    pub(crate) fn add_epoch(&mut self, report: &EpochReport) {
        let loss = report.monitored_loss();
        self.epochs.losses.push(loss);
        self.epochs.seconds += report.seconds;
        if report.best {
            self.epochs.best = Some(BestEpoch { number: report.epoch, loss });
        }
    }

    /// The monitored loss of each ended epoch.
    pub fn losses(&self) -> impl Iterator<Item = f64> {
        self.epochs.losses.iter().copied()
    }

    /// Why training has ended; `None` if another epoch should run. Depends only on the epochs, so that a
    /// resumed training stops where an uninterrupted one does.
    pub fn stopped_by(&self, training: &TrainingSpec) -> Option<StoppedBy> {
        let reasons = [
            (self.epochs() >= training.epochs, StoppedBy::Epochs),
            (training.max_steps.is_some_and(|most| self.optimizer.steps() >= most), StoppedBy::MaxSteps),
            (
                training.early_stopping.is_some_and(|stopping| self.waited(stopping) >= stopping.patience),
                StoppedBy::EarlyStopping,
            ),
            (training.time_limit_seconds.is_some_and(|limit| self.seconds() >= limit), StoppedBy::TimeLimit),
        ];
        reasons.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
    }

    /// The wall time of the epochs so far.
    pub fn seconds(&self) -> f64 {
        self.epochs.seconds
    }

    /// The learning rate of the spec, or the one found for it.
    pub fn learning_rate(&self, training: &TrainingSpec) -> Option<f64> {
        training.optimizer.learning_rate().fixed().or(self.found.map(|found| found.learning_rate))
    }

    /// Epochs since the loss last fell by more than `min_delta`.
    fn waited(&self, stopping: EarlyStopping) -> u32 {
        let (mut reference, mut waited) = (f64::INFINITY, 0);
        for loss in self.losses() {
            waited += 1;
            if loss < reference - stopping.min_delta {
                (reference, waited) = (loss, 0);
            }
        }
        waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::metric_values::TrainingMetrics;

    fn after(losses: &[f64]) -> TrainingState {
        let mut state = TrainingState::new(vec![0.0; 5], &TrainingSpec::default());
        for (at, &loss) in losses.iter().enumerate() {
            state.parameters.fill(at as f32 + 1.0);
            state.end_epoch(EpochReport {
                epoch: at as u32 + 1,
                seconds: 2.0,
                training: TrainingMetrics { loss },
                ..EpochReport::default()
            });
        }
        state
    }

    #[test]
    fn the_weights_of_the_lowest_loss_are_kept() {
        let state = after(&[3.0, 1.0, 2.0, 1.0]);
        assert_eq!(state.best_epoch(), 2);
        assert!(state.best.iter().all(|&weight| weight == 2.0));
    }

    #[test]
    fn patience_counts_epochs_without_a_fall_above_min_delta() {
        let stopping = |patience, min_delta| TrainingSpec {
            early_stopping: Some(EarlyStopping { patience, min_delta }),
            ..TrainingSpec::default()
        };
        let early = Some(StoppedBy::EarlyStopping);
        assert_eq!(after(&[3.0, 2.0, 2.5]).stopped_by(&stopping(2, 0.0)), None);
        assert_eq!(after(&[3.0, 2.0, 2.5, 2.0]).stopped_by(&stopping(2, 0.0)), early);
        assert_eq!(after(&[3.0, 2.9, 2.8]).stopped_by(&stopping(2, 0.5)), early);
        assert_eq!(after(&[3.0, 2.9, 2.4]).stopped_by(&stopping(2, 0.5)), None);
        assert_eq!(after(&[1.0; 20]).stopped_by(&TrainingSpec::default()), Some(StoppedBy::Epochs));
    }

    #[test]
    fn the_time_limit_counts_what_earlier_attempts_took() {
        let limited = TrainingSpec { time_limit_seconds: Some(5.0), ..TrainingSpec::default() };
        assert_eq!(after(&[3.0, 2.0]).stopped_by(&limited), None);
        assert_eq!(after(&[3.0, 2.0, 1.0]).stopped_by(&limited), Some(StoppedBy::TimeLimit));
    }
}
