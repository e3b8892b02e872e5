//! Windows are found by index and gathered for each batch. The full set is never stored.

use std::ops::Range;

use super::prepare::Prepared;
use super::split::Parts;
use gatecast_core::order::{Output, Recency};
use gatecast_model::differences::Differences;
use gatecast_model::features::Rows;
use gatecast_model::scaling::{ColumnScale, Scale, WindowScale};
use gatecast_model::target_transform::{NumberRows, Origin, Scratch};
use gatecast_nn::loss::TargetScale;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartName {
    Training,
    Validation,
    Test,
}

/// One window: `context` rows from `start`, then `horizon` rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub series: usize,
    /// The first row of the window in the frame.
    pub start: usize,
    /// The first step of the context whose targets are all in the window's part.
    pub first_step: usize,
}

/// All windows of one part, ordered by series and then by time.
#[derive(Debug, Default)]
pub struct Windows {
    runs: Vec<Run>,
    count: u64,
}

/// The windows of one series.
#[derive(Debug)]
struct Run {
    series: usize,
    /// The index of its first window.
    first: u64,
    start: usize,
    stride: usize,
    /// The first row of the part.
    part: usize,
}

impl Windows {
    pub fn of(prepared: &Prepared, part: PartName) -> Self {
        let mut windows = Self::default();
        for (series, (of_series, parts)) in prepared.frame.series.iter().zip(&prepared.parts).enumerate() {
            let (starts, stride) = starts(parts, part, prepared);
            if starts.is_empty() {
                continue;
            }
            let part = match part {
                PartName::Training => parts.training.start,
                PartName::Validation => parts.validation.start,
                PartName::Test => parts.test.start,
            };
            let rows = of_series.rows.start;
            windows.runs.push(Run {
                series,
                first: windows.count,
                start: rows + starts.start,
                stride,
                part: rows + part,
            });
            windows.count += starts.len().div_ceil(stride) as u64;
        }
        windows
    }

    pub fn len(&self) -> u64 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The window at an index below [`Windows::len`].
    pub fn get(&self, number: u64) -> Option<Window> {
        let at = self.runs.partition_point(|run| run.first <= number).checked_sub(1)?;
        let run = self.runs.get(at).filter(|_| number < self.count)?;
        let start = run.start + (number - run.first) as usize * run.stride;
        Some(Window { series: run.series, start, first_step: run.part.saturating_sub(start + 1) })
    }
}

/// The range in the series where windows of a part may start, and the distance between starts.
fn starts(parts: &Parts, part: PartName, prepared: &Prepared) -> (Range<usize>, usize) {
    let shape = prepared.shape;
    let held_out = |range: &Range<usize>| {
        // The last step's targets are the `horizon` points directly after the context.
        let first = range.start.saturating_sub(shape.context).max(shape.lookback);
        let first = if range.is_empty() { range.end } else { first };
        (first..(range.end + 1).saturating_sub(shape.points()), 1)
    };
    match part {
        PartName::Training => {
            let range = &parts.training;
            (range.start + shape.lookback..(range.end + 1).saturating_sub(shape.points()), shape.stride)
        }
        PartName::Validation => held_out(&parts.validation),
        PartName::Test => held_out(&parts.test),
    }
}

/// The rows, columns and scale of one window.
#[derive(Debug)]
pub struct WindowView<'a> {
    pub window: Window,
    pub scale: Scale<'a>,
    prepared: &'a Prepared,
}

impl<'a> WindowView<'a> {
    /// `own` is memory for the scale of a series without a row in the scaler.
    pub fn of(prepared: &'a Prepared, window: Window, own: &'a mut WindowScale) -> Self {
        let key = prepared.frame.series.get(window.series).map(|series| series.key.as_str());
        let scale = match key.and_then(|key| prepared.scaler.for_series(Some(key))) {
            Some(scale) => scale,
            None => {
                let rows = window.start..window.start + prepared.shape.context;
                let columns = 0..prepared.frame.columns.len();
                let stream = |column| &prepared.streams.model_input(&prepared.frame, column)[rows.clone()];
                prepared.scaler.refit(own, columns.map(stream))
            }
        };
        Self { window, scale, prepared }
    }

