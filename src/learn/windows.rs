//! Windows: found by number and gathered as they are asked for, never laid out whole.

use std::ops::Range;

use super::features::Rows;
use super::prepare::Prepared;
use super::scaling::{OwnScale, Scale};
use super::split::Parts;
use super::spread::unit;
use crate::domain::order::Output;
use crate::nn::loss::Unit;

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
    /// A row of the frame.
    pub start: usize,
    /// The first step of the context whose targets all lie in the window's part.
    pub first_step: usize,
}

/// All windows of one part, series after series, each series' in time order.
#[derive(Debug, Default)]
pub struct Windows {
    runs: Vec<Run>,
    count: u64,
}

/// The windows of one series.
#[derive(Debug)]
struct Run {
    series: usize,
    /// The number of its first window.
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

    /// The window of a number below [`Windows::len`].
    pub fn get(&self, number: u64) -> Option<Window> {
        let at = self.runs.partition_point(|run| run.first <= number).checked_sub(1)?;
        let run = self.runs.get(at).filter(|_| number < self.count)?;
        let start = run.start + (number - run.first) as usize * run.stride;
        Some(Window { series: run.series, start, first_step: run.part.saturating_sub(start + 1) })
    }
}

/// Where windows of a part may start, within the series, and how far apart.
fn starts(parts: &Parts, part: PartName, prepared: &Prepared) -> (Range<usize>, usize) {
    let shape = prepared.shape;
    let held_out = |range: &Range<usize>| {
        // The last step's targets are the `horizon` points right behind the context.
        let first = range.start.saturating_sub(shape.context).max(shape.reach);
        let first = if range.is_empty() { range.end } else { first };
        (first..(range.end + 1).saturating_sub(shape.points()), 1)
    };
    match part {
        PartName::Training => {
            let range = &parts.training;
            (range.start + shape.reach..(range.end + 1).saturating_sub(shape.points()), shape.stride)
        }
        PartName::Validation => held_out(&parts.validation),
        PartName::Test => held_out(&parts.test),
    }
}

/// The rows, columns and scale behind one window.
#[derive(Debug)]
pub struct View<'a> {
    pub window: Window,
    pub scale: Scale<'a>,
    prepared: &'a Prepared,
}

impl<'a> View<'a> {
    /// `own` is room for the scale of a series that the scaler does not know.
    pub fn of(prepared: &'a Prepared, window: Window, own: &'a mut OwnScale) -> Self {
        let key = prepared.frame.series.get(window.series).map(|series| series.key.as_str());
        let scale = match key.and_then(|key| prepared.scaler.for_series(Some(key))) {
            Some(scale) => scale,
            None => {
                let rows = window.start..window.start + prepared.shape.context;
                prepared.scaler.refit(own, prepared.frame.columns.iter().map(|column| &column.values[rows.clone()]))
            }
        };
        Self { window, scale, prepared }
    }

    /// What the network reads of a column, in the data's units: `[step]`.
    pub fn context(&self, column: usize) -> &'a [f64] {
        self.rows(column, 0..self.prepared.shape.context)
    }

    /// What the last step should forecast of a target, in the data's units: `[step ahead]`.
    pub fn future(&self, target: usize) -> &'a [f64] {
        self.rows(target, self.prepared.shape.context..self.prepared.shape.points())
    }

    fn rows(&self, column: usize, steps: Range<usize>) -> &'a [f64] {
        let rows = self.window.start + steps.start..self.window.start + steps.end;
        &self.prepared.frame.columns[column].values[rows]
    }
}

/// Memory for one batch, used again for the next.
#[derive(Debug, Default)]
pub struct Batcher {
    /// `[batch, step, input]`.
    pub inputs: Vec<f32>,
    /// `[batch, output step, horizon × target]`.
    pub targets: Vec<f32>,
    /// What brings targets to the data's units: `[batch, target, UNITS]`.
    pub units: Vec<f32>,
    /// The numbers of one window in the network's scale, `[reach + context + horizon, column]`.
    scaled: Vec<f32>,
    own: OwnScale,
}

impl Batcher {
    /// Gathers windows in the network's scale.
    pub fn gather(&mut self, prepared: &Prepared, output: Output, windows: impl Iterator<Item = Window>) {
        let (shape, layout) = (prepared.shape, &prepared.features.layout);
        let (width, reach) = (layout.columns(), shape.reach);
        let mut codes = Vec::with_capacity(layout.coded().len());
        self.inputs.clear();
        self.targets.clear();
        self.units.clear();
        self.scaled.resize((reach + shape.points()) * width, 0.0);
        for window in windows {
            let view = View::of(prepared, window, &mut self.own);
            let rows = window.start - reach..window.start + shape.points();
            for column in 0..width {
                let (mean, std) = view.scale.column(column);
                let values = &prepared.frame.columns[column].values[rows.clone()];
                let scaled = self.scaled.iter_mut().skip(column).step_by(width);
                scaled.zip(values).for_each(|(scaled, value)| *scaled = ((value - mean) / std) as f32);
            }
            for target in 0..prepared.targets {
                let Unit { factor, term, seasonal } = unit(prepared, &view, target);
                self.units.extend([factor, term, seasonal].map(|number| number as f32));
            }
            codes.clear();
            codes.extend(prepared.features.codes(window.series, rows));
            let constants = prepared.features.constants(window.series);
            let begin = self.inputs.len();
            self.inputs.resize(begin + shape.context * layout.width(), 0.0);
            let rows = Rows { numbers: &self.scaled, codes: &codes, constants };
            layout.write(rows, reach, &mut self.inputs[begin..]);
            let ahead_of = |step: usize| (reach + step + 1) * width..(reach + step + 1 + shape.horizon) * width;
            let steps = match output {
                Output::EveryStep => 0..shape.context,
                Output::LastStep => shape.context - 1..shape.context,
            };
            for step in steps {
                let ahead = &self.scaled[ahead_of(step)];
                if prepared.targets == width {
                    self.targets.extend_from_slice(ahead);
                } else {
                    ahead.chunks(width).for_each(|row| self.targets.extend_from_slice(&row[..prepared.targets]));
                }
            }
        }
    }
}
