//! Prepares a dataset for windows: series on regular grids, split into parts, gaps filled, and a fitted scaler.
//!
//! No information from a later part reaches an earlier one: the scaler and the seasonal errors are fitted on training
//! points only, and unknown training points are filled from training points only.

use std::ops::Range;

use super::padding;
use super::split::{Parts, split};
use gatecast_core::dataset::Warning;
use gatecast_core::model::Encodings;
use gatecast_core::numbers::exceeds_f32;
use gatecast_core::order::{DataSpec, Missing, Recency};
use gatecast_core::seasonal::seasonal_error;
use gatecast_data::frame::{Frame, FrameColumn, FrameSeries};
use gatecast_model::error::LearnError;
use gatecast_model::features::Features;
use gatecast_model::missing;
use gatecast_model::resample;
use gatecast_model::scaling::Scaler;
use gatecast_model::target_transform::{self, Streams, TargetTransform};

/// The series in the form that training reads.
#[derive(Debug)]
pub struct Prepared {
    /// Columns: the targets, then the numeric past and future covariates. In series that have points in any part, no
    /// value is NaN except in columns whose unknown values are masked.
    pub frame: Frame,
    /// The transform of the columns except scaling, and the transformed columns.
    pub values: TargetTransform,
    pub streams: Streams,
    /// The other inputs of the network, and the layout of all inputs.
    pub features: Features,
    /// One per series.
    pub parts: Vec<Parts>,
    pub scaler: Scaler,
    /// The number of columns that are targets.
    pub targets: usize,
    pub shape: Shape,
    /// The mean absolute error of the seasonal naive forecast in the training part, `[series, target]`; NaN if it is
    /// 0 or the part is too short.
    pub seasonal_errors: Vec<f64>,
    pub recency: Option<Recency>,
    /// Warnings about the data for the user.
    pub warnings: Vec<Warning>,
}

/// Which points are trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Those of the split's training part.
    Split,
    /// Those of all its parts.
    All,
}

/// The sizes of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub context: usize,
    pub horizon: usize,
    pub stride: usize,
    pub season: usize,
    /// The number of points before a window that its lags and differences read.
    pub lookback: usize,
}

impl Shape {
    pub fn of(data: &DataSpec) -> Self {
        Self {
            context: data.context.max(1),
            horizon: data.horizon.max(1),
            stride: data.stride.max(1),
            season: data.season.max(1),
            lookback: data.lookback(),
        }
    }

    /// The number of points in a window, without the points before it that only its lags read.
    pub fn points(&self) -> usize {
        self.context.saturating_add(self.horizon)
    }
}

impl Prepared {
    /// Prepares a frame that has the columns [`input_columns`](gatecast_model::features::input_columns) in that order.
    pub fn new(frame: Frame, data: &DataSpec) -> Result<Self, LearnError> {
        Self::encoded(frame, data, None, Use::Split)
    }

    /// Prepares a frame with the categories and static numbers encoded as in an existing model.
    pub fn encoded(frame: Frame, data: &DataSpec, known: Option<&Encodings>, usage: Use) -> Result<Self, LearnError> {
        let shape = Shape::of(data);
        let targets = data.targets.len();
        let frame = match data.resample {
            Some(step) => resample::resample(frame, step)?,
            None => frame,
        };
        let mut frame = missing::on_grid(frame)?;
        if !data.covariates.future.is_empty() {
            end_with_targets(&mut frame, targets);
        }
        let times = frame.times.as_deref();
        let of_series =
            |series: &FrameSeries| (series.rows.len(), times.and_then(|times| times.get(series.rows.clone())));
        let mut parts = split(&data.split, data.horizon, frame.series.iter().map(of_series))?;
        if usage == Use::All {
            parts.iter_mut().for_each(|parts| *parts = parts.merged());
        }
        let mut frame = padding::pad(frame, &mut parts, data);
        // The static numbers are the last columns and are not scaled as time series.
        let is_static = |column: &&FrameColumn| data.covariates.fixed.contains(&column.name);
        let statics = frame.columns.split_off(frame.columns.len() - frame.columns.iter().filter(is_static).count());
        let mut warnings = Vec::new();
        let names: Vec<String> = frame.columns.iter().map(|column| column.name.clone()).collect();
        fill(&mut frame, &mut parts, data.missing, target_transform::masked(data, &names), &mut warnings)?;
        let trained: Vec<Range<usize>> =
            frame.series.iter().zip(&parts).map(|(series, parts)| trained(series, parts, shape)).collect();
        let lambdas = match known {
            Some(known) => known.lambdas.clone(),
            None => TargetTransform::lambdas(data, &frame, &trained)?,
        };
        let values = TargetTransform::new(data, &names, &lambdas);
        let streams = values.of_frame(&frame)?;
        let scaler = fit(&frame, &streams, names, &trained, values.lookback(), data)?;
        let mut features = Features::of(&frame, &statics, &trained, data, known)?;
        features.encodings.lambdas = lambdas;
        frame.categories.clear();
        let seasonal_errors = seasonal_errors(&frame, &parts, targets, shape.season);
        let recency = data.recency;
        Ok(Self { frame, values, streams, features, parts, scaler, targets, shape, seasonal_errors, recency, warnings })
    }

