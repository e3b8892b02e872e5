//! Points in memory, column by column, before and after sorting.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt32Type};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema};

use crate::error::IngestError;
use gatecast_core::dataset::ColumnKind;

/// The code of a category cell without a value.
pub(super) const NO_CATEGORY: u32 = u32::MAX;

/// What the points are sorted by: series, then time (or place, for data without times).
pub(super) type Key = (u32, i64);

/// Row `i` of all the vectors is one point.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Rows {
    pub(super) series: Vec<u32>,
    pub(super) times: Vec<i64>,
    /// The line of the upload that each point comes from, for messages; `u32::MAX` past that.
    pub(super) lines: Vec<u32>,
    pub(super) columns: Vec<Cells>,
}

/// One value column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cells {
    /// NaN where there is no value.
    Numbers(Vec<f64>),
    /// [`NO_CATEGORY`] where there is no value.
    Categories(Vec<u32>),
}

impl Cells {
    fn new(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Number => Self::Numbers(Vec::new()),
            ColumnKind::Category => Self::Categories(Vec::new()),
        }
    }

    fn extend_from(&mut self, other: &Self, range: Range<usize>) {
        match (self, other) {
            (Self::Numbers(to), Self::Numbers(from)) => to.extend_from_slice(from.get(range).unwrap_or_default()),
            (Self::Categories(to), Self::Categories(from)) => to.extend_from_slice(from.get(range).unwrap_or_default()),
            _ => unreachable!("all rows of one upload are made from one plan, so that their kinds agree"),
        }
    }

    fn gathered(&self, order: &[u32]) -> Self {
        fn pick<T: Copy>(values: &[T], order: &[u32]) -> Vec<T> {
            order.iter().filter_map(|&at| values.get(at as usize).copied()).collect()
        }
        match self {
            Self::Numbers(values) => Self::Numbers(pick(values, order)),
            Self::Categories(codes) => Self::Categories(pick(codes, order)),
        }
    }

    fn same(&self, at: usize, other: &Self, other_at: usize) -> bool {
        match (self, other) {
            (Self::Numbers(a), Self::Numbers(b)) => match (a.get(at), b.get(other_at)) {
                (Some(a), Some(b)) => a == b || a.is_nan() && b.is_nan(),
                _ => false,
            },
            (Self::Categories(a), Self::Categories(b)) => a.get(at) == b.get(other_at),
            _ => false,
        }
    }

    fn truncate(&mut self, length: usize) {
        match self {
            Self::Numbers(values) => values.truncate(length),
            Self::Categories(codes) => codes.truncate(length),
        }
    }

    fn field(&self, at: usize) -> Field {
        let kind = if matches!(self, Self::Numbers(_)) { DataType::Float64 } else { DataType::UInt32 };
        Field::new(format!("column {at}"), kind, false)
    }

    fn array(&self, range: Range<usize>) -> ArrayRef {
        match self {
            Self::Numbers(values) => {
                Arc::new(Float64Array::from_iter_values(values.get(range).unwrap_or_default().iter().copied()))
            }
            Self::Categories(codes) => {
                Arc::new(UInt32Array::from_iter_values(codes.get(range).unwrap_or_default().iter().copied()))
            }
        }
    }
}

impl Rows {
    pub(super) fn new(kinds: impl IntoIterator<Item = ColumnKind>) -> Self {
        Self { columns: kinds.into_iter().map(Cells::new).collect(), ..Self::default() }
    }

    /// No rows, with the same columns.
    pub(super) fn empty_like(&self) -> Self {
        let kind = |cells: &Cells| match cells {
            Cells::Numbers(_) => ColumnKind::Number,
            Cells::Categories(_) => ColumnKind::Category,
        };
        Self::new(self.columns.iter().map(kind))
    }

    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    /// Bytes that one row takes in memory.
    pub(super) fn row_bytes(&self) -> usize {
        let cell = |cells: &Cells| if matches!(cells, Cells::Numbers(_)) { 8 } else { 4 };
        16 + self.columns.iter().map(cell).sum::<usize>()
    }

    pub(super) fn key(&self, at: usize) -> Option<Key> {
        Some((*self.series.get(at)?, *self.times.get(at)?))
    }

    pub(super) fn first_key(&self) -> Option<Key> {
        self.key(0)
    }

    /// Whether row `at` here and row `other_at` there hold the same values.
    pub(super) fn same_values(&self, at: usize, other: &Self, other_at: usize) -> bool {
        self.columns.iter().zip(&other.columns).all(|(a, b)| a.same(at, b, other_at))
    }

    pub(super) fn extend_from(&mut self, other: &Self, range: Range<usize>) {
        self.series.extend_from_slice(other.series.get(range.clone()).unwrap_or_default());
        self.times.extend_from_slice(other.times.get(range.clone()).unwrap_or_default());
        self.lines.extend_from_slice(other.lines.get(range.clone()).unwrap_or_default());
        for (to, from) in self.columns.iter_mut().zip(&other.columns) {
            to.extend_from(from, range.clone());
        }
    }