    /// The values of a column in the context, in the data's units: `[step]`.
    pub fn context(&self, column: usize) -> &'a [f64] {
        self.rows(column, 0..self.prepared.shape.context)
    }

    /// The values of a target that the last step should forecast, in the data's units: `[step ahead]`.
    pub fn future(&self, target: usize) -> &'a [f64] {
        self.rows(target, self.prepared.shape.context..self.prepared.shape.points())
    }

    /// The origin that converts the last step's forecasts of a target to the data's units. `scratch` holds its bases.
    pub fn origin<'r>(&self, target: usize, scratch: &'r mut Scratch) -> Origin<'r> {
        let shape = self.prepared.shape;
        let rows = self.window.start - shape.lookback..self.window.start + shape.context;
        let levels = &self.prepared.streams.transformed(&self.prepared.frame, target)[rows];
        self.prepared.values.origin(target, &self.scale, levels, shape.horizon, scratch)
    }

    /// The distance of two values of a target in the network's scale.
    pub fn distance(&self, target: usize, one: f64, other: f64) -> f64 {
        let transform = self.prepared.values.transform(target);
        let ColumnScale { scale, .. } = self.scale.column(target);
        (transform.apply(one) - transform.apply(other)).abs() / scale
    }

    /// The seasonal error of a target in the training part of the window's series; NaN if there is none.
    pub fn seasonal_error(&self, target: usize) -> f64 {
        self.prepared.seasonal_errors[self.window.series * self.prepared.targets + target]
    }

    /// The conversion of a target from the network's scale to the data's units.
    pub fn target_scale(&self, target: usize) -> TargetScale {
        let ColumnScale { offset, scale } = self.scale.column(target);
        TargetScale { factor: scale, term: offset, seasonal: self.seasonal_error(target) }
    }

    fn rows(&self, column: usize, steps: Range<usize>) -> &'a [f64] {
        let rows = self.window.start + steps.start..self.window.start + steps.end;
        &self.prepared.frame.columns[column].values[rows]
    }
}

/// Memory for one batch, reused for the next.
#[derive(Debug, Default)]
pub struct Batcher {
    /// `[batch, step, input]`.
    pub inputs: Vec<f32>,
    /// `[batch, output step, horizon × target]`.
    pub targets: Vec<f32>,
    /// The conversion of each target to the data's units: `[batch, target, SCALE_FIELDS]`.
    pub units: Vec<f32>,
    /// The weight of each window; empty if all weights are equal.
    pub weights: Vec<f32>,
    differences: DifferenceTargets,
    /// The numbers of one window in the network's scale, `[lookback + context + horizon, column]`.
    scaled: Vec<f32>,
    own: WindowScale,
}

impl Batcher {
    /// Gathers windows in the network's scale.
    pub fn gather(&mut self, prepared: &Prepared, output: Output, windows: impl Iterator<Item = Window>) {
        let (shape, layout) = (prepared.shape, &prepared.features.layout);
        let (width, lookback) = (layout.columns(), shape.lookback);
        let mut codes = Vec::with_capacity(layout.coded().len());
        self.inputs.clear();
        self.targets.clear();
        self.units.clear();
        self.weights.clear();
        self.scaled.resize((lookback + shape.points()) * width, 0.0);
        for window in windows {
            let view = WindowView::of(prepared, window, &mut self.own);
            let rows = window.start - lookback..window.start + shape.points();
            let mut numbers = NumberRows { numbers: &mut self.scaled, width };
            for column in 0..prepared.frame.columns.len() {
                let stream = &prepared.streams.model_input(&prepared.frame, column)[rows.clone()];
                prepared.values.write(column, view.scale.column(column), stream, &mut numbers);
            }
            for target in 0..prepared.targets {
                let TargetScale { factor, term, seasonal } = view.target_scale(target);
                self.units.extend([factor, term, seasonal].map(|number| number as f32));
            }
            codes.clear();
            codes.extend(prepared.features.codes(window.series, rows));
            let constants = prepared.features.constants(window.series);
            let begin = self.inputs.len();
            self.inputs.resize(begin + shape.context * layout.width(), 0.0);
            let rows = Rows { numbers: &self.scaled, codes: &codes, constants };
            layout.write(rows, lookback, &mut self.inputs[begin..]);
            let target_begin = self.targets.len();
            let steps = match output {
                Output::EveryStep => 0..shape.context,
                Output::LastStep => shape.context - 1..shape.context,
            };
            match prepared.values.differences() {
                Some(differences) => {
                    let view = WindowView::of(prepared, window, &mut self.own);
                    self.differences.push(&view, differences, steps, &mut self.targets);
                }
                None => steps.for_each(|step| self.push_targets(prepared, width, lookback + step + 1)),
            }
            self.forget_flat(prepared, window, target_begin);
            if let Some(recency) = prepared.recency {
                self.weights.push(weight(recency, prepared, window));
            }
        }
    }