    /// The number of inputs per step.
    pub fn inputs(&self) -> usize {
        self.features.layout.width()
    }
}

/// Ends each series at its last point with a target. Later points only have future covariates.
fn end_with_targets(frame: &mut Frame, targets: usize) {
    let ends: Vec<usize> = frame
        .series
        .iter()
        .map(|series| series.rows.start + missing::targets_end(frame, series.rows.clone(), targets))
        .collect();
    frame.series.iter_mut().zip(ends).for_each(|(series, end)| series.rows.end = end);
}

/// The rows of a series that training windows are taken from; empty if no window fits.
fn trained(series: &FrameSeries, parts: &Parts, shape: Shape) -> Range<usize> {
    let rows = series.rows.start + parts.training.start..series.rows.start + parts.training.end;
    if rows.len() >= shape.points() + shape.lookback { rows } else { 0..0 }
}

/// Fills every unknown value, except in the first `masked` columns. Each part is filled only from itself and earlier
/// points. A series with a column that has no value to fill from is left out of all parts.
fn fill(
    frame: &mut Frame,
    parts: &mut [Parts],
    how: Missing,
    masked: usize,
    warnings: &mut Vec<Warning>,
) -> Result<(), LearnError> {
    let mut left_out = Vec::new();
    for (series, parts) in frame.series.iter().zip(parts) {
        for (at, column) in frame.columns.iter_mut().enumerate() {
            let values = &mut column.values[series.rows.clone()];
            let unknown = values.iter().filter(|value| value.is_nan()).count();
            if unknown == 0 {
                continue;
            }
            if how == Missing::Refuse {
                return Err(LearnError::MissingValues(format!(
                    "series `{}` has {unknown} points without a value of `{}`, which `data.missing: refuse` does not allow: set it to `interpolate` or `forward_fill`",
                    series.key, column.name
                )));
            }
            if at < masked && values.iter().any(|value| !value.is_nan()) {
                continue;
            }
            let training_known = missing::fill(&mut values[parts.training.clone()], how);
            for border in parts.borders() {
                missing::fill(&mut values[..border], how);
            }
            if !training_known || !missing::fill(values, how) {
                left_out.push(series.key.as_str());
                *parts = Parts::default();
                break;
            }
        }
    }
    if !left_out.is_empty() {
        if left_out.len() == frame.series.len() {
            return Err(LearnError::MissingValues("no series has a known training value in every column".to_owned()));
        }
        let named = left_out.iter().take(5).map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        warnings.push(Warning {
            code: "series_left_out".to_owned(),
            detail: format!("{} series have a column without a known training value: {named}", left_out.len()),
        });
    }
    Ok(())
}

/// Fits the scaler on training points. With `standard`, only series that have training windows get a row; the others
/// are scaled by their own context.
fn fit(
    frame: &Frame,
    streams: &Streams,
    names: Vec<String>,
    trained: &[Range<usize>],
    lookback: usize,
    data: &DataSpec,
) -> Result<Scaler, LearnError> {
    let training: Vec<(String, Vec<&[f64]>)> = frame
        .series
        .iter()
        .zip(trained)
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(series, rows)| {
            // The first differences of a part would need points before it.
            let rows = rows.start + lookback..rows.end;
            let stream = |column| &streams.model_input(frame, column)[rows.clone()];
            (series.key.clone(), (0..names.len()).map(stream).collect())
        })
        .collect();
    let largest =
        frame.columns.iter().flat_map(|column| &column.values).fold(0.0_f64, |top, value| top.max(value.abs()));
    let scaler = Scaler::fit(data.scaling, names.clone(), &training);
    match scaler {
        Ok(scaler) if !exceeds_f32(largest) => Ok(scaler),
        _ => Err(LearnError::ValuesTooLarge(format!(
            "the largest value, {largest:e}, is out of range for single precision (3e38): convert the data to a larger unit"
        ))),
    }
}

fn seasonal_errors(frame: &Frame, parts: &[Parts], targets: usize, season: usize) -> Vec<f64> {
    let mut errors = Vec::with_capacity(frame.series.len() * targets);
    for (series, parts) in frame.series.iter().zip(parts) {
        for column in frame.columns.iter().take(targets) {
            errors.push(seasonal_error(&column.values[series.rows.clone()][parts.training.clone()], season));
        }
    }
    errors
}
