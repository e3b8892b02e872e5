//! Warnings about the course of a training, each issued once.
//!
//! The monitor sees every epoch in order, including those of earlier attempts, so that a resumed training
//! repeats no warning.

use std::collections::BTreeMap;

use gatecast_core::dataset::Warning;
use gatecast_core::metric_values::EpochReport;

/// A plateau is this many epochs in which the loss did not fall by at least [`FALL`], relative to itself.
const PLATEAU: u32 = 10;
const FALL: f64 = 1e-3;
/// Overfitting requires this many epochs after the best one, and a validation loss worse by the share [`WORSE`].
const PAST_BEST: u32 = 5;
const WORSE: f64 = 0.1;
/// A layer's gradient explodes if its norm exceeds that of the first epoch by this factor.
const EXPLODED: f64 = 100.0;
/// A layer's gradient vanishes if its norm is below this fraction of the largest norm of any layer.
const VANISHED: f64 = 1e-4;

#[derive(Debug, Default)]
pub(super) struct TrainingMonitor {
    told: Vec<&'static str>,
    first_norms: BTreeMap<String, f64>,
    /// The reference loss for a plateau, and the number of epochs since.
    reference: Option<f64>,
    waited: u32,
    /// The epoch of the lowest validation loss: number, validation and training loss.
    best: Option<(u32, f64, f64)>,
}

impl TrainingMonitor {
    /// Returns the new warnings after an epoch.
    pub(super) fn see(&mut self, report: &EpochReport) -> Vec<Warning> {
        let found = [
            ("plateau", self.plateau(report)),
            ("overfitting", self.overfitting(report)),
            ("exploding_gradients", self.exploding(report)),
            ("vanishing_gradients", vanishing(report)),
        ];
        let mut new = Vec::new();
        for (code, detail) in found {
            if let Some(detail) = detail
                && !self.told.contains(&code)
            {
                self.told.push(code);
                new.push(Warning { code: code.to_owned(), detail });
            }
        }
        new
    }

    fn plateau(&mut self, report: &EpochReport) -> Option<String> {
        let loss = report.monitored_loss();
        if self.reference.is_none_or(|reference| loss < reference - FALL * reference.abs()) {
            (self.reference, self.waited) = (Some(loss), 0);
            return None;
        }
        self.waited += 1;
        (self.waited >= PLATEAU).then(|| {
            format!(
                "the loss has not fallen by 0.1 % in {} epochs: `training.early_stopping` ends such a training; a `training.schedule` that lowers the learning rate may improve it",
                self.waited
            )
        })
    }

    fn overfitting(&mut self, report: &EpochReport) -> Option<String> {
        let validation = report.validation.as_ref().and_then(|metrics| metrics.loss)?;
        let training = report.training.loss;
        let Some((epoch, lowest, training_then)) = self.best.filter(|(_, lowest, _)| *lowest <= validation) else {
            self.best = Some((report.epoch, validation, training));
            return None;
        };
        let rose = validation > lowest + WORSE * lowest.abs() && report.epoch >= epoch + PAST_BEST;
        (rose && training < training_then).then(|| {
            format!(
                "the model is overfitting: since epoch {epoch} the validation loss has risen from {lowest:.4} to {validation:.4} while the training loss fell. The weights of epoch {epoch} are kept; `dropout`, `weight_decay`, fewer units or more data help"
            )
        })
    }

    fn exploding(&mut self, report: &EpochReport) -> Option<String> {
        if self.first_norms.is_empty() {
            self.first_norms.clone_from(&report.gradient_norm);
            return None;
        }
        let exploded = report.gradient_norm.iter().find(|(layer, norm)| {
            self.first_norms.get(*layer).is_some_and(|first| *first > 0.0 && **norm > EXPLODED * first)
        });
        exploded.map(|(layer, norm)| {
            format!(
                "the gradient of `{layer}` has grown to a norm of {norm:.3e}, over {EXPLODED} times that of the first epoch: try `training.clip` with a `global_norm` of 1, or a lower learning rate"
            )
        })
    }
}

fn vanishing(report: &EpochReport) -> Option<String> {
    let largest = report.gradient_norm.values().copied().fold(0.0, f64::max);
    let vanished = report.gradient_norm.iter().find(|(_, norm)| **norm < VANISHED * largest);
    vanished.map(|(layer, norm)| {
        format!(
            "the gradient of `{layer}` has a norm of {norm:.3e}, less than 1/10,000 of the largest layer's, so it hardly learns: LSTM and GRU, `layer_norm`, a shorter context or fewer layers help"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::metric_values::{Metrics, TrainingMetrics};

    fn report(epoch: u32, training: f64, validation: Option<f64>, norms: &[(&str, f64)]) -> EpochReport {
        EpochReport {
            epoch,
            training: TrainingMetrics { loss: training },
            validation: validation.map(|loss| Metrics { loss: Some(loss), ..Metrics::default() }),
            gradient_norm: norms.iter().map(|(layer, norm)| ((*layer).to_owned(), *norm)).collect(),
            ..EpochReport::default()
        }
    }

    /// The epoch and code of each warning.
    fn told(reports: &[EpochReport]) -> Vec<(u32, String)> {
        let mut monitor = TrainingMonitor::default();
        let told = reports.iter().flat_map(|report| {
            monitor.see(report).into_iter().map(|warning| (report.epoch, warning.code)).collect::<Vec<_>>()
        });
        told.collect()
    }

    /// A monitor as a resumed training has it.
    fn after(history: &[EpochReport]) -> TrainingMonitor {
        let mut monitor = TrainingMonitor::default();
        for report in history {
            monitor.see(report);
        }
        monitor
    }

    #[test]
    fn a_plateau_is_reported_once_and_not_again_after_a_resume() {
        let falling: Vec<EpochReport> =
            (1..=30).map(|epoch| report(epoch, 1.0 / f64::from(epoch), None, &[])).collect();
        assert!(told(&falling).is_empty());
        let flat: Vec<EpochReport> = (1..=30).map(|epoch| report(epoch, -2.0, None, &[])).collect();
        assert_eq!(told(&flat), [(11, "plateau".to_owned())]);
        let mut resumed = after(&flat[..15]);
        assert!(resumed.see(&flat[15]).is_empty());
        let mut before = after(&flat[..10]);
        assert_eq!(before.see(&flat[10]).len(), 1);
    }

    #[test]
    fn validation_that_rises_while_training_falls_is_overfitting() {
        let fit = |epoch: u32, turn: f64| {
            let at = f64::from(epoch);
            report(epoch, 1.0 / at, Some(1.0 + (at - 4.0).max(0.0) * turn - at.min(4.0) * 0.1), &[])
        };
        let codes = |turn: f64| told(&(1..=9).map(|epoch| fit(epoch, turn)).collect::<Vec<_>>());
        assert_eq!(codes(0.05), [(9, "overfitting".to_owned())]);
        assert!(codes(0.001).is_empty(), "a rise of a hundredth is none");
    }

    #[test]
    fn exploding_and_vanishing_gradients_are_reported_by_layer() {
        let layers = |low: f64, head: f64| [("recurrent.0", low), ("head", head)];
        let fine = report(1, 1.0, None, &layers(0.1, 1.0));
        assert!(told(std::slice::from_ref(&fine)).is_empty());
        let exploded = report(2, 0.9, None, &layers(11.0, 1.0));
        let vanished = report(3, 0.8, None, &layers(0.000_09, 1.0));
        let expected = [(2, "exploding_gradients".to_owned()), (3, "vanishing_gradients".to_owned())];
        assert_eq!(told(&[fine, exploded, vanished]), expected);
    }
}
