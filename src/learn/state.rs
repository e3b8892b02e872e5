//! All that a training carries from epoch to epoch: what a checkpoint must hold.

use crate::domain::metrics::EpochReport;
use crate::domain::order::{EarlyStopping, TrainingSpec};
use crate::nn::initialise;
use crate::nn::network::Network;
use crate::nn::optimizer::OptimizerState;

#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub parameters: Vec<f32>,
    pub optimizer: OptimizerState,
    /// The weights of the best epoch so far.
    pub best: Vec<f32>,
    /// The epochs that have ended.
    pub history: Vec<EpochReport>,
}

impl State {
    /// Before the first epoch.
    pub fn new(network: &Network, training: &TrainingSpec) -> Self {
        let parameters = initialise(network, training.seed);
        let optimizer = OptimizerState::new(training.optimizer, parameters.len());
        Self { best: parameters.clone(), parameters, optimizer, history: Vec::new() }
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
        let lowest = self.history.iter().map(judged).fold(f64::INFINITY, f64::min);
        report.best = judged(&report) < lowest;
        if report.best {
            self.best.clone_from(&self.parameters);
        }
        self.history.push(report);
        &self.history[self.history.len() - 1]
    }

    /// Whether no epoch is left to run. Read off the history alone, so that a resumed training
    /// stops where an uninterrupted one does.
    pub fn is_over(&self, training: &TrainingSpec) -> bool {
        self.epochs() >= training.epochs
            || training.early_stopping.is_some_and(|stopping| self.waited(stopping) >= stopping.patience)
    }

    /// Epochs since the loss last fell by more than `min_delta`.
    fn waited(&self, stopping: EarlyStopping) -> u32 {
        let (mut reference, mut waited) = (f64::INFINITY, 0);
        for loss in self.history.iter().map(judged) {
            waited += 1;
            if loss < reference - stopping.min_delta {
                (reference, waited) = (loss, 0);
            }
        }
        waited
    }
}

/// What epochs are compared by: the validation loss, or the training loss where there is none.
fn judged(report: &EpochReport) -> f64 {
    report.validation.and_then(|metrics| metrics.loss).unwrap_or(report.training.loss)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::metrics::TrainingMetrics;
    use crate::domain::order::{Cell, Output};

    fn after(losses: &[f64]) -> State {
        let network = Network::stack(Cell::SimpleRnn, false, 1, &[1], 1, Output::LastStep);
        let mut state = State::new(&network, &TrainingSpec::default());
        for (at, &loss) in losses.iter().enumerate() {
            state.parameters.fill(at as f32 + 1.0);
            let training = TrainingMetrics { loss };
            state.end_epoch(EpochReport {
                epoch: at as u32 + 1,
                seconds: 0.0,
                training,
                validation: None,
                best: false,
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
        assert!(!after(&[3.0, 2.0, 2.5]).is_over(&stopping(2, 0.0)));
        assert!(after(&[3.0, 2.0, 2.5, 2.0]).is_over(&stopping(2, 0.0)));
        assert!(after(&[3.0, 2.9, 2.8]).is_over(&stopping(2, 0.5)));
        assert!(!after(&[3.0, 2.9, 2.4]).is_over(&stopping(2, 0.5)));
        assert!(after(&[1.0; 20]).is_over(&TrainingSpec::default()));
    }
}
