//! The points and the index, written as Parquet.
//!
//! Plain choices that every reader knows: zstd, delta-packed times, numbers as they are, texts by
//! dictionary. The same rows give the same bytes.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::rows::{Cells, NO_CATEGORY, Rows};
use crate::checksums::{self, ChecksumWriter};
use crate::error::IngestError;
use crate::interner::Interner;
use crate::stored::{INDEX_COLUMNS, SERIES, TIME};
use gatecast_core::dataset::SeriesSummary;
use gatecast_files::HashingWriter;

/// Bytes of one row group before compression: what the writer holds in memory.
const GROUP_BYTES: usize = 16 << 20;
const PAGE_ROWS: usize = 20_000;

/// A value column as it is stored.
#[derive(Debug)]
pub(super) struct StoredColumn<'a> {
    pub(super) name: &'a str,
    /// The texts of a category column.
    pub(super) categories: Option<&'a Interner>,
}

/// Writes blocks of sorted rows.
pub(super) struct PointsWriter<'a> {
    writer: ArrowWriter<Sink>,
    schema: Arc<Schema>,
    keys: &'a Interner,
    has_times: bool,
    dictionaries: Vec<Option<ArrayRef>>,
}

impl<'a> PointsWriter<'a> {
    pub(super) fn create(
        path: &Path,
        keys: &'a Interner,
        columns: &[StoredColumn<'_>],
        has_times: bool,
    ) -> Result<Self, IngestError> {
        let (series, time) = (free_name(SERIES, columns), free_name(TIME, columns));
        let mut fields = vec![Field::new(&series, text_type(), false)];
        if has_times {
            fields.push(Field::new(&time, time_type(), false));
        }
        let kind =
            |column: &StoredColumn<'_>| if column.categories.is_some() { text_type() } else { DataType::Float64 };
        fields.extend(columns.iter().map(|column| Field::new(column.name, kind(column), true)));
        let row_bytes = 12 + 8 * columns.len();
        let path_of = |name: &str| ColumnPath::new(vec![name.to_owned()]);
        let mut properties = properties()
            .set_max_row_group_row_count(Some((GROUP_BYTES / row_bytes).clamp(1_024, 262_144)))
            .set_column_dictionary_enabled(path_of(&series), true);
        if has_times {
            properties = properties.set_column_encoding(path_of(&time), Encoding::DELTA_BINARY_PACKED);
        }
        for column in columns.iter().filter(|column| column.categories.is_some()) {
            properties = properties.set_column_dictionary_enabled(path_of(column.name), true);
        }
        let schema = Arc::new(Schema::new(fields));
        let file = create(path).map_err(IngestError::machine)?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties.build()));
        let texts = |keys: &Interner| -> ArrayRef { Arc::new(StringArray::from_iter_values(keys.texts())) };
        Ok(Self {
            writer: writer.map_err(IngestError::machine)?,
            schema,
            keys,
            has_times,
            dictionaries: columns.iter().map(|column| column.categories.map(texts)).collect(),
        })
    }

    pub(super) fn write(&mut self, rows: &Rows) -> Result<(), IngestError> {
        let mut arrays: Vec<ArrayRef> = vec![self.series_array(&rows.series)?];
        if self.has_times {
            let times = TimestampMicrosecondArray::from_iter_values(rows.times.iter().copied());
            arrays.push(Arc::new(times.with_timezone("UTC")));
        }
        for (cells, dictionary) in rows.columns.iter().zip(&self.dictionaries) {
            arrays.push(match (cells, dictionary) {
                (Cells::Numbers(values), _) => Arc::new(numbers(values)),
                (Cells::Categories(codes), dictionary) => {
                    let code = |&code: &u32| i32::try_from(code).ok().filter(|_| code != NO_CATEGORY);
                    let codes: Int32Array = codes.iter().map(code).collect();
                    let texts = dictionary.clone().unwrap_or_else(|| Arc::new(StringArray::new_null(0)));
                    Arc::new(DictionaryArray::<Int32Type>::try_new(codes, texts).map_err(IngestError::machine)?)
                }
            });
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(IngestError::machine)?;
        self.writer.write(&batch).map_err(IngestError::machine)
    }

    /// Closes the file; its SHA-256 in hex, and its size.
    pub(super) fn finish(self) -> Result<(String, u64), IngestError> {
        finish(self.writer)
    }

    /// The series of a block: sorted, so that each is in the block's dictionary once.
    fn series_array(&self, series: &[u32]) -> Result<ArrayRef, IngestError> {
        let mut texts = Vec::new();
        let mut codes = Vec::with_capacity(series.len());
        for same in series.chunk_by(|a, b| a == b) {
            let code = i32::try_from(texts.len()).map_err(IngestError::machine)?;
            codes.resize(codes.len() + same.len(), code);
            texts.extend(same.first().map(|&number| self.keys.text(number)));
        }
        let texts = Arc::new(StringArray::from_iter_values(texts));
        let array = DictionaryArray::<Int32Type>::try_new(Int32Array::from(codes), texts);
        array.map(|array| Arc::new(array) as ArrayRef).map_err(IngestError::machine)
    }
}

