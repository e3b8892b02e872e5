//! Reads Parquet as rows of text, so that one set of rules applies to every format.
//!
//! Numbers are written so that they read back to the same double; null is the empty cell, as is an
//! empty text. Texts are read as views into their pages, which copies none of them however often a
//! row refers to it, and [`parquet_pages`] bounds the pages in memory.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch, StringViewArray};
use arrow_schema::{DataType, Schema};
use csv::ByteRecord;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::PageIndexPolicy;

use super::super::decode;
use super::super::row_bound;
use super::super::row_sink::RowSink;
use super::arrow_text::Cells;
use super::parquet_pages;
use crate::error::IngestError;
use crate::guard::{Batches, guarded};
use crate::options::{UploadLimits, UploadOptions};

/// The longest footer. In memory it takes many times its size.
const MOST_FOOTER: u32 = 32 << 20;
/// Below this much text no ratio is suspicious: a column of one repeated text is common.
const RATIO_FREE: u64 = 64 << 20;

pub(super) fn read(
    mut content: impl Read,
    options: &UploadOptions,
    spool: &Path,
    sink: &mut RowSink<'_>,
) -> Result<(), IngestError> {
    let path = spool.join("upload.parquet");
    let mut file = BufWriter::with_capacity(256 << 10, File::create(&path).map_err(IngestError::machine)?);
    io::copy(&mut content, &mut file).map_err(decode::recover)?;
    file.flush().map_err(IngestError::machine)?;
    drop(file);

    let file = File::open(&path).map_err(IngestError::machine)?;
    let bytes = file.metadata().map_err(IngestError::machine)?.len();
    check_footer(&file, bytes)?;
    let footer = guarded(|| open(&file)).ok_or_else(unreadable)??;
    let limits = &options.limits;
    check_claims(&footer, limits)?;
    sink.header(footer.schema().fields().iter().map(|field| field.name().trim().to_owned()).collect())?;
    let rows = guarded(|| parquet_pages::batch_rows(&file, footer.metadata(), limits)).ok_or_else(unreadable)??;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer).with_batch_size(rows);
    let reader = guarded(|| builder.build()).ok_or_else(unreadable)?.map_err(corrupt)?;
    let mut given = Given { line: 0, cells: 0, texts: 0, file: bytes, limits };
    for batch in Batches::new(reader) {
        let batch = batch.map_err(corrupt)?;
        give(&batch, &mut given, sink)?;
    }
    Ok(())
}

/// What has been given of the file so far.
struct Given<'a> {
    line: u64,
    /// Bytes of all cells, and one for each.
    cells: u64,
    /// Bytes of the texts.
    texts: u64,
    /// Bytes of the file.
    file: u64,
    limits: &'a UploadLimits,
}

impl Given<'_> {
    /// Counts a row before it is copied.
    fn count(&mut self, cells: usize, texts: usize) -> Result<(), IngestError> {
        self.line += 1;
        if texts > self.limits.line_bytes {
            let detail = format!("row {}: the row is longer than {} bytes", self.line, self.limits.line_bytes);
            return Err(IngestError::refuse(row_bound::CODE, detail));
        }
        self.texts += texts as u64;
        self.cells += (cells + texts) as u64;
        if self.cells > self.limits.bytes {
            let detail = format!("the upload holds more than {} bytes once unpacked", self.limits.bytes);
            return Err(IngestError::too_large("upload_too_large", detail));
        }
        if self.texts > RATIO_FREE && self.texts / self.file.max(1) > self.limits.ratio {
            let detail = format!(
                "the texts of the Parquet file unpack to more than {} times the size of the file",
                self.limits.ratio
            );
            return Err(IngestError::too_large("upload_too_large", detail));
        }
        Ok(())
    }
}

enum Column<'b> {
    Texts(&'b StringViewArray),
    Others(Cells<'b>),
}

impl Column<'_> {
    /// The text in a row of a column of texts.
    fn text(&self, at: usize) -> Option<&str> {
        match self {
            Self::Texts(texts) if texts.is_valid(at) => Some(texts.value(at)),
            _ => None,
        }
    }
}

