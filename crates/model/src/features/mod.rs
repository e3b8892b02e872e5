//! Which numbers a network reads at a step, and where each comes from.
//!
//! A step's inputs, in this order:
//! 1. the targets at the step, scaled;
//! 2. the past covariates at the step: a number scaled, a category as a one-hot block;
//! 3. where unknown values are masked, an indicator of each of the numbers above: 1 where it is unknown;
//! 4. the lags: for each lag, the targets so many points before the coming one;
//! 5. the future covariates of the next `future_window` points, column by column;
//! 6. the static covariates and, where asked for, the series itself, the same at every step;
//! 7. the calendar of the coming point.
//!
//! One-hot blocks are embedded by the network (`embedding.rs` in `gatecast-nn`). Training and forecasts
//! write inputs by the same code from the same kind of rows, so that they cannot part ways.

mod build;
mod calendar;
mod encode;

use crate::target_transform;
use gatecast_core::model::Encodings;
use gatecast_core::order::{CalendarFeature, DataSpec};
use gatecast_nn::network::Embedding;

use build::Builder;
pub use calendar::code as calendar_code;
pub use encode::{Features, MAX_CATEGORIES};

/// The most numbers a network may read at a step.
pub const MAX_INPUTS: usize = 16_384;

/// Which input comes from where. The same for all series and steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    slots: Vec<Slot>,
    width: usize,
    /// Scaled number columns, and the indicators of those that are masked behind them.
    columns: usize,
    /// Whether a step's inputs are one row of the number columns.
    plain: bool,
    coded: Vec<Coded>,
    embeddings: Vec<Embedding>,
}

/// A coded column: what its codes are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coded {
    /// A category column known up to the moment of the forecast.
    Past(String),
    /// One known ahead.
    Future(String),
    /// A category column with a value a series.
    Static(String),
    /// The series' key.
    Series,
    Calendar(CalendarFeature),
}

/// A run of inputs.
#[derive(Debug, Clone, PartialEq)]
struct Slot {
    /// The first of them.
    at: usize,
    /// Its row, counted from the step's.
    shift: isize,
    /// Rows it takes, one after another.
    rows: usize,
    source: Source,
}

#[derive(Debug, Clone, PartialEq)]
enum Source {
    /// A scaled number column.
    Number(usize),
    /// A number that belongs to the series.
    Constant(usize),
    /// A 1 at a code's place among so many.
    OneHot { coded: usize, count: usize },
    /// Sine and cosine of a code's place in a turn of so many.
    Cycle { coded: usize, turn: Vec<[f32; 2]> },
    /// The code itself.
    Flag(usize),
}

/// One series' points, as far as a layout reads them.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// In the network's scale, `[row, column]`.
    pub numbers: &'a [f32],
    /// A coded column each.
    pub codes: &'a [Codes<'a>],
    pub constants: &'a [f32],
}

/// The codes of one column for [`Rows`].
#[derive(Debug, Clone, Copy)]
pub enum Codes<'a> {
    Each(&'a [u16]),
    All(u16),
}

impl Codes<'_> {
    fn at(&self, row: usize) -> usize {
        match self {
            Self::Each(codes) => usize::from(codes[row]),
            Self::All(code) => usize::from(*code),
        }
    }
}

