//! The points of a dataset, opened once to read many series.

use std::ops::Range;
use std::path::Path;

use arrow_array::RecordBatch;

use super::error::ReadError;
use super::frame::batch_times;
use super::series::{PointWindow, SeriesColumn, SeriesValues, empty_column, extend, resolve, wanted_columns};
use super::series_index::Located;
use super::stored::{Stored, corrupt};

/// An open file of points.
#[derive(Debug)]
pub struct PointsFile {
    stored: Stored,
}

/// Value columns of a [`PointsFile`], in the order they were asked for.
#[derive(Debug, Clone)]
pub struct ColumnSelection {
    /// Their positions in the file.
    wanted: Vec<usize>,
    /// Ascending: the same, and the time column where there is one.
    read: Vec<usize>,
}

/// The last points of a series to read: all of them where it has fewer.
#[derive(Debug, Clone)]
pub struct LatestPoints {
    pub series: Located,
    pub count: u64,
}

impl PointsFile {
    /// Opens points that carry checksums, or were found to have the right hash before.
    pub fn open(points: &Path) -> Result<Self, ReadError> {
        Ok(Self { stored: Stored::open(points)? })
    }

    pub(crate) fn stored(&self) -> &Stored {
        &self.stored
    }

    /// The columns with these names; [`ReadError::NoColumn`] names the first that is missing.
    pub fn select(&self, names: &[String]) -> Result<ColumnSelection, ReadError> {
        let wanted = wanted_columns(&self.stored, names)?;
        let mut read: Vec<usize> = wanted.iter().copied().chain(self.stored.has_times().then_some(1)).collect();
        read.sort_unstable();
        read.dedup();
        Ok(ColumnSelection { wanted, read })
    }

    /// The last points of several series, in the order asked, by one pass over the file. No series
    /// may be asked for twice.
    pub fn latest(&self, columns: &ColumnSelection, asked: &[LatestPoints]) -> Result<Vec<SeriesValues>, ReadError> {
        let mut values = Vec::with_capacity(asked.len());
        let mut ranges = Vec::with_capacity(asked.len());
        for LatestPoints { series, count } in asked {
            let window = resolve(PointWindow::Last(*count), series.summary.points);
            ranges.push((series.rows(&window, self.stored.rows())?, values.len()));
            values.push(SeriesValues {
                series: series.clone(),
                positions: window.collect(),
                times: self.stored.has_times().then(Vec::new),
                columns: columns.wanted.iter().map(|&at| empty_column(&self.stored, at)).collect(),
            });
        }
        ranges.retain(|(rows, _)| !rows.is_empty());
        ranges.sort_unstable_by_key(|(rows, _)| rows.start);
        if !ranges.is_sorted_by(|(before, _), (after, _)| before.end <= after.start) {
            return Err(corrupt("two series share rows"));
        }
        let rows: Vec<Range<u64>> = ranges.iter().map(|(rows, _)| rows.clone()).collect();
        // The series that the next row belongs to, and the rows of it that are still to come.
        let mut pending = ranges.iter().map(|(rows, at)| (rows.end - rows.start, *at));
        let mut current = pending.next();
        for batch in self.stored.read_ranges(&columns.read, &rows)? {
            let batch = batch?;
            let mut first = 0;
            while first < batch.num_rows() {
                let (missing, at) = current.ok_or_else(|| corrupt("it holds more rows than it claims"))?;
                let count = usize::try_from(missing).unwrap_or(usize::MAX).min(batch.num_rows() - first);
                let values = values.get_mut(at).ok_or_else(|| corrupt("a series is missing"))?;
                append(values, &batch.slice(first, count), columns)?;
                first += count;
                current = if missing > count as u64 { Some((missing - count as u64, at)) } else { pending.next() };
            }
        }
        match current {
            None => Ok(values),
            Some(_) => Err(corrupt("it holds fewer rows than it claims")),
        }
    }
}

fn append(values: &mut SeriesValues, rows: &RecordBatch, columns: &ColumnSelection) -> Result<(), ReadError> {
    if let Some(times) = &mut values.times {
        times.extend_from_slice(batch_times(rows, 0)?);
    }
    for (column, position) in values.columns.iter_mut().zip(&columns.wanted) {
        let place = columns.read.binary_search(position).map_err(|_| corrupt("a column is missing"))?;
        extend(column, rows, place)?;
    }
    Ok(())
}

impl ColumnSelection {
    /// The number of value columns.
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }
}

impl SeriesColumn {
    pub fn name(&self) -> &str {
        match self {
            Self::Numbers { name, .. } | Self::Categories { name, .. } => name,
        }
    }
}