fn give(batch: &RecordBatch, given: &mut Given<'_>, sink: &mut RowSink<'_>) -> Result<(), IngestError> {
    let mut columns = Vec::with_capacity(batch.num_columns());
    for column in batch.columns() {
        columns.push(match column.as_any().downcast_ref() {
            Some(texts) => Column::Texts(texts),
            None => Column::Others(Cells::of(column.as_ref()).ok_or_else(unreadable)?),
        });
    }
    let (mut row, mut text) = (ByteRecord::new(), String::new());
    for at in 0..batch.num_rows() {
        let texts = columns.iter().map(|column| column.text(at).map_or(0, str::len)).sum();
        given.count(columns.len(), texts)?;
        row.clear();
        for column in &columns {
            match column {
                Column::Texts(_) => row.push_field(column.text(at).unwrap_or_default().as_bytes()),
                Column::Others(cells) => {
                    text.clear();
                    cells.write(at, &mut text).map_err(corrupt)?;
                    given.cells += text.len() as u64;
                    row.push_field(text.as_bytes());
                }
            }
        }
        sink.row(given.line, &row)?;
    }
    Ok(())
}

/// The footer, with texts to be read as views.
fn open(file: &File) -> Result<ArrowReaderMetadata, IngestError> {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Skip);
    let footer = ArrowReaderMetadata::load(file, options.clone()).map_err(corrupt)?;
    let mut fields = Vec::with_capacity(footer.schema().fields().len());
    for field in footer.schema().fields() {
        let Some(kind) = plain(field.data_type()) else {
            let detail =
                format!("column `{}` holds lists, structures or bytes; expected numbers, texts or times", field.name());
            return Err(IngestError::refuse("nested_column", detail));
        };
        fields.push(field.as_ref().clone().with_data_type(kind));
    }
    let schema = Schema::new_with_metadata(fields, footer.schema().metadata().clone());
    ArrowReaderMetadata::try_new(Arc::clone(footer.metadata()), options.with_schema(Arc::new(schema))).map_err(corrupt)
}

/// The type to read a column as, if it is one of numbers, texts or times.
fn plain(kind: &DataType) -> Option<DataType> {
    match kind {
        DataType::Dictionary(_, values) => plain(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(DataType::Utf8View),
        DataType::Boolean | DataType::Null => Some(kind.clone()),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Some(kind.clone()),
        other => other.is_numeric().then(|| other.clone()),
    }
}

fn check_footer(file: &File, bytes: u64) -> Result<(), IngestError> {
    let mut last = [0; 8];
    let at = bytes.checked_sub(8).ok_or_else(unreadable)?;
    file.read_exact_at(&mut last, at).map_err(IngestError::machine)?;
    let [a, b, c, d, magic @ ..] = last;
    if &magic != b"PAR1" {
        return Err(corrupt("it does not end as Parquet"));
    }
    let length = u32::from_le_bytes([a, b, c, d]);
    if length > MOST_FOOTER {
        let detail = format!("the footer of the Parquet file has {length} bytes; at most {MOST_FOOTER} are taken");
        return Err(IngestError::too_large("upload_too_large", detail));
    }
    Ok(())
}

/// What the footer claims to hold, before anything is read by it.
fn check_claims(footer: &ArrowReaderMetadata, limits: &UploadLimits) -> Result<(), IngestError> {
    let rows = u64::try_from(footer.metadata().file_metadata().num_rows()).map_err(corrupt)?;
    let groups = footer.metadata().row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(u64::MAX));
    if groups.fold(0, u64::saturating_add) != rows {
        return Err(corrupt("the rows of the groups do not add up"));
    }
    if rows > limits.points {
        let detail = format!("the file claims {rows} rows; at most {} are taken", limits.points);
        return Err(IngestError::too_large("too_many_rows", detail));
    }
    let cells = rows.saturating_mul(footer.schema().fields().len() as u64);
    if cells > limits.bytes {
        let detail = format!("the file claims {cells} cells; at most {} are taken", limits.bytes);
        return Err(IngestError::too_large("upload_too_large", detail));
    }
    Ok(())
}

fn unreadable() -> IngestError {
    corrupt("the reader panicked")
}

/// The reader's message is for the log; the caller learns that the file is to blame.
pub(super) fn corrupt(error: impl std::fmt::Display) -> IngestError {
    tracing::info!(%error, "a Parquet upload could not be read");
    IngestError::refuse("invalid_parquet", "the Parquet file is damaged, or uses what is not supported")
}