    pub(super) fn reserve(&mut self, rows: usize) {
        self.series.reserve(rows);
        self.times.reserve(rows);
        self.lines.reserve(rows);
        self.columns.iter_mut().for_each(|cells| match cells {
            Cells::Numbers(values) => values.reserve(rows),
            Cells::Categories(codes) => codes.reserve(rows),
        });
    }

    /// Appends a point without values.
    pub(super) fn push_unknown(&mut self, series: u32, time: i64) {
        self.series.push(series);
        self.times.push(time);
        self.lines.push(u32::MAX);
        self.columns.iter_mut().for_each(|cells| match cells {
            Cells::Numbers(values) => values.push(f64::NAN),
            Cells::Categories(codes) => codes.push(NO_CATEGORY),
        });
    }

    /// Whether row `at` has no number in its first column.
    pub(super) fn is_blank(&self, at: usize) -> bool {
        match self.columns.first() {
            Some(Cells::Numbers(values)) => values.get(at).is_some_and(|value| value.is_nan()),
            _ => false,
        }
    }

    pub(super) fn pop(&mut self) {
        let length = self.len().saturating_sub(1);
        self.series.truncate(length);
        self.times.truncate(length);
        self.lines.truncate(length);
        self.columns.iter_mut().for_each(|cells| cells.truncate(length));
    }

    /// Keeps the columns at the given places alone.
    pub(super) fn project(mut self, kept: &[usize]) -> Self {
        let mut at = 0;
        self.columns.retain(|_| {
            at += 1;
            kept.contains(&(at - 1))
        });
        self
    }

    /// In order of their keys; rows of one key stay in the order they came in.
    pub(super) fn sorted(self) -> Self {
        let keys = || self.series.iter().zip(&self.times);
        if keys().is_sorted() {
            return self;
        }
        // Series, time and place in one number: sorted without a look aside, and stable.
        let mut packed: Vec<u128> = keys().enumerate().map(|(at, (&series, &time))| pack(series, time, at)).collect();
        packed.sort_unstable();
        let order: Vec<u32> = packed.into_iter().map(|packed| packed as u32).collect();
        let pick = |values: &[u32]| order.iter().filter_map(|&at| values.get(at as usize).copied()).collect();
        Self {
            series: pick(&self.series),
            times: order.iter().filter_map(|&at| self.times.get(at as usize).copied()).collect(),
            lines: pick(&self.lines),
            columns: self.columns.iter().map(|cells| cells.gathered(&order)).collect(),
        }
    }

    pub(super) fn schema(&self) -> Schema {
        let mut fields = vec![
            Field::new("series", DataType::UInt32, false),
            Field::new("time", DataType::Int64, false),
            Field::new("line", DataType::UInt32, false),
        ];
        fields.extend(self.columns.iter().enumerate().map(|(at, cells)| cells.field(at)));
        Schema::new(fields)
    }

    /// Some rows, as they are spilled.
    pub(super) fn batch(&self, schema: &Arc<Schema>, range: Range<usize>) -> Result<RecordBatch, IngestError> {
        let numbers = |values: &[u32]| -> ArrayRef {
            Arc::new(UInt32Array::from_iter_values(values.get(range.clone()).unwrap_or_default().iter().copied()))
        };
        let times = self.times.get(range.clone()).unwrap_or_default();
        let mut arrays: Vec<ArrayRef> = vec![
            numbers(&self.series),
            Arc::new(Int64Array::from_iter_values(times.iter().copied())),
            numbers(&self.lines),
        ];
        arrays.extend(self.columns.iter().map(|cells| cells.array(range.clone())));
        RecordBatch::try_new(Arc::clone(schema), arrays).map_err(IngestError::machine)
    }

    /// Spilled rows, back in memory.
    pub(super) fn from_batch(batch: &RecordBatch) -> Result<Self, IngestError> {
        let lost = || IngestError::machine("a spilled run is damaged");
        let numbers = |at: usize| {
            let column = batch.columns().get(at).and_then(|column| column.as_primitive_opt::<UInt32Type>());
            column.map(|numbers| numbers.values().to_vec()).ok_or_else(lost)
        };
        let times = batch.columns().get(1).and_then(|column| column.as_primitive_opt::<Int64Type>());
        let mut rows = Self {
            series: numbers(0)?,
            times: times.ok_or_else(lost)?.values().to_vec(),
            lines: numbers(2)?,
            columns: Vec::new(),
        };
        for (at, column) in batch.columns().iter().enumerate().skip(3) {
            rows.columns.push(match column.as_primitive_opt::<Float64Type>() {
                Some(values) => Cells::Numbers(values.values().to_vec()),
                None => Cells::Categories(numbers(at)?),
            });
        }
        Ok(rows)
    }
}

fn pack(series: u32, time: i64, at: usize) -> u128 {
    // Flipping the sign bit puts negative times before positive ones.
    let time = (time as u64) ^ (1 << 63);
    (u128::from(series) << 96) | (u128::from(time) << 32) | (at as u32 as u128)
}
