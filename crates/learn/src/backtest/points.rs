//! Writes all points of a backtest as Parquet: `fold`, `series`, `target`, `step`, `time` (for data with times),
//! `forecast` and `actual` (null if no value is known).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::error::BacktestError;
use gatecast_core::backtest::PointsFile;
use gatecast_files::hash_reader;
use gatecast_model::LearnError;

/// The number of rows to buffer before they are written.
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

/// A file that is being written.
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
    pub(super) fn create(path: &Path, has_times: bool) -> Result<Self, BacktestError> {
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
        let file = File::create(path).map_err(BacktestError::points)?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?;
        Ok(Self { path: path.to_owned(), writer, schema, rows: 0, block: Block::default() })
    }

    pub(super) fn add(&mut self, point: Point<'_>) -> Result<(), BacktestError> {
        let block = &mut self.block;
        block.folds.push(narrow(point.fold)?);
        block.series.append_value(point.series);
        block.targets.append_value(point.target);
        block.steps.push(narrow(point.step)?);
        block.times.push(point.time);
        block.forecasts.push(point.forecast);
        block.actuals.push(point.actual);
        self.rows += 1;
        if self.block.folds.len() < BLOCK { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<(), BacktestError> {
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
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(ParquetError::from)?;
        Ok(self.writer.write(&batch)?)
    }

    /// Closes and syncs the file.
    pub(super) fn finish(mut self) -> Result<PointsFile, BacktestError> {
        self.write()?;
        let file = self.writer.into_inner()?;
        file.sync_all().map_err(BacktestError::points)?;
        let written = File::open(&self.path).and_then(hash_reader);
        let (sha256, bytes) = written.map_err(BacktestError::points)?;
        Ok(PointsFile { rows: self.rows, bytes, sha256 })
    }
}

/// The limits on requests keep folds and steps far below this.
fn narrow(number: usize) -> Result<i32, BacktestError> {
    i32::try_from(number).map_err(|_| LearnError::Broken(format!("{number} is not a fold or step")).into())
}
