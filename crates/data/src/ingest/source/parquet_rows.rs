//! Parquet as rows of text, so that one set of rules reads every format.
//!
//! Numbers are written so that they read back to the same double; null is the empty cell.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use csv::ByteRecord;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::super::decode;
use super::super::row_sink::RowSink;
use crate::error::IngestError;
use crate::guard::{Batches, guarded};
use crate::options::UploadOptions;

/// Cells decoded at a time.
const BATCH_CELLS: usize = 64 << 10;

pub(super) fn read(
    mut content: impl Read,
    options: &UploadOptions,
    spool: &Path,
    intake: &mut RowSink<'_>,
) -> Result<(), IngestError> {
    let path = spool.join("upload.parquet");
    let mut file = BufWriter::with_capacity(256 << 10, File::create(&path).map_err(IngestError::machine)?);
    io::copy(&mut content, &mut file).map_err(decode::recover)?;
    file.flush().map_err(IngestError::machine)?;
    drop(file);

    let file = File::open(&path).map_err(IngestError::machine)?;
    let broken = || corrupt("the reader broke off");
    let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(file)).ok_or_else(broken)?.map_err(corrupt)?;
    let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(u64::MAX);
    if rows > options.limits.points {
        let detail = format!("the file claims {rows} rows; at most {} are taken", options.limits.points);
        return Err(IngestError::too_large("too_many_rows", detail));
    }
    for field in builder.schema().fields() {
        if !is_plain(field.data_type()) {
            let detail =
                format!("column `{}` holds lists, structures or bytes; expected numbers, texts or times", field.name());
            return Err(IngestError::refuse("nested_column", detail));
        }
    }
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().trim().to_owned()).collect();
    let batch_rows = (BATCH_CELLS / names.len().max(1)).clamp(1, 8_192);
    intake.header(names)?;
    let mut line = 0;
    let mut given = 0;
    let (mut row, mut text) = (ByteRecord::new(), String::new());
    let builder = builder.with_batch_size(batch_rows);
    let reader = guarded(|| builder.build()).ok_or_else(broken)?.map_err(corrupt)?;
    for batch in Batches::new(reader) {
        let batch = zones_in_utc(&batch.map_err(corrupt)?).map_err(corrupt)?;
        let format = FormatOptions::new().with_display_error(false);
        let columns: Result<Vec<_>, _> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &format)).collect();
        let columns = columns.map_err(corrupt)?;
        for at in 0..batch.num_rows() {
            line += 1;
            row.clear();
            for column in &columns {
                text.clear();
                column.value(at).write(&mut text).map_err(corrupt)?;
                row.push_field(text.as_bytes());
            }
            // A column of one repeated text unpacks to far more than it takes in the file.
            given += row.as_slice().len() as u64;
            if given > options.limits.bytes {
                let detail = format!("the upload holds more than {} bytes once unpacked", options.limits.bytes);
                return Err(IngestError::too_large("upload_too_large", detail));
            }
            intake.row(line, &row)?;
        }
    }
    Ok(())
}

fn is_plain(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_plain(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean | DataType::Null => true,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => true,
        other => other.is_numeric(),
    }
}

/// Times that carry a zone are stored in UTC whatever the zone; its name is only for showing them.
fn zones_in_utc(batch: &RecordBatch) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let utc = |column: &ArrayRef| -> Result<ArrayRef, arrow_schema::ArrowError> {
        match column.data_type() {
            DataType::Timestamp(unit, Some(_)) => {
                let kind = DataType::Timestamp(*unit, Some("+00:00".into()));
                Ok(arrow_array::make_array(column.to_data().into_builder().data_type(kind).build()?))
            }
            _ => Ok(Arc::clone(column)),
        }
    };
    let columns: Result<Vec<ArrayRef>, _> = batch.columns().iter().map(utc).collect();
    let columns = columns?;
    let fields = batch
        .schema_ref()
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| arrow_schema::Field::new(field.name(), column.data_type().clone(), true));
    RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>())), columns)
}

/// What the reader says is of its own insides; the caller learns that the file is to blame.
fn corrupt(error: impl std::fmt::Display) -> IngestError {
    tracing::info!(%error, "a Parquet upload could not be read");
    IngestError::refuse("invalid_parquet", "the Parquet file is damaged, or uses what is not supported")
}
