//! Single series of a stored dataset: listed, found, and their values read without the rest.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use jiff::Timestamp;

use super::downsample;
use super::error::ReadError;
use super::frame::{batch_times, extend_numbers};
use super::stored::{INDEX_COLUMNS, Stored, corrupt};
use gatecast_core::dataset::SeriesSummary;

/// A series and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// Its place among the series, from 0.
    pub position: u64,
    /// Of the points file.
    pub first_row: u64,
    pub summary: SeriesSummary,
}

/// Which values of a series to read.
#[derive(Debug, Clone, Copy)]
pub struct ValuesQuery<'a> {
    pub key: &'a str,
    /// Value columns, in the order wanted; empty for all.
    pub columns: &'a [String],
    pub window: PointWindow,
    /// For plots: at most so many points, chosen to keep the shape of every number column read.
    pub thin: Option<usize>,
}

/// A run of a series' points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointWindow {
    All,
    /// Past the end there is nothing, which is no error.
    From {
        offset: u64,
        limit: u64,
    },
    Last(u64),
}

/// Points of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesValues {
    pub series: Located,
    /// The place of each point within the series, from 0.
    pub positions: Vec<u64>,
    /// Microseconds since 1970 UTC; absent for data without times.
    pub times: Option<Vec<i64>>,
    pub columns: Vec<SeriesColumn>,
}

/// One value column of the points read.
#[derive(Debug, Clone, PartialEq)]
pub enum SeriesColumn {
    /// NaN where a point has no value.
    Numbers {
        name: String,
        values: Vec<f64>,
    },
    Categories {
        name: String,
        values: Vec<Option<String>>,
    },
}

/// The series after place `after` (from the first where `None`), at most `limit`, and the `after`
/// of the next page, if there is one.
pub fn series_page(index: &Path, after: Option<u64>, limit: usize) -> Result<(Vec<Located>, Option<u64>), ReadError> {
    let stored = Stored::open(index)?;
    let total = stored.rows();
    let start = after.map_or(0, |after| after.saturating_add(1)).min(total);
    let end = start.saturating_add(limit as u64).min(total);
    let page = located(stored, start..end)?;
    Ok((page, (end < total && end > start).then(|| end - 1)))
}

/// The series with the given keys, `None` for each that the dataset does not have.
pub fn find_series(index: &Path, keys: &[&str]) -> Result<Vec<Option<Located>>, ReadError> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::with_capacity(keys.len());
    for (at, &key) in keys.iter().enumerate() {
        places.entry(key).or_default().push(at);
    }
    let mut found = vec![None; keys.len()];
    let stored = Stored::open(index)?;
    let total = stored.rows();
    let mut row = 0_u64;
    let mut hits: Vec<u64> = Vec::new();
    'scan: for batch in stored.read(&[0], 0..total)? {
        let batch = batch?;
        let column = texts(&batch, 0)?;
        for key in column.iter().flatten() {
            if places.contains_key(key) {
                hits.push(row);
                if hits.len() == places.len() {
                    break 'scan;
                }
            }
            row += 1;
        }
    }
    if hits.is_empty() {
        return Ok(found);
    }
    let all: Vec<usize> = (0..INDEX_COLUMNS.len()).collect();
    let mut position = hits.iter().copied();
    for batch in Stored::open(index)?.pick(&all, &hits)? {
        for series in rows_of(&batch?, || position.next().unwrap_or_default())? {
            for &at in places.get(series.summary.key.as_str()).into_iter().flatten() {
                if let Some(place) = found.get_mut(at) {
                    *place = Some(series.clone());
                }
            }
        }
    }
    Ok(found)
}

/// Values of one series; only the row groups that hold it are read.
pub fn series_values(points: &Path, index: &Path, query: &ValuesQuery<'_>) -> Result<SeriesValues, ReadError> {
    let mut found = find_series(index, &[query.key])?;
    let series = found.pop().flatten().ok_or_else(|| ReadError::NoSeries(query.key.to_owned()))?;
    values_of(points, series, query)
}

/// The same for a series that is found already; `query.key` is not looked at.
pub fn values_of(points: &Path, series: Located, query: &ValuesQuery<'_>) -> Result<SeriesValues, ReadError> {
    let stored = Stored::open(points)?;
    let window = resolve(query.window, series.summary.points);
    let rows = shift(&window, series.first_row, stored.rows())?;
    let wanted = wanted_columns(&stored, query.columns)?;
    let has_times = stored.has_times();
    let mut read: Vec<usize> = wanted.iter().copied().chain(has_times.then_some(1)).collect();
    read.sort_unstable();
    read.dedup();

    let mut values = SeriesValues {
        columns: wanted.iter().map(|&at| empty_column(&stored, at)).collect(),
        times: has_times.then(Vec::new),
        positions: Vec::new(),
        series,
    };
    let count = window.end - window.start;
    let batches = match query.thin {
        Some(most) if (most as u64) < count => {
            let numbers: Vec<usize> = wanted
                .iter()
                .copied()
                .filter(|&at| stored.schema().field(at).data_type() == &DataType::Float64)
                .collect();
            let kept = downsample::keep(Stored::open(points)?, &numbers, rows.clone(), most)?;
            values.positions.extend(kept.iter().map(|row| row - values.series.first_row));
            if kept.is_empty() {
                return Ok(values);
            }
            stored.pick(&read, &kept)?
        }
        _ => {
            values.positions.extend(window);
            stored.read(&read, rows)?
        }
    };
    for batch in batches {
        let batch = batch?;
        if let Some(times) = &mut values.times {
            times.extend_from_slice(batch_times(&batch, 0)?);
        }
        for (column, at) in values.columns.iter_mut().zip(&wanted) {
            let place = read.binary_search(at).map_err(|_| corrupt("a column is missing"))?;
            extend(column, &batch, place)?;
        }
    }
    Ok(values)
}

