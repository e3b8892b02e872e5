//! Before the first epoch: the state to continue from, and warnings about the data.

use std::path::Path;

use super::monitor::TrainingMonitor;
use super::{Begun, Trainer, extent};
use crate::checkpoint::{self, Resumed, Unusable};
use crate::history::{self, HistoryFile};
use crate::progress::{EventSink, Interrupted, Progress, emit, warn};
use crate::training_state::TrainingState;
use gatecast_core::metric_values::EpochReport;
use gatecast_core::order::HoldoutPart;
use gatecast_core::trainer::{TrainerEvent, WindowCounts};
use gatecast_model::error::LearnError;
use gatecast_nn::initialise;

/// Fewer training windows than this cause a warning.
const FEW_WINDOWS: u64 = 100;
/// The number of epochs per event: a line of at most a few hundred kilobytes, and one transaction of the store.
const EPOCHS_PER_EVENT: usize = 250;

/// An earlier attempt, read from its checkpoint.
struct Earlier {
    resumed: Resumed,
    monitor: TrainingMonitor,
    /// The epochs that are missing in the store.
    unreported: Vec<EpochReport>,
}

impl Trainer<'_> {
    /// Returns the state to start from. Reports the start, and the epochs that are missing in the store.
    pub(super) fn begin(&mut self, sink: &mut EventSink<'_>) -> Result<Begun, Interrupted> {
        let training = &self.task.order.training;
        let parameters = self.network.parameter_count();
        let (earlier, unusable) = match self.task.resume.as_deref().map(|path| self.earlier(path)) {
            Some(Ok(earlier)) => (Some(earlier), None),
            Some(Err(unusable)) => (None, Some(unusable)),
            None => (None, None),
        };
        let first = || match &self.base {
            Some(base) => base.bundle.parameters.clone(),
            None => initialise(&self.network, training.seed),
        };
        let path = history::path(&self.task.checkpoint);
        let storage = |cause| LearnError::storage("writing the history", cause);
        let (state, history, monitor, unreported) = match earlier {
            Some(Earlier { resumed: Resumed { state, history }, monitor, unreported }) => {
                (state, history.continue_at(&path).map_err(storage)?, monitor, unreported)
            }
            None => {
                let state = TrainingState::new(first(), training);
                (state, HistoryFile::create(&path).map_err(storage)?, TrainingMonitor::default(), Vec::new())
            }
        };
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
            },
        )?;
        for reports in unreported.chunks(EPOCHS_PER_EVENT) {
            emit(sink, TrainerEvent::Epochs { reports: reports.to_vec() })?;
        }
        if let Some(unusable) = unusable {
            let detail =
                format!("the checkpoint of an earlier attempt cannot be used, and training starts again: {unusable}");
            warn("checkpoint_unusable", detail, sink)?;
        }
        if state.epochs() == 0 {
            self.warn_of_data(sink)?;
        }
        Ok(Begun { state, history, monitor })
    }

    /// Reads the checkpoint of an earlier attempt.
    fn earlier(&self, checkpoint: &Path) -> Result<Earlier, Unusable> {
        let optimizer = self.task.order.training.optimizer;
        let (mut monitor, mut unreported) = (TrainingMonitor::default(), Vec::new());
        let visit = |report: EpochReport| {
            // These warnings were already reported with the epoch.
            monitor.see(&report);
            if report.epoch > self.task.known_epochs {
                unreported.push(report);
            }
        };
        let resumed = checkpoint::read(checkpoint, &self.identity, optimizer, self.network.parameter_count(), visit)?;
        Ok(Earlier { resumed, monitor, unreported })
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
