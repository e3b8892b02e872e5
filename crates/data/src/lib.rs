//! Series in and out of files: uploads to a canonical Parquet file and its profile, and back.
//!
//! A dataset is two files. The points: series key, time (unless the data has none) and value
//! columns, sorted by series (in the order the upload first names them) and time. The index: one
//! row a series, in the same order, saying where its points stand. [`ingest`] makes both from an
//! upload; [`frame`] reads them for training, [`series`] for people and forecasts. Everything here
//! blocks: call it off the async runtime.

mod downsample;
mod error;
pub mod frame;
mod guard;
pub mod ingest;
mod options;
pub mod series;
mod stored;

pub use error::{IngestError, ReadError, Refusal, RowError};
pub use frame::Frame;
pub use ingest::{Ingested, ingest};
pub use options::{DateOrder, Decimal, Delimiter, Encoding, TimeFormat, UploadLimits, UploadOptions, format_hint};
pub use series::{
    Located, PointWindow, SeriesColumn, SeriesValues, ValuesQuery, find_series, series_page, series_values, values_of,
};