fn numbers(values: &[f64]) -> Float64Array {
    if values.iter().any(|value| value.is_nan()) {
        values.iter().map(|&value| Some(value).filter(|value| !value.is_nan())).collect()
    } else {
        Float64Array::from(values.to_vec())
    }
}

/// Writes one row a series, in the order of the points.
pub(super) struct IndexWriter {
    writer: ArrowWriter<Sink>,
    schema: Arc<Schema>,
    waiting: Vec<(u64, SeriesSummary)>,
}

impl IndexWriter {
    pub(super) fn create(path: &Path) -> Result<Self, IngestError> {
        let kinds = [
            (DataType::Utf8, false),
            (DataType::UInt64, false),
            (DataType::UInt64, false),
            (time_type(), true),
            (time_type(), true),
            (DataType::Utf8, true),
            (DataType::UInt64, false),
        ];
        let fields: Vec<Field> =
            INDEX_COLUMNS.iter().zip(kinds).map(|(name, (kind, null))| Field::new(*name, kind, null)).collect();
        let schema = Arc::new(Schema::new(fields));
        let frequency = ColumnPath::new(vec!["frequency".to_owned()]);
        let properties =
            properties().set_max_row_group_row_count(Some(65_536)).set_column_dictionary_enabled(frequency, true);
        let file = create(path).map_err(IngestError::machine)?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties.build()));
        Ok(Self { writer: writer.map_err(IngestError::machine)?, schema, waiting: Vec::new() })
    }

    pub(super) fn push(&mut self, first_row: u64, series: SeriesSummary) -> Result<(), IngestError> {
        self.waiting.push((first_row, series));
        if self.waiting.len() < 8_192 { Ok(()) } else { self.flush() }
    }

    pub(super) fn finish(mut self) -> Result<(), IngestError> {
        self.flush()?;
        finish(self.writer).map(drop)
    }

    fn flush(&mut self) -> Result<(), IngestError> {
        let rows = std::mem::take(&mut self.waiting);
        let series = || rows.iter().map(|(_, series)| series);
        let moments = |of: fn(&SeriesSummary) -> Option<jiff::Timestamp>| -> ArrayRef {
            let times: TimestampMicrosecondArray =
                series().map(|series| of(series).map(jiff::Timestamp::as_microsecond)).collect();
            Arc::new(times.with_timezone("UTC"))
        };
        let frequencies: StringArray =
            series().map(|series| series.frequency.map(|frequency| frequency.to_string())).collect();
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(series().map(|series| &series.key))),
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(|(first, _)| *first))),
            Arc::new(UInt64Array::from_iter_values(series().map(|series| series.points))),
            moments(|series| series.start),
            moments(|series| series.end),
            Arc::new(frequencies),
            Arc::new(UInt64Array::from_iter_values(series().map(|series| series.gaps))),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(IngestError::machine)?;
        self.writer.write(&batch).map_err(IngestError::machine)
    }
}

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("gatecast".to_owned())
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_data_page_row_count_limit(PAGE_ROWS)
}

fn text_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// `name`, or what follows it that no value column is called.
fn free_name(name: &str, columns: &[StoredColumn<'_>]) -> String {
    let mut free = name.to_owned();
    while columns.iter().any(|column| column.name == free) {
        free.push('_');
    }
    free
}

/// A file that is hashed as it is written, and carries the checksums of its blocks.
type Sink = ChecksumWriter<HashingWriter<BufWriter<File>>>;

fn create(path: &Path) -> io::Result<Sink> {
    let file = BufWriter::with_capacity(256 << 10, File::create(path)?);
    Ok(ChecksumWriter::new(HashingWriter::new(file)))
}

/// Ends the file; its SHA-256 in hex, and its size.
fn finish(mut writer: ArrowWriter<Sink>) -> Result<(String, u64), IngestError> {
    writer.flush().map_err(IngestError::machine)?;
    writer.sync().map_err(IngestError::machine)?;
    let table = writer.inner_mut().end_row_groups();
    writer.append_key_value_metadata(KeyValue::new(checksums::KEY.to_owned(), table));
    let file = writer.into_inner().map_err(IngestError::machine)?.finish().map_err(IngestError::machine)?;
    Ok(file.finish().1)
}
