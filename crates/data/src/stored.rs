//! The two files of a dataset, as they lie on disk.
//!
//! The points file says by position what its columns are: the first is the series key, the second
//! the time if it is a timestamp, the rest are value columns. Names alone would not do, since a
//! value column may be called `time`.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use arrow_schema::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::file::metadata::PageIndexPolicy;

use super::error::ReadError;
use super::guard::{Batches, guarded};

pub(crate) const SERIES: &str = "series";
pub(crate) const TIME: &str = "time";

/// Columns of the index file, in this order.
pub(crate) const INDEX_COLUMNS: [&str; 7] = ["series", "first_row", "points", "start", "end", "frequency", "gaps"];

/// A Parquet file of ours, opened: its schema and where its rows stand.
#[derive(Debug)]
pub(crate) struct Stored {
    builder: ParquetRecordBatchReaderBuilder<File>,
}

impl Stored {
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let file = File::open(path)?;
        let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new_with_options(file, options))
            .ok_or_else(|| corrupt("its footer does not make sense"))??;
        Ok(Self { builder })
    }

    pub(crate) fn schema(&self) -> &Schema {
        self.builder.schema()
    }

    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.builder.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Whether the second column is the time.
    pub(crate) fn has_times(&self) -> bool {
        matches!(self.schema().fields().get(1).map(|field| field.data_type()), Some(DataType::Timestamp(..)))
    }

    /// Where the value columns begin.
    pub(crate) fn first_value(&self) -> usize {
        1 + usize::from(self.has_times())
    }

    /// The place of a value column.
    pub(crate) fn value_column(&self, name: &str) -> Result<usize, ReadError> {
        let fields = self.schema().fields().iter().enumerate().skip(self.first_value());
        let mut named = fields.filter(|(_, field)| field.name() == name);
        named.next().map(|(at, _)| at).ok_or_else(|| ReadError::NoColumn(name.to_owned()))
    }

    /// The given rows of the given columns. Row groups and pages outside of `rows` are not read.
    pub(crate) fn read(self, columns: &[usize], rows: Range<u64>) -> Result<Batches, ReadError> {
        let (groups, skipped) = self.groups(&rows);
        let mask = ProjectionMask::roots(self.builder.parquet_schema(), columns.iter().copied());
        let builder = self
            .builder
            .with_projection(mask)
            .with_row_groups(groups)
            .with_batch_size(8192)
            .with_offset(to_usize(rows.start - skipped)?)
            .with_limit(to_usize(rows.end - rows.start)?);
        build(builder)
    }

    /// The given rows, in ascending order, of the given columns.
    pub(crate) fn pick(self, columns: &[usize], rows: &[u64]) -> Result<Batches, ReadError> {
        let span = rows.first().copied().unwrap_or(0)..rows.last().map_or(0, |last| last + 1);
        let (groups, skipped) = self.groups(&span);
        let mask = ProjectionMask::roots(self.builder.parquet_schema(), columns.iter().copied());
        let mut ranges = Vec::with_capacity(rows.len());
        for &row in rows {
            let at = to_usize(row - skipped)?;
            ranges.push(at..at + 1);
        }
        let total = groups.iter().map(|&group| self.group_rows(group)).sum::<u64>();
        let selection = RowSelection::from_consecutive_ranges(ranges.into_iter(), to_usize(total)?);
        build(self.builder.with_projection(mask).with_row_groups(groups).with_row_selection(selection))
    }

    fn group_rows(&self, group: usize) -> u64 {
        u64::try_from(self.builder.metadata().row_group(group).num_rows()).unwrap_or(0)
    }

    /// The row groups that hold `rows`, and how many rows stand before them.
    fn groups(&self, rows: &Range<u64>) -> (Vec<usize>, u64) {
        let mut groups = Vec::new();
        let (mut start, mut skipped) = (0, 0);
        for group in 0..self.builder.metadata().num_row_groups() {
            let end = start + self.group_rows(group);
            if end <= rows.start {
                skipped = end;
            } else if start < rows.end {
                groups.push(group);
            }
            start = end;
        }
        (groups, skipped)
    }
}

fn build(builder: ParquetRecordBatchReaderBuilder<File>) -> Result<Batches, ReadError> {
    let reader = guarded(|| builder.build()).ok_or_else(|| corrupt("its row groups do not make sense"))??;
    Ok(Batches::new(reader))
}

fn to_usize(rows: u64) -> Result<usize, ReadError> {
    usize::try_from(rows).map_err(|_| ReadError::Corrupt("it claims more rows than memory could hold".to_owned()))
}

/// The error of a file whose content is not what its place says.
pub(crate) fn corrupt(what: impl Into<String>) -> ReadError {
    ReadError::Corrupt(what.into())
}
