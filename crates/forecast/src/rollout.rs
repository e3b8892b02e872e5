//! What the network reads, run after run: each run's forecast becomes the history of the next.

use super::input_spec::InputSpec;
use super::request_input::History;
use gatecast_model::features::{Codes, Rows};
use gatecast_model::scaling::{Scale, Scaler, WindowScale};
use gatecast_model::target_transform::{NumberRows, Origin, Scratch};
use gatecast_nn::loss::{Criterion, ScaledOrRaw};

/// A batch of series.
pub(super) struct Rollout<'r> {
    spec: &'r InputSpec<'r>,
    criterion: &'r Criterion,
    scaler: &'r Scaler,
    series: Vec<Series<'r>>,
    /// The numbers of one run of one series in the network's scale, `[row, column]`.
    numbers: Vec<f32>,
    /// `[series, step, input]` of one run.
    window: Vec<f32>,
    scratch: Scratch,
    /// What the network said, `[step, series, target, width]`.
    said: Vec<f32>,
    /// The way of each run's forecasts to the data's units, `[run, series, target]`.
    origins: Vec<Origin<'static>>,
}

/// What the network said of one point.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawForecast<'f> {
    pub(super) raw: &'f [f32],
    pub(super) origin: &'f Origin<'static>,
    /// Of its run, from 0.
    pub(super) ahead: usize,
}

/// One series, as far as it is known or forecast.
struct Series<'r> {
    history: &'r History,
    /// A column each: the history, then what is forecast or known ahead.
    levels: Vec<Vec<f64>>,
    /// Of its context, where the model has no row for it.
    own: WindowScale,
}

impl Series<'_> {
    fn scale<'s>(&'s self, scaler: &'s Scaler) -> Scale<'s> {
        scaler.for_series(self.history.id.as_deref()).unwrap_or_else(|| self.own.get())
    }
}

impl<'r> Rollout<'r> {
    pub(super) fn new(
        (spec, criterion): (&'r InputSpec<'r>, &'r Criterion),
        scaler: &'r Scaler,
        batch: &'r [History],
    ) -> Self {
        let series = batch.iter().map(|history| {
            // What has no level was refused when the history was read.
            let level = |(column, values): (usize, &Vec<f64>)| match spec.values.levels(column, values) {
                Ok(levels) => levels.into_owned(),
                Err(_) => vec![f64::NAN; values.len()],
            };
            let levels: Vec<Vec<f64>> = history.columns.iter().enumerate().map(level).collect();
            Series { history, levels, own: WindowScale::default() }
        });
        let mut rollout = Self {
            spec,
            criterion,
            scaler,
            series: series.collect(),
            numbers: Vec::new(),
            window: vec![0.0; batch.len() * spec.manifest.context * spec.layout.width()],
            scratch: Scratch::default(),
            said: Vec::new(),
            origins: Vec::new(),
        };
        rollout.measure(0);
        rollout
    }

    /// Takes the scales of series that the model has no row for off the context of a run.
    fn measure(&mut self, block: usize) {
        let (spec, first) = (self.spec, block * self.spec.manifest.horizon);
        for series in &mut self.series {
            if self.scaler.for_series(series.history.id.as_deref()).is_none() {
                let rows = first..first + spec.history;
                let streams: Vec<_> = (series.levels.iter().enumerate())
                    .map(|(at, levels)| spec.values.model_input(at, &levels[rows.clone()]))
                    .collect();
                self.scaler.refit(&mut series.own, streams.iter().map(|stream| &stream[spec.lookback..]));
            }
        }
    }

    /// The inputs of a run, `[series, step, input]`.
    pub(super) fn window(&mut self, block: usize) -> &[f32] {
        // A window's scale moves on with it; that of a series is its own once and for all.
        if block > 0 && self.scaler.is_of_windows() {
            self.measure(block);
        }
        let (spec, first) = (self.spec, block * self.spec.manifest.horizon);
        let width = spec.layout.columns();
        let steps = spec.manifest.context * spec.layout.width();
        for (series, window) in self.series.iter().zip(self.window.chunks_exact_mut(steps)) {
            let rows = series.levels.iter().map(Vec::len).max().unwrap_or(0) - first;
            self.numbers.clear();
            self.numbers.resize(rows * width, 0.0);
            let scale = series.scale(self.scaler);
            for (column, levels) in series.levels.iter().enumerate() {
                let stream = spec.values.model_input(column, &levels[first..]);
                spec.values.write(
                    column,
                    scale.column(column),
                    &stream,
                    &mut NumberRows { numbers: &mut self.numbers, width },
                );
            }
            let codes: Vec<Codes<'_>> = series.history.codes.iter().map(|column| column.codes(first)).collect();
            let rows = Rows { numbers: &self.numbers, codes: &codes, constants: &series.history.constants };
            spec.layout.write(rows, spec.lookback, window);
        }
        &self.window
    }

    /// Takes what the network said of a run, `[series, step × target × width]`: its middle is what
    /// came after the run's history.
    pub(super) fn take(&mut self, block: usize, predicted: &[f32]) {
        let (spec, targets, width) = (self.spec, self.spec.manifest.targets.len(), self.criterion.width());
        let (horizon, of_step) = (spec.manifest.horizon, targets * width);
        for step in 0..horizon {
            for series in predicted.chunks_exact(horizon * of_step) {
                self.said.extend_from_slice(&series[step * of_step..(step + 1) * of_step]);
            }
        }
        let first = block * horizon;
        for (series, predicted) in self.series.iter_mut().zip(predicted.chunks_exact(horizon * of_step)) {
            for target in 0..targets {
                let scale = self.scaler.for_series(series.history.id.as_deref()).unwrap_or_else(|| series.own.get());
                let Some(levels) = series.levels.get_mut(target) else { continue };
                let known = &levels[first..first + spec.history];
                let origin = spec.values.origin(target, &scale, known, horizon, &mut self.scratch);
                let of_target = predicted.chunks_exact(width).skip(target).step_by(targets);
                for (ahead, raw) in of_target.enumerate() {
                    let middle = self.criterion.middle(&self.criterion.distribution(raw, origin.unit()));
                    levels.push(match middle {
                        ScaledOrRaw::Scaled(value) => origin.transformed(ahead, value),
                        ScaledOrRaw::Count(value) => origin.level_of(value),
                    });
                }
                self.origins.push(origin.into_owned());
            }
        }
    }

    /// Times the network runs.
    pub(super) fn blocks(&self) -> usize {
        self.spec.blocks
    }

    /// What was said of a point of one series, by its place in the batch.
    pub(super) fn said(&self, step: usize, series: usize, target: usize) -> RawForecast<'_> {
        let (count, targets, width) = (self.series.len(), self.spec.manifest.targets.len(), self.criterion.width());
        let horizon = self.spec.manifest.horizon;
        let first = ((step * count + series) * targets + target) * width;
        let origin = &self.origins[(step / horizon * count + series) * targets + target];
        RawForecast { raw: &self.said[first..first + width], origin, ahead: step % horizon }
    }
}
