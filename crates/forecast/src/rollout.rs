//! Recursive multi-step forecasting: each pass's forecasts are appended to the history that the next
//! pass reads.

use gatecast_model::features::{Codes, Rows};
use gatecast_model::scaling::{Scale, Scaler, WindowScale};
use gatecast_model::target_transform::{NumberRows, Origin, Scratch};
use gatecast_nn::loss::{Criterion, ScaledOrRaw};

use super::error::ForecastError;
use super::input_spec::InputSpec;
use super::model::LocalModel;
use super::series_input::SeriesInput;

/// A batch of series that is being forecast.
pub(super) struct Rollout<'r> {
    spec: &'r InputSpec<'r>,
    criterion: &'r Criterion,
    scaler: &'r Scaler,
    series: Vec<Series<'r>>,
    /// The scaled numbers of one pass of one series: `[row, column]`.
    numbers: Vec<f32>,
    /// The inputs of one pass: `[series, step, input]`.
    window: Vec<f32>,
    scratch: Scratch,
    /// The network's outputs: `[step, series, target, width]`.
    outputs: Vec<f32>,
    /// The origins that convert each pass's outputs to the data's units: `[pass, series, target]`.
    origins: Vec<Origin<'static>>,
}

/// The network's outputs for one point.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawForecast<'f> {
    pub(super) outputs: &'f [f32],
    pub(super) origin: &'f Origin<'static>,
    /// The step within its pass, from 0.
    pub(super) ahead: usize,
}

/// One series, with the points forecast so far.
struct Series<'r> {
    input: &'r SeriesInput,
    /// For each column, the transformed history, followed by forecasts or future covariates.
    transformed: Vec<Vec<f64>>,
    /// The scale fitted to its context, if the model has none for the series.
    own: WindowScale,
}

impl Series<'_> {
    fn scale<'s>(&'s self, scaler: &'s Scaler) -> Scale<'s> {
        scaler.for_series(self.input.id.as_deref()).unwrap_or_else(|| self.own.get())
    }
}

impl<'r> Rollout<'r> {
    pub(super) fn new(
        model: &'r LocalModel,
        spec: &'r InputSpec<'r>,
        batch: &'r [SeriesInput],
    ) -> Result<Self, ForecastError> {
        let mut series = Vec::with_capacity(batch.len());
        for input in batch {
            let mut transformed = Vec::with_capacity(input.columns.len());
            for (column, values) in input.columns.iter().enumerate() {
                let values = spec.transform.levels(column, values);
                // Values outside the transform's domain were rejected when the series was read.
                let values = values.map_err(|value| ForecastError::internal(format!("{value} has no transform")))?;
                transformed.push(values.into_owned());
            }
            series.push(Series { input, transformed, own: WindowScale::default() });
        }
        let mut rollout = Self {
            spec,
            criterion: &model.criterion,
            scaler: &model.bundle.scaler,
            series,
            numbers: Vec::new(),
            window: vec![0.0; batch.len() * spec.manifest.context * spec.layout.width()],
            scratch: Scratch::default(),
            outputs: Vec::new(),
            origins: Vec::new(),
        };
        rollout.measure(0);
        Ok(rollout)
    }

    /// For series that the model has no scale for, fits one to the context of a pass.
    fn measure(&mut self, pass: usize) {
        let (spec, first) = (self.spec, pass * self.spec.manifest.horizon);
        for series in &mut self.series {
            if self.scaler.for_series(series.input.id.as_deref()).is_none() {
                let rows = first..first + spec.history;
                let streams: Vec<_> = (series.transformed.iter().enumerate())
                    .map(|(at, levels)| spec.transform.model_input(at, &levels[rows.clone()]))
                    .collect();
                self.scaler.refit(&mut series.own, streams.iter().map(|stream| &stream[spec.lookback..]));
            }
        }
    }

    /// The inputs of a pass: `[series, step, input]`.
    pub(super) fn window(&mut self, pass: usize) -> &[f32] {
        // A scale per window is refitted to each window. A scale per series is fitted only once.
        if pass > 0 && self.scaler.is_of_windows() {
            self.measure(pass);
        }
        let (spec, first) = (self.spec, pass * self.spec.manifest.horizon);
        let width = spec.layout.columns();
        let steps = spec.manifest.context * spec.layout.width();
        for (series, window) in self.series.iter().zip(self.window.chunks_exact_mut(steps)) {
            let rows = series.transformed.iter().map(Vec::len).max().unwrap_or(0) - first;
            self.numbers.clear();
            self.numbers.resize(rows * width, 0.0);
            let scale = series.scale(self.scaler);
            for (column, levels) in series.transformed.iter().enumerate() {
                let stream = spec.transform.model_input(column, &levels[first..]);
                let mut rows = NumberRows { numbers: &mut self.numbers, width };
                spec.transform.write(column, scale.column(column), &stream, &mut rows);
            }
            let codes: Vec<Codes<'_>> = series.input.codes.iter().map(|column| column.codes(first)).collect();
            let rows = Rows { numbers: &self.numbers, codes: &codes, constants: &series.input.constants };
            spec.layout.write(rows, spec.lookback, window);
        }
        &self.window
    }

    /// Takes the network's outputs of a pass, `[series, step × target × width]`, and appends their central values to
    /// the history.
    pub(super) fn accept(&mut self, pass: usize, predicted: &[f32]) {
        let (spec, targets, width) = (self.spec, self.spec.manifest.targets.len(), self.criterion.width());
        let (horizon, of_step) = (spec.manifest.horizon, targets * width);
        for step in 0..horizon {
            for series in predicted.chunks_exact(horizon * of_step) {
                self.outputs.extend_from_slice(&series[step * of_step..(step + 1) * of_step]);
            }
        }
        let first = pass * horizon;
        for (series, predicted) in self.series.iter_mut().zip(predicted.chunks_exact(horizon * of_step)) {
            for target in 0..targets {
                let scale = self.scaler.for_series(series.input.id.as_deref()).unwrap_or_else(|| series.own.get());
                let Some(history) = series.transformed.get_mut(target) else { continue };
                let known = &history[first..first + spec.history];
                let origin = spec.transform.origin(target, &scale, known, horizon, &mut self.scratch);
                let of_target = predicted.chunks_exact(width).skip(target).step_by(targets);
                for (ahead, raw) in of_target.enumerate() {
                    let middle = self.criterion.middle(&self.criterion.distribution(raw, origin.unit()));
                    history.push(match middle {
                        ScaledOrRaw::Scaled(value) => origin.transformed(ahead, value),
                        ScaledOrRaw::Count(value) => origin.level_of(value),
                    });
                }
                self.origins.push(origin.into_owned());
            }
        }
    }

    /// The network's outputs for a point of one series, by its position in the batch.
    pub(super) fn raw(&self, step: usize, series: usize, target: usize) -> RawForecast<'_> {
        let (count, targets, width) = (self.series.len(), self.spec.manifest.targets.len(), self.criterion.width());
        let horizon = self.spec.manifest.horizon;
        let first = ((step * count + series) * targets + target) * width;
        let origin = &self.origins[(step / horizon * count + series) * targets + target];
        RawForecast { outputs: &self.outputs[first..first + width], origin, ahead: step % horizon }
    }
}