impl Layout {
    /// Of a resolved order and what training found in its columns.
    pub fn of(data: &DataSpec, encodings: &Encodings) -> Self {
        let columns = number_columns(data, encodings);
        let masked = target_transform::masked(data, &columns);
        let mut build = Builder::new(columns.len() + masked);
        let targets = data.targets.len();
        let mut number = 0;
        for _ in &data.targets {
            build.number(number, 0, 1);
            number += 1;
        }
        for name in &data.covariates.past {
            match encodings.categories.get(name) {
                Some(texts) => build.category(Coded::Past(name.clone()), name, texts.len(), 0, 1),
                None => {
                    build.number(number, 0, 1);
                    number += 1;
                }
            }
        }
        (0..masked).for_each(|column| build.number(columns.len() + column, 0, 1));
        for &lag in &data.lags {
            (0..targets).for_each(|target| build.number(target, 1 - lag as isize, 1));
        }
        let window = data.future_window;
        for name in &data.covariates.future {
            match encodings.categories.get(name) {
                Some(texts) => build.category(Coded::Future(name.clone()), name, texts.len(), 1, window),
                None => {
                    build.number(number, 1, window);
                    number += 1;
                }
            }
        }
        let mut constant = 0;
        for name in &data.covariates.fixed {
            match encodings.categories.get(name) {
                Some(texts) => build.category(Coded::Static(name.clone()), name, texts.len(), 0, 1),
                None => {
                    build.constant(constant);
                    constant += 1;
                }
            }
        }
        if data.covariates.series {
            let known = encodings.categories.get(SERIES).map_or(0, Vec::len);
            build.category(Coded::Series, SERIES, known, 0, 1);
        }
        for calendar in &data.calendar {
            build.calendar(calendar.feature(), calendar.form());
        }
        build.finish()
    }

    /// Numbers read at a step: the inputs of the network.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Numbers of a row: the scaled columns, then the indicators of those that are masked.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// What [`Rows::codes`] hold, in their order.
    pub fn coded(&self) -> &[Coded] {
        &self.coded
    }

    /// The tables of the one-hot blocks.
    pub fn embeddings(&self) -> &[Embedding] {
        &self.embeddings
    }

    /// Writes the inputs of the steps that begin at row `first`: `[step, input]`, over all of `out`.
    pub fn write(&self, rows: Rows<'_>, first: usize, out: &mut [f32]) {
        if self.plain {
            out.copy_from_slice(&rows.numbers[first * self.width..first * self.width + out.len()]);
            return;
        }
        for slot in &self.slots {
            let start = first.saturating_add_signed(slot.shift);
            for (step, inputs) in out.chunks_exact_mut(self.width).enumerate() {
                slot.write(rows, self.columns, start + step, &mut inputs[slot.at..]);
            }
        }
    }
}

impl Slot {
    fn write(&self, rows: Rows<'_>, columns: usize, row: usize, out: &mut [f32]) {
        for (place, row) in (row..row + self.rows).enumerate() {
            match &self.source {
                Source::Number(column) => out[place] = rows.numbers[row * columns + column],
                Source::Constant(constant) => out[place] = rows.constants[*constant],
                Source::Flag(coded) => out[place] = rows.codes[*coded].at(row) as f32,
                Source::OneHot { coded, count } => {
                    let block = &mut out[place * count..(place + 1) * count];
                    block.fill(0.0);
                    block[rows.codes[*coded].at(row)] = 1.0;
                }
                Source::Cycle { coded, turn } => {
                    out[2 * place..2 * place + 2].copy_from_slice(&turn[rows.codes[*coded].at(row)]);
                }
            }
        }
    }
}

/// Under this name stand the keys that training saw, where the series itself is an input.
pub const SERIES: &str = "series";

/// Columns to read for an order: targets, then past, future and static covariates.
pub fn input_columns(data: &DataSpec) -> Vec<String> {
    let covariates = &data.covariates;
    data.targets.iter().chain(&covariates.past).chain(&covariates.future).chain(&covariates.fixed).cloned().collect()
}

/// The columns that are scaled as series are: targets, then the past and future covariates that
/// are numbers.
pub fn number_columns(data: &DataSpec, encodings: &Encodings) -> Vec<String> {
    let covariates = data.covariates.past.iter().chain(&data.covariates.future);
    let numbers = covariates.filter(|&name| !encodings.categories.contains_key(name));
    data.targets.iter().chain(numbers).cloned().collect()
}

/// The number of times a network of this trained horizon runs for a forecast of `horizon` points.
pub fn runs(trained: usize, horizon: usize) -> usize {
    horizon.div_ceil(trained.max(1)).max(1)
}

/// The number of points ahead at which future covariates must be known for a forecast of `horizon` points: up to the end of
/// the window that the last run reads. 0 without future covariates.
pub fn points_ahead(data: &DataSpec, trained: usize, horizon: usize) -> usize {
    match data.future_window {
        0 => 0,
        window => (runs(trained, horizon) - 1) * trained + window,
    }
}
