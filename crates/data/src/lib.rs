//! Series in and out of files: uploads to a canonical Parquet file and its profile, and back.
//!
//! A dataset is two files. The points: series key, time (unless the data has none) and value
//! columns, sorted by series (in the order the upload first names them) and time. The index: one
//! row for each series, in the same order, saying where its points are. [`ingest()`] makes both from
//! an upload; [`frame`] reads them for training, [`Datasets`] for people and forecasts. Both carry
//! checksums, which every read checks. Everything here blocks: call it off the async runtime.

mod checksums;
mod datasets;
mod downsample;
mod error;
pub mod frame;
mod guard;
pub mod ingest;
mod interner;
mod options;
mod points_file;
mod series;
mod series_index;
mod stored;

pub use datasets::{DatasetFiles, Datasets};
pub use error::{IngestError, ReadError, Refusal, RowError};
pub use frame::Frame;
pub use ingest::{Ingested, ingest};
pub use options::{
    DateOrder, Decimal, Delimiter, Encoding, Header, TimeFormat, UploadLimits, UploadOptions, format_hint,
};
pub use points_file::{ColumnSelection, LatestPoints, PointsFile};
pub use series::{
    PointWindow, SeriesColumn, SeriesValues, StoredDataset, ValuesQuery, find_series, series_values, values_of,
};
pub use series_index::{Located, SeriesIndex};
