//! The inputs that a network reads at each step, and the source of each one.
//!
//! The inputs of a step are, in this order:
//! 1. the scaled targets at the step;
//! 2. the past covariates at the step: a scaled number, or a one-hot block for a category;
//! 3. if unknown values are masked, an indicator for each of the numbers above: 1 if it is unknown;
//! 4. the lags: for each lag, the targets that many points before the next point;
//! 5. the future covariates of the next `future_window` points, column by column;
//! 6. the static covariates and, if requested, the series itself, which are the same at every step;
//! 7. the calendar of the next point.
//!
//! The network embeds one-hot blocks (`embedding.rs` in `gatecast-nn`). Training and forecasts write inputs with the same
//! code and from the same kind of rows, so they cannot differ.

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

/// The largest number of inputs per step.
pub const MAX_INPUTS: usize = 16_384;

/// The source of each input. It is the same for all series and steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    slots: Vec<Slot>,
    width: usize,
    /// The number of scaled number columns plus the indicators of the masked ones, which follow them.
    columns: usize,
    /// Whether the inputs of a step are exactly one row of the number columns.
    plain: bool,
    coded: Vec<Coded>,
    embeddings: Vec<Embedding>,
}

/// The source of a coded column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coded {
    /// A category column that is known up to the forecast's origin.
    Past(String),
    /// A category column that is known ahead.
    Future(String),
    /// A category column with one value per series.
    Static(String),
    /// The series' key.
    Series,
    Calendar(CalendarFeature),
}

/// A contiguous range of inputs.
#[derive(Debug, Clone, PartialEq)]
struct Slot {
    /// The index of the first input.
    at: usize,
    /// The row it reads, relative to the step's row.
    shift: isize,
    /// The number of consecutive rows it reads.
    rows: usize,
    source: Source,
}

#[derive(Debug, Clone, PartialEq)]
enum Source {
    /// A scaled number column.
    Number(usize),
    /// A number that belongs to the series.
    Constant(usize),
    /// `count` inputs: 1 at the index of the code, 0 elsewhere.
    OneHot { coded: usize, count: usize },
    /// The sine and cosine of the code's angle; `turn` has one pair per code.
    Cycle { coded: usize, turn: Vec<[f32; 2]> },
    /// The code itself.
    Flag(usize),
}

/// The points of one series that a layout reads.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// In the network's scale, `[row, column]`.
    pub numbers: &'a [f32],
    /// One entry per coded column.
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
    /// The layout for a resolved spec and the encodings found in training.
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

    /// The number of inputs per step.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The width of a row: the scaled columns, then the indicators of the masked ones.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The source of each entry of [`Rows::codes`].
    pub fn coded(&self) -> &[Coded] {
        &self.coded
    }

    /// The embedding tables of the one-hot blocks.
    pub fn embeddings(&self) -> &[Embedding] {
        &self.embeddings
    }

    /// Writes the inputs of consecutive steps to `out`, `[step, input]`, starting with the step at row `first`. `out`
    /// is overwritten completely.
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

/// The name of the encoding of series keys, for networks that read the series itself.
pub const SERIES: &str = "series";

/// The columns that a spec reads: targets, then past, future and static covariates.
pub fn input_columns(data: &DataSpec) -> Vec<String> {
    let covariates = &data.covariates;
    data.targets.iter().chain(&covariates.past).chain(&covariates.future).chain(&covariates.fixed).cloned().collect()
}

/// The columns that are scaled as time series: targets, then the numeric past and future covariates.
pub fn number_columns(data: &DataSpec, encodings: &Encodings) -> Vec<String> {
    let covariates = data.covariates.past.iter().chain(&data.covariates.future);
    let numbers = covariates.filter(|&name| !encodings.categories.contains_key(name));
    data.targets.iter().chain(numbers).cloned().collect()
}

/// The number of times that a network trained for `trained` points runs to forecast `horizon` points.
pub fn runs(trained: usize, horizon: usize) -> usize {
    horizon.div_ceil(trained.max(1)).max(1)
}

/// The number of points ahead for which future covariates must be known to forecast `horizon` points: up to the end
/// of the window that the last run reads. 0 without future covariates.
pub fn points_ahead(data: &DataSpec, trained: usize, horizon: usize) -> usize {
    match data.future_window {
        0 => 0,
        window => (runs(trained, horizon) - 1) * trained + window,
    }
}
