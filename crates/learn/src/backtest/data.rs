//! The series that a backtest reads, where each one ends, and which of its points the model was trained on.

use gatecast_core::model::Manifest;
use gatecast_core::order::{DataSpec, Part, Split};
use gatecast_core::trainer::{BacktestTask, DatasetSource};
use gatecast_data::frame::{Frame, FrameSeries};
use gatecast_model::LearnError;
use gatecast_model::features::input_columns;
use gatecast_model::{missing, resample};

use crate::source;
use crate::split::{Parts, split};

/// The position of the origins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) folds: usize,
    /// The number of points from one origin to the next.
    pub(super) step: usize,
    /// The number of steps after an origin that are forecast but not evaluated.
    pub(super) gap: usize,
    pub(super) horizon: usize,
}

impl Plan {
    pub(super) fn new(task: &BacktestTask) -> Self {
        Self { folds: task.folds, step: task.step.max(1), gap: task.gap, horizon: task.horizon.max(1) }
    }

    /// The number of points from a fold's origin to the end of the last fold's horizon. Fold 0 is the oldest.
    pub(super) fn back(&self, fold: usize) -> usize {
        (self.folds - 1 - fold) * self.step + self.horizon
    }
}

#[derive(Debug)]
pub(super) struct BacktestData {
    /// Series on regular grids. Rows after a series' end only have covariates that are known ahead.
    pub(super) frame: Frame,
    /// For each series, the number of points up to the last one with a target, at or before `until`.
    pub(super) ends: Vec<usize>,
    /// The parts of each series in training; `None` if they are not known.
    parts: Option<Vec<Parts>>,
    /// Whether the model was fine-tuned. The manifest does not describe the split of the base model's data.
    finetuned: bool,
}

impl BacktestData {
    pub(super) fn read(
        dataset: &DatasetSource,
        manifest: &Manifest,
        until: Option<jiff::Timestamp>,
    ) -> Result<Self, LearnError> {
        let data = &manifest.order.data;
        let frame = source::read(dataset, &input_columns(data))?;
        let is_trained_on = manifest.trained_on.sha256 == dataset.sha256;
        Self::new(frame, manifest, is_trained_on, until)
    }

    /// `is_trained_on` means that the frame is the dataset that the model was trained on.
    pub(super) fn new(
        frame: Frame,
        manifest: &Manifest,
        is_trained_on: bool,
        until: Option<jiff::Timestamp>,
    ) -> Result<Self, LearnError> {
        let data = &manifest.order.data;
        let frame = match data.resample {
            Some(step) => resample::resample(frame, step)?,
            None => frame,
        };
        let frame = missing::on_grid(frame)?;
        let mut parts = parts(&frame, data, is_trained_on)?;
        if manifest.refit.is_some() {
            parts.iter_mut().flatten().for_each(|parts| *parts = parts.merged());
        }
        let ends = frame.series.iter().map(|series| end(&frame, series, data.targets.len(), until)).collect();
        Ok(Self { frame, ends, parts, finetuned: manifest.finetuned_from.is_some() })
    }

    /// Whether training used a point of a series to fit the weights or to select the best epoch; `None` if that is
    /// not known.
    pub(super) fn is_seen(&self, series: usize, at: usize) -> Option<bool> {
        let seen = self.parts.as_ref().and_then(|parts| parts.get(series)).map(|parts| parts.uses(at));
        // The training data of the base model of a fine-tuning is not known here.
        if self.finetuned { seen.filter(|seen| *seen) } else { seen }
    }
}

/// The number of points of a series up to the last one with a target, at or before `until`.
fn end(frame: &Frame, series: &FrameSeries, targets: usize, until: Option<jiff::Timestamp>) -> usize {
    let times = frame.times.as_ref().and_then(|times| times.get(series.rows.clone()));
    let length = match (until, times) {
        (Some(until), Some(times)) => times.partition_point(|&time| time <= until.as_microsecond()),
        _ => series.rows.len(),
    };
    missing::targets_end(frame, series.rows.start..series.rows.start + length, targets)
}

/// The parts of each series in the model's training; `None` if they cannot be determined for other data.
fn parts(frame: &Frame, data: &DataSpec, is_trained_on: bool) -> Result<Option<Vec<Parts>>, LearnError> {
    if !is_trained_on && !is_by_dates(&data.split) {
        return Ok(None);
    }
    let of_series = |series: &FrameSeries| {
        let length = match data.covariates.future.is_empty() {
            true => series.rows.len(),
            false => missing::targets_end(frame, series.rows.clone(), data.targets.len()),
        };
        let rows = series.rows.start..series.rows.start + length;
        (length, frame.times.as_deref().and_then(|times| times.get(rows)))
    };
    split(&data.split, data.horizon, frame.series.iter().map(of_series)).map(Some)
}

/// Whether the borders of the parts depend on times alone, which makes them the same for any data.
fn is_by_dates(split: &Split) -> bool {
    let Split::Time { training, validation, test } = split else { return false };
    let parts = [training, validation, test];
    let by_share = |part: &&Option<Part>| matches!(part, Some(Part::Fraction(share)) if *share > 0.0);
    !parts.iter().any(by_share) && parts.iter().any(|part| matches!(part, Some(Part::Range(_))))
}
