//! After the last epoch: evaluates the best weights once more and writes the model's file.

use super::Trainer;
use crate::baselines::{EvaluatedWindows, evaluate_all};
use crate::progress::{EventSink, Interrupted, emit};
use crate::source;
use crate::training_state::TrainingState;
use crate::windows::PartName;
use gatecast_core::metric_values::{FinalMetrics, HoldoutMetrics};
use gatecast_core::model::{BUNDLE_FORMAT, Manifest, StoppedBy, TrainedOn};
use gatecast_core::trainer::TrainerEvent;
use gatecast_model::bundle::Bundle;
use gatecast_model::features::number_columns;

impl Trainer<'_> {
    /// The errors of the best weights and of the baselines.
    pub(super) fn final_metrics(
        &mut self,
        state: &TrainingState,
        best: &[f32],
        stopped_by: StoppedBy,
        sink: &mut EventSink<'_>,
    ) -> Result<FinalMetrics, Interrupted> {
        if let Some((code, detail)) = early_end(stopped_by, state) {
            emit(sink, TrainerEvent::Info { code: code.to_owned(), detail })?;
        }
        let model = HoldoutMetrics {
            validation: self.evaluate(best, PartName::Validation, sink)?,
            test: self.evaluate(best, PartName::Test, sink)?,
        };
        let evaluated = EvaluatedWindows { training: &self.training, validation: &self.validation, test: &self.test };
        let baselines = evaluate_all(&self.prepared, evaluated, self.task.all_baselines);
        Ok(FinalMetrics { model, baselines })
    }

    /// Writes the model.
    pub(super) fn finish(self, manifest: Manifest, parameters: Vec<f32>) -> Result<TrainerEvent, Interrupted> {
        let (metrics, epochs, best_epoch) = (manifest.metrics.clone(), manifest.epochs, manifest.best_epoch);
        let bundle = Bundle { manifest, network: self.network, parameters, scaler: self.prepared.scaler };
        let written = source::write_bundle(&self.task.model, &bundle)?;
        Ok(TrainerEvent::Finished {
            metrics: Box::new(metrics),
            best_epoch,
            epochs,
            sha256: written.sha256,
            bytes: written.bytes,
        })
    }

    pub(super) fn manifest(&self, state: &TrainingState, stopped_by: StoppedBy, metrics: FinalMetrics) -> Manifest {
        let (order, dataset) = (&self.task.order, &self.task.dataset);
        let mut frequencies = self.prepared.frame.series.iter().map(|series| series.frequency);
        let frequency = frequencies.next().flatten();
        Manifest {
            format: BUNDLE_FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            order: order.clone(),
            inputs: number_columns(&order.data, &self.prepared.features.encodings),
            encodings: self.prepared.features.encodings.clone(),
            targets: order.data.targets.clone(),
            context: self.prepared.shape.context,
            horizon: self.prepared.shape.horizon,
            season: self.prepared.shape.season,
            frequency: frequency.filter(|_| frequencies.all(|other| other == frequency)),
            series: self.prepared.scaler.keys().len() as u64,
            parameters: self.network.parameter_count() as u64,
            engine: self.engine.name().to_owned(),
            device: self.engine.device(),
            threads: self.task.threads,
            epochs: state.epochs(),
            best_epoch: state.best_epoch(),
            stopped_by: Some(stopped_by),
            found_rate: state.found,
            refit: None,
            finetuned_from: self.base.as_ref().map(|base| base.from.clone()),
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

/// The code and detail of the event for a training that did not run all its epochs.
fn early_end(stopped_by: StoppedBy, state: &TrainingState) -> Option<(&'static str, String)> {
    let kept =
        format!("training ended after epoch {}; the weights of epoch {} are kept", state.epochs(), state.best_epoch());
    match stopped_by {
        StoppedBy::Epochs => None,
        StoppedBy::EarlyStopping => Some((
            "stopped_early",
            format!("the validation loss has not fallen for `early_stopping.patience` epochs: {kept}"),
        )),
        StoppedBy::MaxSteps => Some((
            "max_steps_reached",
            format!("`max_steps` was reached after {} steps: {kept}", state.optimizer.steps()),
        )),
        StoppedBy::TimeLimit => Some(("time_limit_reached", format!("`time_limit_seconds` was reached: {kept}"))),
    }
}
