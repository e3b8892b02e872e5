//! The two files of a dataset, as they are on disk.
//!
//! The points file says by position what its columns are: the first is the series key, the second
//! the time if it is a timestamp, the rest are value columns. Names alone would not do, since a
//! value column may be called `time`.

use std::ops::Range;
use std::path::Path;

use arrow_schema::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};

use super::checksums::CheckedFile;
use super::error::ReadError;
use super::guard::{Batches, guarded};

pub(crate) const SERIES: &str = "series";
pub(crate) const TIME: &str = "time";

/// Columns of the index file, in this order.
pub(crate) const INDEX_COLUMNS: [&str; 7] = ["series", "first_row", "points", "start", "end", "frequency", "gaps"];

/// A Parquet file written by this crate, opened: its schema and its row groups.
#[derive(Debug)]
pub(crate) struct Stored {
    file: CheckedFile,
    footer: ArrowReaderMetadata,
}

impl Stored {
    /// Opens the file and reads its footer, which is checked if the file carries checksums.
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        // Pages are found by the offset index, so that only those that are asked for are read.
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let file = CheckedFile::open(path)?;
        let footer = guarded(|| ArrowReaderMetadata::load(&file, options))
            .ok_or_else(|| corrupt("its footer does not make sense"))??;
        Ok(Self { file, footer })
    }

    /// Whether the file carries checksums: those of earlier versions do not.
    pub(crate) fn is_checked(&self) -> bool {
        self.file.is_checked()
    }

    pub(crate) fn schema(&self) -> &Schema {
        self.footer.schema()
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.footer.metadata()
    }

    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Whether the second column is the time.
    pub(crate) fn has_times(&self) -> bool {
        matches!(self.schema().fields().get(1).map(|field| field.data_type()), Some(DataType::Timestamp(..)))
    }

    /// The position of the first value column.
    pub(crate) fn first_value(&self) -> usize {
        1 + usize::from(self.has_times())
    }

    /// The position of a value column.
    pub(crate) fn value_column(&self, name: &str) -> Result<usize, ReadError> {
        let fields = self.schema().fields().iter().enumerate().skip(self.first_value());
        let mut named = fields.filter(|(_, field)| field.name() == name);
        named.next().map(|(at, _)| at).ok_or_else(|| ReadError::NoColumn(name.to_owned()))
    }

    /// The given rows of the given columns. Row groups and pages outside of `rows` are not read.
    pub(crate) fn read(&self, columns: &[usize], rows: Range<u64>) -> Result<Batches, ReadError> {
        let (groups, skipped) = self.groups(&rows);
        let builder = self
            .builder(columns)
            .with_row_groups(groups)
            .with_batch_size(8192)
            .with_offset(to_usize(rows.start - skipped)?)
            .with_limit(to_usize(rows.end - rows.start)?);
        build(builder)
    }

    /// The given rows, in ascending order, of the given columns.
    pub(crate) fn pick(&self, columns: &[usize], rows: &[u64]) -> Result<Batches, ReadError> {
        let ranges: Vec<Range<u64>> = rows.iter().map(|&row| row..row + 1).collect();
        self.read_ranges(columns, &ranges)
    }

    /// The given ranges of rows, one after another, of the given columns. The ranges ascend and do
    /// not overlap. Row groups and pages that hold none of them are not read.
    pub(crate) fn read_ranges(&self, columns: &[usize], ranges: &[Range<u64>]) -> Result<Batches, ReadError> {
        let mut groups = Vec::new();
        let mut selected = Vec::with_capacity(ranges.len());
        let mut pending = ranges.iter().filter(|range| !range.is_empty()).peekable();
        // Rows of the file before the group, and rows of the chosen groups before it.
        let (mut first, mut chosen) = (0, 0);
        for group in 0..self.metadata().num_row_groups() {
            let end = first + self.group_rows(group);
            let before = selected.len();
            while let Some(range) = pending.peek() {
                let (from, to) = (range.start.max(first), range.end.min(end));
                if from >= to {
                    break;
                }
                selected.push(to_usize(chosen + from - first)?..to_usize(chosen + to - first)?);
                if range.end > end {
                    break;
                }
                pending.next();
            }
            if selected.len() > before {
                groups.push(group);
                chosen += end - first;
            }
            first = end;
        }
        let selection = RowSelection::from_consecutive_ranges(selected.into_iter(), to_usize(chosen)?);
        let builder = self.builder(columns).with_row_groups(groups).with_row_selection(selection);
        build(builder.with_batch_size(8192))
    }

    fn builder(&self, columns: &[usize]) -> ParquetRecordBatchReaderBuilder<CheckedFile> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.footer.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
        builder.with_projection(mask)
    }

    fn group_rows(&self, group: usize) -> u64 {
        u64::try_from(self.metadata().row_group(group).num_rows()).unwrap_or(0)
    }

    /// The row groups that hold `rows`, and the number of rows before them.
    fn groups(&self, rows: &Range<u64>) -> (Vec<usize>, u64) {
        let mut groups = Vec::new();
        let (mut start, mut skipped) = (0, 0);
        for group in 0..self.metadata().num_row_groups() {
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

fn build(builder: ParquetRecordBatchReaderBuilder<CheckedFile>) -> Result<Batches, ReadError> {
    let reader = guarded(|| builder.build()).ok_or_else(|| corrupt("its row groups do not make sense"))??;
    Ok(Batches::new(reader))
}

fn to_usize(rows: u64) -> Result<usize, ReadError> {
    usize::try_from(rows).map_err(|_| ReadError::Corrupt("it claims more rows than memory could hold".to_owned()))
}

/// The error of a file whose content is not what it should be.
pub(crate) fn corrupt(what: impl Into<String>) -> ReadError {
    ReadError::Corrupt(what.into())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use arrow_array::{Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
    use arrow_schema::Field;
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;

    /// A file of the numbers 0 to 19, in row groups of 4 and pages of 2 rows.
    fn numbered(folder: &Path) -> Stored {
        let path = folder.join("numbers");
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(4))
            .set_data_page_row_count_limit(2)
            .set_write_batch_size(2)
            .build();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), schema.clone(), Some(properties)).unwrap();
        let numbers = Arc::new(Int64Array::from_iter_values(0..20));
        writer.write(&RecordBatch::try_new(schema, vec![numbers]).unwrap()).unwrap();
        writer.close().unwrap();
        Stored::open(&path).unwrap()
    }

    fn rows(stored: &Stored, ranges: &[Range<u64>]) -> Vec<i64> {
        let batches = stored.read_ranges(&[0], ranges).unwrap().map(Result::unwrap);
        batches.flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
    }

    #[test]
    fn ranges_are_read_across_row_groups() {
        let folder = tempfile::tempdir().unwrap();
        let stored = numbered(folder.path());
        assert_eq!(rows(&stored, &[2..11, 13..14, 16..20]), [2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 16, 17, 18, 19]);
        assert_eq!(rows(&stored, &[0..4, 4..8, 12..12, 19..20]), [0, 1, 2, 3, 4, 5, 6, 7, 19]);
        assert!(rows(&stored, &[]).is_empty());
        assert_eq!(rows(&stored, std::slice::from_ref(&(5..6))), [5], "and again from the same open file");
    }
}