/// The whole index, in the order of the points.
pub(super) fn whole_index(index: &Path) -> Result<Vec<Located>, ReadError> {
    let stored = Stored::open(index)?;
    let total = stored.rows();
    located(stored, 0..total)
}

fn located(stored: Stored, rows: Range<u64>) -> Result<Vec<Located>, ReadError> {
    let all: Vec<usize> = (0..INDEX_COLUMNS.len()).collect();
    let mut position = rows.clone();
    let mut found = Vec::new();
    if rows.is_empty() {
        return Ok(found);
    }
    for batch in stored.read(&all, rows)? {
        found.extend(rows_of(&batch?, || position.next().unwrap_or_default())?);
    }
    Ok(found)
}

fn rows_of(batch: &RecordBatch, mut position: impl FnMut() -> u64) -> Result<Vec<Located>, ReadError> {
    let keys = texts(batch, 0)?;
    let numbers = |at: usize| {
        let column = batch.columns().get(at).and_then(|column| column.as_primitive_opt::<UInt64Type>());
        column.ok_or_else(|| corrupt("the index lacks a column"))
    };
    let times = |at: usize| {
        let column = batch.columns().get(at).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        column.ok_or_else(|| corrupt("the index lacks a column"))
    };
    let (first_row, points, gaps) = (numbers(1)?, numbers(2)?, numbers(6)?);
    let (start, end, frequency) = (times(3)?, times(4)?, texts(batch, 5)?);
    (0..batch.num_rows())
        .map(|row| {
            let moment = |of: &arrow_array::PrimitiveArray<TimestampMicrosecondType>| {
                let at = of.is_valid(row).then(|| Timestamp::from_microsecond(of.value(row)));
                at.transpose().map_err(|_| corrupt("the index holds an impossible time"))
            };
            let frequency = frequency.is_valid(row).then(|| frequency.value(row).parse());
            Ok(Located {
                position: position(),
                first_row: first_row.value(row),
                summary: SeriesSummary {
                    key: keys.value(row).to_owned(),
                    points: points.value(row),
                    start: moment(start)?,
                    end: moment(end)?,
                    frequency: frequency.transpose().map_err(|_| corrupt("the index holds an impossible frequency"))?,
                    gaps: gaps.value(row),
                },
            })
        })
        .collect()
}

fn texts(batch: &RecordBatch, at: usize) -> Result<&StringArray, ReadError> {
    let column = batch.columns().get(at).and_then(|column| column.as_string_opt::<i32>());
    column.ok_or_else(|| corrupt("the index lacks a column"))
}

fn resolve(window: PointWindow, points: u64) -> Range<u64> {
    match window {
        PointWindow::All => 0..points,
        PointWindow::From { offset, limit } => offset.min(points)..offset.saturating_add(limit).min(points),
        PointWindow::Last(count) => points - count.min(points)..points,
    }
}

fn shift(window: &Range<u64>, first_row: u64, rows: u64) -> Result<Range<u64>, ReadError> {
    let start = first_row.checked_add(window.start);
    let end = first_row.checked_add(window.end).filter(|&end| end <= rows);
    match (start, end) {
        (Some(start), Some(end)) => Ok(start..end),
        _ => Err(corrupt("the index does not fit the points")),
    }
}

fn wanted_columns(stored: &Stored, names: &[String]) -> Result<Vec<usize>, ReadError> {
    if names.is_empty() {
        return Ok((stored.first_value()..stored.schema().fields().len()).collect());
    }
    names.iter().map(|name| stored.value_column(name)).collect()
}

fn empty_column(stored: &Stored, at: usize) -> SeriesColumn {
    let field = stored.schema().field(at);
    let name = field.name().clone();
    match field.data_type() {
        DataType::Float64 => SeriesColumn::Numbers { name, values: Vec::new() },
        _ => SeriesColumn::Categories { name, values: Vec::new() },
    }
}

fn extend(column: &mut SeriesColumn, batch: &RecordBatch, at: usize) -> Result<(), ReadError> {
    match column {
        SeriesColumn::Numbers { values, .. } => extend_numbers(values, batch, at),
        SeriesColumn::Categories { values, .. } => {
            let codes = batch.columns().get(at).and_then(|column| column.as_dictionary_opt::<Int32Type>());
            let texts = codes.and_then(|codes| codes.downcast_dict::<StringArray>());
            let texts = texts.ok_or_else(|| corrupt("a category column holds no texts"))?;
            values.extend(texts.into_iter().map(|text| text.map(str::to_owned)));
            Ok(())
        }
    }
}
