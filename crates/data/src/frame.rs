//! A dataset in memory, as training reads it.

use std::collections::HashMap;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::DataType;

use super::error::ReadError;
use super::series_index::SeriesIndex;
use super::stored::{Stored, corrupt};
use gatecast_core::frequency::Frequency;

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
    pub categories: Vec<FrameCategories>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameSeries {
    pub key: String,
    pub rows: std::ops::Range<usize>,
    /// The step of its even time grid; absent without times, for a single point, or
    /// where no step fits.
    pub frequency: Option<Frequency>,
}

/// A number column; NaN where a point has no value.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameColumn {
    pub name: String,
    pub values: Vec<f64>,
}

/// A category column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrameCategories {
    pub name: String,
    /// For each row its position in `texts`, or [`FrameCategories::MISSING`].
    pub codes: Vec<u32>,
    pub texts: Vec<String>,
}

impl FrameCategories {
    /// Where a point has no value.
    pub const MISSING: u32 = u32::MAX;
}

impl Frame {
    /// Reads the named columns of all series: the numbers and the categories, each in that order.
    pub fn read(points: &Path, index: &Path, columns: &[String]) -> Result<Self, ReadError> {
        let stored = Stored::open(points)?;
        let rows = stored.rows();
        let series = frame_series(index, &stored)?;
        let has_times = stored.has_times();
        let mut wanted = Vec::with_capacity(columns.len());
        let mut frame = Self { series, times: has_times.then(Vec::new), ..Self::default() };
        for name in columns {
            let at = stored.value_column(name)?;
            wanted.push(at);
            match stored.schema().field(at).data_type() {
                // Nothing is reserved by the row count a damaged footer may claim.
                DataType::Float64 => frame.columns.push(FrameColumn { name: name.clone(), values: Vec::new() }),
                _ => frame.categories.push(FrameCategories { name: name.clone(), ..FrameCategories::default() }),
            }
        }
        // A reader gives each column once and in file order, whatever the order asked for.
        let mut read: Vec<usize> = wanted.iter().copied().chain(has_times.then_some(1)).collect();
        read.sort_unstable();
        read.dedup();

        let mut texts = vec![HashMap::new(); frame.categories.len()];
        let numbers: Vec<usize> =
            wanted.iter().copied().filter(|&at| stored.schema().field(at).data_type() == &DataType::Float64).collect();
        let is_number = |at: &usize| numbers.contains(at);
        for batch in stored.read(&read, 0..rows)? {
            let batch = batch?;
            if let Some(times) = &mut frame.times {
                times.extend_from_slice(batch_times(&batch, 0)?);
            }
            let (mut numbers, mut categories) = (frame.columns.iter_mut(), frame.categories.iter_mut().zip(&mut texts));
            for at in &wanted {
                let place = read.binary_search(at).map_err(|_| corrupt("a column is missing"))?;
                if is_number(at) {
                    let column = numbers.next().ok_or_else(|| corrupt("a column is missing"))?;
                    extend_numbers(&mut column.values, &batch, place)?;
                } else {
                    let (column, places) = categories.next().ok_or_else(|| corrupt("a column is missing"))?;
                    extend_categories(column, places, &batch, place)?;
                }
            }
        }
        let whole = |length: usize| length as u64 == rows;
        let lengths = frame.columns.iter().map(|column| column.values.len());
        if !lengths.chain(frame.categories.iter().map(|column| column.codes.len())).all(whole) {
            return Err(corrupt("a column ends early"));
        }
        Ok(frame)
    }
}

fn frame_series(index: &Path, points: &Stored) -> Result<Vec<FrameSeries>, ReadError> {
    let index = SeriesIndex::read(index)?;
    index.check_points(points)?;
    let mut series = Vec::with_capacity(index.len());
    for located in index.iter() {
        let located = located?;
        let rows = located.rows(&(0..located.summary.points), points.rows())?;
        let place = |row: u64| usize::try_from(row).map_err(|_| corrupt("a series has too many points"));
        let rows = place(rows.start)?..place(rows.end)?;
        series.push(FrameSeries { key: located.summary.key, rows, frequency: located.summary.frequency });
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

/// Appends column `at` of a batch; `places` has the position of each text among the column's.
fn extend_categories(
    column: &mut FrameCategories,
    places: &mut HashMap<String, u32>,
    batch: &RecordBatch,
    at: usize,
) -> Result<(), ReadError> {
    let codes = batch.columns().get(at).and_then(|column| column.as_dictionary_opt::<Int32Type>());
    let texts = codes.and_then(|codes| codes.downcast_dict::<StringArray>());
    for text in texts.ok_or_else(|| corrupt("a category column holds no texts"))? {
        column.codes.push(match text {
            None => FrameCategories::MISSING,
            Some(text) => match places.get(text) {
                Some(&place) => place,
                None => {
                    let place = u32::try_from(column.texts.len()).map_err(|_| corrupt("it has too many categories"))?;
                    column.texts.push(text.to_owned());
                    places.insert(text.to_owned(), place);
                    place
                }
            },
        });
    }
    Ok(())
}
