//! The Parquet reader meets damage that its checksums do not cover with a panic here and there. A
//! file may be damaged, or made to be, so its panics are turned into errors at this border.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

/// What `read` gives, or `None` if it panics. What it was working on must not be used again then.
pub(super) fn guarded<T>(read: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok()
}

/// The batches of a Parquet file; the first panic is an error and the end.
pub(super) struct Batches {
    reader: Option<ParquetRecordBatchReader>,
}

impl Batches {
    pub(super) fn new(reader: ParquetRecordBatchReader) -> Self {
        Self { reader: Some(reader) }
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        match guarded(|| reader.next()) {
            Some(batch) => batch,
            None => {
                self.reader = None;
                Some(Err(ArrowError::ParquetError("the pages do not fit together".to_owned())))
            }
        }
    }
}
