//! Errors of uploads and of stored files.

use std::error::Error;
use std::io;

/// Why an upload was refused.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The data is wrong; the caller can correct it.
    #[error("{}: {}", .0.code, .0.detail)]
    Refused(Box<Refusal>),
    /// A limit is exceeded.
    #[error("{}: {}", .0.code, .0.detail)]
    TooLarge(Box<Refusal>),
    /// The upload's stream ended early.
    #[error("the upload was interrupted: {0}")]
    Interrupted(String),
    /// The server failed, usually its disk.
    #[error("the upload could not be stored: {0}")]
    Machine(Box<dyn Error + Send + Sync>),
}

/// A refusal that a person can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub detail: String,
    /// The first rows that are wrong.
    pub rows: Vec<RowError>,
}

/// One wrong row or cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Counted from 1: the line of CSV (the header is line 1) and NDJSON; the row of JSON and Parquet.
    pub line: u64,
    pub column: Option<String>,
    pub code: &'static str,
    pub detail: String,
}

impl IngestError {
    pub(crate) fn refuse(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Refused(Box::new(Refusal { code, detail: detail.into(), rows: Vec::new() }))
    }

    pub(crate) fn rows(code: &'static str, detail: impl Into<String>, rows: Vec<RowError>) -> Self {
        Self::Refused(Box::new(Refusal { code, detail: detail.into(), rows }))
    }

    pub(crate) fn too_large(code: &'static str, detail: impl Into<String>) -> Self {
        Self::TooLarge(Box::new(Refusal { code, detail: detail.into(), rows: Vec::new() }))
    }

    pub(crate) fn machine(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Machine(cause.into())
    }

    /// Whether the disk is full, at any depth of the chain of causes.
    pub fn is_disk_full(&self) -> bool {
        let Self::Machine(cause) = self else { return false };
        let mut cause: Option<&(dyn Error + 'static)> = Some(cause.as_ref());
        while let Some(error) = cause {
            if error.downcast_ref::<io::Error>().is_some_and(is_full) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) | Self::TooLarge(refusal) => refusal.code,
            Self::Interrupted(_) => "upload_interrupted",
            Self::Machine(_) => "storage_failed",
        }
    }

    /// For the caller, without details of this machine.
    pub fn detail(&self) -> &str {
        match self {
            Self::Refused(refusal) | Self::TooLarge(refusal) => &refusal.detail,
            Self::Interrupted(_) => "the upload was cut off",
            Self::Machine(_) => "the upload could not be stored",
        }
    }

    /// The first rows that are wrong.
    pub fn row_errors(&self) -> &[RowError] {
        match self {
            Self::Refused(refusal) | Self::TooLarge(refusal) => &refusal.rows,
            Self::Interrupted(_) | Self::Machine(_) => &[],
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Why a stored dataset could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the dataset has no column `{0}`")]
    NoColumn(String),
    #[error("the dataset has no series `{0}`")]
    NoSeries(String),
    /// The file is damaged, or this program did not write it.
    #[error("the stored file is damaged: {0}")]
    Corrupt(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<parquet::errors::ParquetError> for ReadError {
    fn from(cause: parquet::errors::ParquetError) -> Self {
        Self::Corrupt(cause.to_string())
    }
}

impl From<arrow_schema::ArrowError> for ReadError {
    fn from(cause: arrow_schema::ArrowError) -> Self {
        Self::Corrupt(cause.to_string())
    }
}