    /// Makes the targets of a window unknown if the window is scaled by a context whose values are all equal.
    ///
    /// Such a context has no scale. Its targets may be thousands of times its made-up scale, and while the network's
    /// biases are 0, its state is 0 at every step, where the gradient of a layer norm explodes.
    fn forget_flat(&mut self, prepared: &Prepared, window: Window, begin: usize) {
        if !prepared.scaler.is_of_windows() || prepared.values.masked() == 0 {
            return;
        }
        let rows = window.start..window.start + prepared.shape.context;
        for target in 0..prepared.targets {
            let stream = &prepared.streams.model_input(&prepared.frame, target)[rows.clone()];
            let mut known = stream.iter().filter(|value| !value.is_nan());
            let first = known.next();
            if known.all(|value| Some(value) == first) {
                let targets = self.targets[begin..].iter_mut();
                targets.skip(target).step_by(prepared.targets).for_each(|place| *place = f32::NAN);
            }
        }
    }

    /// Appends the targets of a step, which start at a row of the window's numbers; NaN if unknown.
    fn push_targets(&mut self, prepared: &Prepared, width: usize, row: usize) {
        let ahead = &self.scaled[row * width..(row + prepared.shape.horizon) * width];
        if prepared.targets == width {
            self.targets.extend_from_slice(ahead);
            return;
        }
        let indicators = prepared.frame.columns.len();
        for row in ahead.chunks(width) {
            if prepared.values.masked() == 0 {
                self.targets.extend_from_slice(&row[..prepared.targets]);
            } else {
                let known = |target: usize| if row[indicators + target] == 0.0 { row[target] } else { f32::NAN };
                self.targets.extend((0..prepared.targets).map(known));
            }
        }
    }
}

/// The weight of a window's loss: it halves with each half-life between the end of the window and the end of the
/// training part.
fn weight(recency: Recency, prepared: &Prepared, window: Window) -> f32 {
    let series = &prepared.frame.series[window.series];
    let end = series.rows.start + prepared.parts[window.series].training.end;
    let age = end.saturating_sub(window.start + prepared.shape.points());
    (-(age as f64) / recency.half_life).exp2() as f32
}

/// The targets of a window whose network forecasts differences, and memory to compute them.
#[derive(Debug, Default)]
struct DifferenceTargets {
    levels: Vec<f64>,
    bases: Vec<f64>,
}

impl DifferenceTargets {
    /// Appends the targets of some steps, `[step, horizon × target]`.
    fn push(&mut self, view: &WindowView<'_>, differences: &Differences, steps: Range<usize>, targets: &mut Vec<f32>) {
        let (prepared, shape) = (view.prepared, view.prepared.shape);
        let (begin, of_step) = (targets.len(), shape.horizon * prepared.targets);
        targets.resize(begin + steps.len() * of_step, 0.0);
        let first = view.window.start - shape.lookback;
        for target in 0..prepared.targets {
            let levels = prepared.streams.transformed(&prepared.frame, target);
            self.levels.clear();
            self.levels.extend_from_slice(&levels[first..view.window.start + shape.context]);
            prepared.values.fill(&mut self.levels);
            for (step, places) in steps.clone().zip(targets[begin..].chunks_exact_mut(of_step)) {
                let known = &self.levels[..shape.lookback + step + 1];
                prepared.values.bases(differences, known, shape.horizon, &mut self.bases);
                let origin = prepared.values.origin_of(target, &view.scale, &self.bases);
                let ahead = &levels[view.window.start + step + 1..view.window.start + step + 1 + shape.horizon];
                let places = places.iter_mut().skip(target).step_by(prepared.targets);
                for (ahead, (place, &level)) in places.zip(ahead).enumerate() {
                    *place = origin.scaled(ahead, level) as f32;
                }
            }
        }
    }
}
