//! All that a training carries from epoch to epoch: what a checkpoint must hold.

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
    /// The epochs that have ended.
    pub history: Vec<EpochReport>,
    /// The learning rate, where the order has it found and it was.
    pub found: Option<FoundRate>,
}

impl TrainingState {
    /// Before the first epoch.
    pub fn new(parameters: Vec<f32>, training: &TrainingSpec) -> Self {
        let optimizer = OptimizerState::new(training.optimizer, parameters.len());
        Self { best: parameters.clone(), parameters, optimizer, history: Vec::new(), found: None }
    }

    /// Epochs that have ended.
    pub fn epochs(&self) -> u32 {
        self.history.len() as u32
    }

    /// The epoch whose weights are kept, from 1; 0 before any has ended.
    pub fn best_epoch(&self) -> u32 {
        self.history.iter().rev().find(|report| report.best).map_or(0, |report| report.epoch)
    }

    /// Ends an epoch: keeps its weights if they are the best so far.
    pub fn end_epoch(&mut self, mut report: EpochReport) -> &EpochReport {
        let lowest = self.history.iter().map(EpochReport::monitored_loss).fold(f64::INFINITY, f64::min);
        report.best = report.monitored_loss() < lowest;
        if report.best {
            self.best.clone_from(&self.parameters);
        }
        self.history.push(report);
        &self.history[self.history.len() - 1]
    }

    /// Why no epoch is left to run; `None` while one is. Read off the history alone, so that a
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

    /// Wall time of the epochs so far.
    pub fn seconds(&self) -> f64 {
        self.history.iter().map(|report| report.seconds).sum()
    }

    /// The rate that the order says, or that was found for it.
    pub fn learning_rate(&self, training: &TrainingSpec) -> Option<f64> {
        training.optimizer.learning_rate().fixed().or(self.found.map(|found| found.learning_rate))
    }

    /// Epochs since the loss last fell by more than `min_delta`.
    fn waited(&self, stopping: EarlyStopping) -> u32 {
        let (mut reference, mut waited) = (f64::INFINITY, 0);
        for loss in self.history.iter().map(EpochReport::monitored_loss) {
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
    fn patience_counts_epochs_without_a_fall_that_matters() {
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
