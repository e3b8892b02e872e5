//! Values of single series of a stored dataset, read without the rest.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{RecordBatch, StringArray};
use arrow_schema::DataType;

use super::downsample;
use super::error::ReadError;
use super::frame::{batch_times, extend_numbers};
use super::points_file::PointsFile;
use super::series_index::{Located, SeriesIndex};
use super::stored::{Stored, corrupt};

/// Which values of a series to read.
#[derive(Debug, Clone, Copy)]
pub struct ValuesQuery<'a> {
    pub key: &'a str,
    /// Value columns, in the order wanted; empty for all.
    pub columns: &'a [String],
    pub window: PointWindow,
    /// For plots: at most this many points, chosen to keep the shape of every number column read.
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
    /// The position of each point within the series, from 0.
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

/// An open dataset: its index and its points.
#[derive(Debug)]
pub struct StoredDataset {
    index: Arc<SeriesIndex>,
    points: PointsFile,
}

impl StoredDataset {
    pub(crate) fn new(index: Arc<SeriesIndex>, points: PointsFile) -> Result<Self, ReadError> {
        index.check_points(points.stored())?;
        Ok(Self { index, points })
    }

    pub fn index(&self) -> &SeriesIndex {
        &self.index
    }

    pub fn points(&self) -> &PointsFile {
        &self.points
    }

    /// The number of value columns.
    pub fn columns(&self) -> usize {
        let stored = self.points.stored();
        stored.schema().fields().len().saturating_sub(stored.first_value())
    }

    /// Values of a series by its key, `query.key`.
    pub fn values_by_key(&self, query: &ValuesQuery<'_>) -> Result<SeriesValues, ReadError> {
        let position = self.index.position(query.key).ok_or_else(|| ReadError::NoSeries(query.key.to_owned()))?;
        self.values(self.index.series(position)?, query)
    }

    /// Values of a series that is found already; `query.key` is not looked at.
    pub fn values(&self, series: Located, query: &ValuesQuery<'_>) -> Result<SeriesValues, ReadError> {
        read_values(self.points.stored(), series, query)
    }
}

/// The values, of which only the pages that hold them are read.
fn read_values(stored: &Stored, series: Located, query: &ValuesQuery<'_>) -> Result<SeriesValues, ReadError> {
    let window = resolve(query.window, series.summary.points);
    let rows = series.rows(&window, stored.rows())?;
    let wanted = wanted_columns(stored, query.columns)?;
    let has_times = stored.has_times();
    let mut read: Vec<usize> = wanted.iter().copied().chain(has_times.then_some(1)).collect();
    read.sort_unstable();
    read.dedup();

    let mut values = SeriesValues {
        columns: wanted.iter().map(|&at| empty_column(stored, at)).collect(),
        times: has_times.then(Vec::new),
        positions: Vec::new(),
        series,
    };
    let count = window.end - window.start;
    let batches = match query.thin {
        Some(most) if (most as u64) < count => {
            let is_number = |at: &usize| stored.schema().field(*at).data_type() == &DataType::Float64;
            let mut numbers: Vec<usize> = wanted.iter().copied().filter(is_number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            let kept = downsample::keep(stored, &numbers, rows.clone(), most)?;
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
    let complete = |length: usize| length == values.positions.len();
    if values.times.as_ref().is_none_or(|times| complete(times.len()))
        && values.columns.iter().all(|column| complete(column.len()))
    {
        Ok(values)
    } else {
        Err(corrupt("a column ends early"))
    }
}

/// Values of one series of a dataset that is opened for them alone.
pub fn series_values(points: &Path, index: &Path, query: &ValuesQuery<'_>) -> Result<SeriesValues, ReadError> {
    StoredDataset::new(Arc::new(SeriesIndex::read(index)?), PointsFile::open(points)?)?.values_by_key(query)
}

/// The series with the given keys, `None` for each that the dataset does not have.
pub fn find_series(index: &Path, keys: &[&str]) -> Result<Vec<Option<Located>>, ReadError> {
    let index = SeriesIndex::read(index)?;
    let found = |key: &&str| index.position(key).map(|position| index.series(position)).transpose();
    keys.iter().map(found).collect()
}

/// Values of a series that is found already; `query.key` is not looked at.
pub fn values_of(points: &Path, series: Located, query: &ValuesQuery<'_>) -> Result<SeriesValues, ReadError> {
    read_values(&Stored::open(points)?, series, query)
}

impl SeriesColumn {
    /// The number of points.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers { values, .. } => values.len(),
            Self::Categories { values, .. } => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

pub(super) fn resolve(window: PointWindow, points: u64) -> Range<u64> {
    match window {
        PointWindow::All => 0..points,
        PointWindow::From { offset, limit } => offset.min(points)..offset.saturating_add(limit).min(points),
        PointWindow::Last(count) => points - count.min(points)..points,
    }
}

pub(super) fn wanted_columns(stored: &Stored, names: &[String]) -> Result<Vec<usize>, ReadError> {
    if names.is_empty() {
        return Ok((stored.first_value()..stored.schema().fields().len()).collect());
    }
    names.iter().map(|name| stored.value_column(name)).collect()
}

pub(super) fn empty_column(stored: &Stored, at: usize) -> SeriesColumn {
    let field = stored.schema().field(at);
    let name = field.name().clone();
    match field.data_type() {
        DataType::Float64 => SeriesColumn::Numbers { name, values: Vec::new() },
        _ => SeriesColumn::Categories { name, values: Vec::new() },
    }
}

pub(super) fn extend(column: &mut SeriesColumn, batch: &RecordBatch, at: usize) -> Result<(), ReadError> {
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
