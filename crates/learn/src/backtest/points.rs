//! All points of a backtest as Parquet: `fold`, `series`, `target`, `step`, `time` (where the data has
//! times), `forecast`, `actual` (null where no value is known).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use gatecast_core::backtest::PointsFile;
use gatecast_files::hash_reader as hash;

/// Rows held before they are written.
const BLOCK: usize = 65_536;

#[derive(Debug)]
pub(super) struct Point<'p> {
    pub(super) fold: usize,
    pub(super) series: &'p str,
    pub(super) target: &'p str,
    /// From 1.
    pub(super) step: usize,
    /// Microseconds since 1970 UTC.
    pub(super) time: Option<i64>,
    pub(super) forecast: f64,
    pub(super) actual: Option<f64>,
}

/// A file being written.
pub(super) struct Points {
    path: PathBuf,
    writer: ArrowWriter<File>,
    schema: Arc<Schema>,
    rows: u64,
    block: Block,
}

#[derive(Default)]
struct Block {
    folds: Vec<i32>,
    series: StringBuilder,
    targets: StringBuilder,
    steps: Vec<i32>,
    times: Vec<Option<i64>>,
    forecasts: Vec<f64>,
    actuals: Vec<Option<f64>>,
}

impl Points {
    pub(super) fn create(path: &Path, has_times: bool) -> Result<Self, String> {
        let number = |name: &str, nullable| Field::new(name, DataType::Float64, nullable);
        let text = |name: &str| Field::new(name, DataType::Utf8, false);
        let mut fields = vec![
            Field::new("fold", DataType::Int32, false),
            text("series"),
            text("target"),
            Field::new("step", DataType::Int32, false),
        ];
        if has_times {
            let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
            fields.push(Field::new("time", time, true));
        }
        fields.extend([number("forecast", false), number("actual", true)]);
        let schema = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let file = File::create(path).map_err(|error| error.kind().to_string())?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(told)?;
        Ok(Self { path: path.to_owned(), writer, schema, rows: 0, block: Block::default() })
    }

    pub(super) fn add(&mut self, point: Point<'_>) -> Result<(), String> {
        let block = &mut self.block;
        block.folds.push(narrow(point.fold));
        block.series.append_value(point.series);
        block.targets.append_value(point.target);
        block.steps.push(narrow(point.step));
        block.times.push(point.time);
        block.forecasts.push(point.forecast);
        block.actuals.push(point.actual);
        self.rows += 1;
        if self.block.folds.len() < BLOCK { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<(), String> {
        let mut block = std::mem::take(&mut self.block);
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(block.folds)),
            Arc::new(block.series.finish()),
            Arc::new(block.targets.finish()),
            Arc::new(Int32Array::from(block.steps)),
        ];
        if self.schema.fields().len() > 6 {
            arrays.push(Arc::new(TimestampMicrosecondArray::from(block.times).with_timezone("UTC")));
        }
        arrays.push(Arc::new(Float64Array::from(block.forecasts)));
        arrays.push(Arc::new(Float64Array::from(block.actuals)));
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(told)?;
        self.writer.write(&batch).map_err(told)
    }

    /// Closes and syncs the file; what stands in it now.
    pub(super) fn finish(mut self) -> Result<PointsFile, String> {
        self.write()?;
        let file = self.writer.into_inner().map_err(told)?;
        let failed = |error: std::io::Error| error.kind().to_string();
        file.sync_all().map_err(failed)?;
        let (sha256, bytes) = hash(File::open(&self.path).map_err(failed)?).map_err(failed)?;
        Ok(PointsFile { rows: self.rows, bytes, sha256 })
    }
}

fn narrow(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}
