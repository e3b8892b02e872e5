//! A dataset in memory, as training reads it.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use super::error::ReadError;
use super::series::whole_index;
use super::stored::{Stored, corrupt};
use crate::domain::frequency::Frequency;

/// Some columns of a dataset, all series one after another.
///
/// Row `i` of every column and of `times` belongs to the same point; a series is a run of rows in
/// time order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    pub series: Vec<FrameSeries>,
    /// Microseconds since 1970 UTC; absent for data without times.
    pub times: Option<Vec<i64>>,
    pub columns: Vec<FrameColumn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameSeries {
    pub key: String,
    pub rows: std::ops::Range<usize>,
    /// The step of the even grid its times stand on; absent without times, for a single point, or
    /// where no step fits.
    pub frequency: Option<Frequency>,
}

/// A number column; NaN where a point has no value.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameColumn {
    pub name: String,
    pub values: Vec<f64>,
}

impl Frame {
    /// Reads the named number columns, in that order, of all series.
    pub fn read(points: &Path, index: &Path, columns: &[String]) -> Result<Self, ReadError> {
        let stored = Stored::open(points)?;
        let rows = stored.rows();
        let series = frame_series(index, rows)?;
        let has_times = stored.has_times();
        let mut wanted = Vec::with_capacity(columns.len());
        for name in columns {
            let at = stored.value_column(name)?;
            if stored.schema().field(at).data_type() != &DataType::Float64 {
                return Err(ReadError::NotNumbers(name.clone()));
            }
            wanted.push(at);
        }
        // A reader gives each column once and in file order, whatever the order asked for.
        let mut read: Vec<usize> = wanted.iter().copied().chain(has_times.then_some(1)).collect();
        read.sort_unstable();
        read.dedup();

        // Nothing is reserved by the row count a damaged footer may claim.
        let mut frame = Self { series, times: has_times.then(Vec::new), columns: Vec::new() };
        frame.columns.extend(columns.iter().map(|name| FrameColumn { name: name.clone(), values: Vec::new() }));
        for batch in stored.read(&read, 0..rows)? {
            let batch = batch?;
            if let Some(times) = &mut frame.times {
                times.extend_from_slice(batch_times(&batch, 0)?);
            }
            for (column, at) in frame.columns.iter_mut().zip(&wanted) {
                let place = read.binary_search(at).map_err(|_| corrupt("a column is missing"))?;
                extend_numbers(&mut column.values, &batch, place)?;
            }
        }
        let whole = |length: usize| length as u64 == rows;
        if !frame.columns.iter().all(|column| whole(column.values.len())) {
            return Err(corrupt("a column ends early"));
        }
        Ok(frame)
    }
}

fn frame_series(index: &Path, rows: u64) -> Result<Vec<FrameSeries>, ReadError> {
    let mut series = Vec::new();
    let mut next = 0_usize;
    for located in whole_index(index)? {
        let end = usize::try_from(located.summary.points).ok().and_then(|points| next.checked_add(points));
        let end = end.ok_or_else(|| corrupt("a series has too many points"))?;
        if located.first_row != next as u64 {
            return Err(corrupt("the index does not fit the points"));
        }
        series.push(FrameSeries { key: located.summary.key, rows: next..end, frequency: located.summary.frequency });
        next = end;
    }
    if next as u64 != rows {
        return Err(corrupt("the index does not fit the points"));
    }
    Ok(series)
}

/// The times in microseconds in column `at` of a batch.
pub(super) fn batch_times(batch: &RecordBatch, at: usize) -> Result<&[i64], ReadError> {
    let column = batch.columns().get(at).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let times = column.filter(|times| times.null_count() == 0).ok_or_else(|| corrupt("its times are not times"))?;
    Ok(times.values())
}

/// Appends column `at` of a batch, NaN for null.
pub(super) fn extend_numbers(values: &mut Vec<f64>, batch: &RecordBatch, at: usize) -> Result<(), ReadError> {
    let column = batch.columns().get(at).and_then(|column| column.as_primitive_opt::<Float64Type>());
    let numbers = column.ok_or_else(|| corrupt("a number column holds no numbers"))?;
    if numbers.null_count() == 0 {
        values.extend_from_slice(numbers.values());
    } else {
        values.extend(numbers.iter().map(|number| number.unwrap_or(f64::NAN)));
    }
    Ok(())
}
