//! The index of a dataset in memory: where the points of each series are.

use std::ops::Range;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, PrimitiveArray, RecordBatch, StringArray};
use gatecast_core::dataset::SeriesSummary;
use gatecast_core::frequency::Frequency;
use jiff::Timestamp;

use super::error::ReadError;
use super::interner::Interner;
use super::stored::{INDEX_COLUMNS, Stored, corrupt};

/// A series and where its points are.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// Its position among the series, from 0.
    pub position: u64,
    /// Of the points file.
    pub first_row: u64,
    pub summary: SeriesSummary,
}

/// All series of one dataset, in the order of the points. About 80 bytes a series.
#[derive(Debug, Default)]
pub struct SeriesIndex {
    /// A key's number is its series' position.
    keys: Interner,
    rows: Vec<IndexRow>,
    checked: bool,
}

#[derive(Debug, Clone, Copy)]
struct IndexRow {
    first_row: u64,
    points: u64,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    frequency: Option<Frequency>,
    gaps: u64,
}

impl SeriesIndex {
    /// Reads the whole index file, and checks that its series follow each other without holes.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let stored = Stored::open(path)?;
        let total = stored.rows();
        let all: Vec<usize> = (0..INDEX_COLUMNS.len()).collect();
        let mut index = Self { checked: stored.is_checked(), ..Self::default() };
        for batch in stored.read(&all, 0..total)? {
            index.extend(&batch?)?;
        }
        if index.rows.len() as u64 == total { Ok(index) } else { Err(corrupt("the index ends early")) }
    }

    /// Refuses points that the index does not describe. Checksums came to both files together.
    pub(crate) fn check_points(&self, points: &Stored) -> Result<(), ReadError> {
        if self.points() != points.rows() || points.is_checked() && !self.checked {
            return Err(corrupt("the index does not fit the points"));
        }
        Ok(())
    }

    /// The number of series.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The number of points of all series.
    fn points(&self) -> u64 {
        self.rows.last().map_or(0, IndexRow::end_row)
    }

    /// Bytes of memory, about.
    pub fn memory_bytes(&self) -> usize {
        self.keys.memory_bytes() + self.rows.capacity() * size_of::<IndexRow>()
    }

    /// The position of a series, from 0.
    pub fn position(&self, key: &str) -> Option<usize> {
        self.keys.find(key.as_bytes()).map(|number| number as usize)
    }

    /// The series at a position.
    pub fn series(&self, position: usize) -> Result<Located, ReadError> {
        let missing = || corrupt("a series is missing");
        let row = self.rows.get(position).ok_or_else(missing)?;
        let key = self.keys.text(u32::try_from(position).map_err(|_| missing())?).to_owned();
        let IndexRow { first_row, points, start, end, frequency, gaps } = *row;
        let summary = SeriesSummary { key, points, start, end, frequency, gaps };
        Ok(Located { position: position as u64, first_row, summary })
    }

    pub fn iter(&self) -> impl Iterator<Item = Result<Located, ReadError>> {
        (0..self.len()).map(|position| self.series(position))
    }

    /// The series after position `after` (from the first where `None`), at most `limit`, and the
    /// `after` of the next page, if there is one.
    pub fn page(&self, after: Option<u64>, limit: usize) -> Result<(Vec<Located>, Option<u64>), ReadError> {
        let total = self.len();
        let start = after.map_or(0, |after| usize::try_from(after.saturating_add(1)).unwrap_or(usize::MAX)).min(total);
        let end = start.saturating_add(limit).min(total);
        let page: Result<Vec<Located>, ReadError> = (start..end).map(|position| self.series(position)).collect();
        Ok((page?, (end < total && end > start).then(|| end as u64 - 1)))
    }

    fn extend(&mut self, batch: &RecordBatch) -> Result<(), ReadError> {
        let keys = texts(batch, 0)?;
        let numbers = |at: usize| {
            let column = batch.columns().get(at).and_then(|column| column.as_primitive_opt::<UInt64Type>());
            column.ok_or_else(|| corrupt("the index lacks a column"))
        };
        let times = |at: usize| {
            let column =
                batch.columns().get(at).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
            column.ok_or_else(|| corrupt("the index lacks a column"))
        };
        let (first_row, points, gaps) = (numbers(1)?, numbers(2)?, numbers(6)?);
        let (start, end, frequency) = (times(3)?, times(4)?, texts(batch, 5)?);
        for row in 0..batch.num_rows() {
            let time = |of: &PrimitiveArray<TimestampMicrosecondType>| {
                let at = of.is_valid(row).then(|| Timestamp::from_microsecond(of.value(row)));
                at.transpose().map_err(|_| corrupt("the index holds an impossible time"))
            };
            let frequency = frequency.is_valid(row).then(|| frequency.value(row).parse());
            let entry = IndexRow {
                first_row: first_row.value(row),
                points: points.value(row),
                start: time(start)?,
                end: time(end)?,
                frequency: frequency.transpose().map_err(|_| corrupt("the index holds an impossible frequency"))?,
                gaps: gaps.value(row),
            };
            if entry.first_row != self.points() || entry.first_row.checked_add(entry.points).is_none() {
                return Err(corrupt("the index does not fit the points"));
            }
            let key = keys.value(row);
            if self.keys.find(key.as_bytes()).is_some() || self.keys.insert(key).is_none() {
                return Err(corrupt("the index names a series twice"));
            }
            self.rows.push(entry);
        }
        Ok(())
    }
}

impl IndexRow {
    fn end_row(&self) -> u64 {
        self.first_row.saturating_add(self.points)
    }
}

impl Located {
    /// The rows of the points file that hold a part of the series.
    pub(crate) fn rows(&self, part: &Range<u64>, total: u64) -> Result<Range<u64>, ReadError> {
        let start = self.first_row.checked_add(part.start);
        let end = self.first_row.checked_add(part.end).filter(|&end| end <= total);
        match (start, end) {
            (Some(start), Some(end)) => Ok(start..end),
            _ => Err(corrupt("the index does not fit the points")),
        }
    }
}

fn texts(batch: &RecordBatch, at: usize) -> Result<&StringArray, ReadError> {
    let column = batch.columns().get(at).and_then(|column| column.as_string_opt::<i32>());
    column.ok_or_else(|| corrupt("the index lacks a column"))
}
