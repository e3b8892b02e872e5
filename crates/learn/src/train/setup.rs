//! Before the first epoch: the state to continue from, and warnings about the data.

use super::{Trainer, extent};
use crate::checkpoint;
use crate::progress::{EventSink, Interrupted, Progress, emit, warn};
use crate::training_state::TrainingState;
use gatecast_core::order::HoldoutPart;
use gatecast_core::trainer::{TrainerEvent, WindowCounts};
use gatecast_nn::initialise;

/// Fewer training windows than this are worth a warning.
const FEW_WINDOWS: u64 = 100;

impl Trainer<'_> {
    /// The state to go on from, told to whoever listens.
    pub(super) fn begin(&mut self, sink: &mut EventSink<'_>) -> Result<TrainingState, Interrupted> {
        let training = &self.task.order.training;
        let parameters = self.network.parameter_count();
        let read = |path| checkpoint::read(path, &self.identity, training.optimizer, parameters);
        let (state, unusable) = match self.task.resume.as_deref().map(read) {
            Some(Ok(state)) => (Some(state), None),
            Some(Err(unusable)) => (None, Some(unusable)),
            None => (None, None),
        };
        let first = || match &self.base {
            Some(base) => base.bundle.parameters.clone(),
            None => initialise(&self.network, training.seed),
        };
        let state = state.unwrap_or_else(|| TrainingState::new(first(), training));
        let windows = (self.training.len(), self.validation.len());
        let extent = extent(self.task, &self.rates, windows.0, windows.1, state.seconds());
        self.progress = Progress::new(extent, state.epochs());
        emit(
            sink,
            TrainerEvent::Started {
                engine: self.engine.name().to_owned(),
                device: self.engine.device(),
                reason: self.reason.clone(),
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
                format!("the checkpoint of an earlier attempt cannot be used, and training starts again: {unusable}");
            warn("checkpoint_unusable", detail, sink)?;
        }
        if state.epochs() == 0 {
            self.warn_of_data(sink)?;
        }
        Ok(state)
    }

    fn warn_of_data(&self, sink: &mut EventSink<'_>) -> Result<(), Interrupted> {
        for warning in &self.prepared.warnings {
            warn(&warning.code, warning.detail.clone(), sink)?;
        }
        if self.training.len() < FEW_WINDOWS {
            let detail = format!(
                "there are only {} training windows, so expect large errors: a smaller `data.stride` or shorter windows give more",
                self.training.len()
            );
            warn("few_training_windows", detail, sink)?;
        }
        let parts = &self.prepared.parts;
        let asked = [
            (HoldoutPart::Validation, &self.validation, parts.iter().any(|parts| !parts.validation.is_empty())),
            (HoldoutPart::Test, &self.test, parts.iter().any(|parts| !parts.test.is_empty())),
        ];
        for (name, windows, has_points) in asked {
            if windows.is_empty() && (has_points || self.task.order.data.split.has(name)) {
                let detail = format!(
                    "the {name} part has no window: a window needs {} points within the part and {} before them",
                    self.prepared.shape.horizon, self.prepared.shape.context
                );
                warn(&format!("no_{name}_windows"), detail, sink)?;
            }
        }
        Ok(())
    }
}
