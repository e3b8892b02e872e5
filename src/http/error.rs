//! Converts the errors of every layer to problems, with a status and a code.

use super::problem::{Code, Problem, RowProblem};
use crate::service::forecasts::ServeError;
use crate::service::{KeepError, OrderError, RetryError};
use gatecast_blobs::BlobError;
use gatecast_core::ids::DatasetId;
use gatecast_core::resolve::FieldError;
use gatecast_data::{IngestError, ReadError, Refusal, RowError};
use gatecast_forecast::ForecastError;
use gatecast_model::bundle::BundleError;
use gatecast_store::StoreError;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => disk_full(),
            StoreError::Unavailable(_) | StoreError::TimedOut | StoreError::Conflict(_) => unavailable(&error),
            StoreError::Database(_)
            | StoreError::Corrupt(_)
            | StoreError::Url(_)
            | StoreError::Open { .. }
            | StoreError::Unreachable { .. }
            | StoreError::Newer { .. }
            | StoreError::Migrate(_)
            | StoreError::OldSqlite { .. } => Problem::internal(&error),
        }
    }
}

/// Retry interval for a database failure, in seconds.
const DATABASE_RETRY: u16 = 2;

fn unavailable(error: &StoreError) -> Problem {
    tracing::warn!(error = error as &dyn std::error::Error, "the database is not available");
    let detail = "the database is not available now; try again later";
    Problem::new(Code::DatabaseUnavailable, detail).retry_after(DATABASE_RETRY)
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Full => disk_full(),
            BlobError::NotFound(_) => Problem::not_found("it was deleted a moment ago"),
            BlobError::NotAHash | BlobError::Io(_) | BlobError::Store(_) => Problem::internal(&error),
        }
    }
}

impl From<KeepError> for Problem {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Blob(error) => error.into(),
            KeepError::Store(error) => error.into(),
        }
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::NoDataset(pointer, id) => no_dataset(pointer, id),
            OrderError::NoModel(_) => unfit(vec![FieldError::new("/model", error.to_string())]),
            OrderError::Invalid(errors) => Problem::invalid_fields(errors),
            OrderError::Unfit(errors) => unfit(errors),
            OrderError::Store(error) => error.into(),
        }
    }
}

impl From<RetryError> for Problem {
    fn from(error: RetryError) -> Self {
        let conflict = |code| Problem::new(code, error.to_string());
        match error {
            RetryError::NoJob(_) => Problem::not_found(error.to_string()),
            RetryError::NotFailed(_) => conflict(Code::JobNotFailed),
            RetryError::DatasetDeleted => conflict(Code::DatasetDeleted),
            RetryError::Unreadable => conflict(Code::OrderUnreadable),
            RetryError::Incomplete => conflict(Code::JobIncomplete),
            RetryError::Store(error) => error.into(),
        }
    }
}

/// A body names a dataset that does not exist.
fn no_dataset(pointer: impl Into<String>, id: DatasetId) -> Problem {
    unfit(vec![FieldError::new(pointer, format!("there is no dataset {id}"))])
}

fn unfit(errors: Vec<FieldError>) -> Problem {
    Problem::invalid_fields(errors)
}

impl From<ServeError> for Problem {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::NoModel(_) => Problem::not_found(error.to_string()),
            ServeError::NoDataset(id) => no_dataset("/dataset", id),
            ServeError::Forecast(ForecastError::Invalid(errors)) => unfit(errors),
            ServeError::Forecast(not_finite @ ForecastError::NotFinite(_)) => {
                Problem::new(Code::ForecastNotFinite, not_finite.to_string())
            }
            ServeError::NoTrainingDataset(_) => unfit(vec![FieldError::new(
                "/series",
                format!("{error}: set `dataset` to one that is, or send the series' values"),
            )]),
            ServeError::DatasetDeleted(_) => Problem::not_found(error.to_string()),
            ServeError::Forecast(ForecastError::Dataset(error)) => error.into(),
            ServeError::Store(error) => error.into(),
            ServeError::Blob(error) => error.into(),
            ServeError::Forecast(_) | ServeError::Load(_) | ServeError::Thread(_) | ServeError::Closed(_) => {
                Problem::internal(&error)
            }
        }
    }
}

impl From<BundleError> for Problem {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::Io(cause) => cause.into(),
            BundleError::Header(_)
            | BundleError::Newer { .. }
            | BundleError::Manifest(_)
            | BundleError::MissingTensor(_)
            | BundleError::UnknownTensor(_)
            | BundleError::WrongDtype { .. }
            | BundleError::WrongShape { .. }
            | BundleError::NotFinite(_)
            | BundleError::Scaling(_)
            | BundleError::Digest => Problem::new(data_code(error.code()), error.to_string()),
        }
    }
}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Refused(refusal) => refused(*refusal),
            IngestError::TooLarge(refusal) => refused(*refusal),
            IngestError::Interrupted(_) => Problem::cut_off(),
            IngestError::Machine(_) if error.is_disk_full() => disk_full(),
            IngestError::Machine(_) => Problem::internal(&error),
        }
    }
}

/// The problem code for rejected data. The reader supplies the name; a test compares the names with the table.
fn data_code(name: &str) -> Code {
    Code::of_data(name).unwrap_or(Code::InvalidUpload)
}

fn refused(refusal: Refusal) -> Problem {
    let row = |RowError { line, column, code, detail }| RowProblem { line, column, code, detail };
    Problem::new(data_code(refusal.code), refusal.detail).with_rows(refusal.rows.into_iter().map(row).collect())
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NoColumn(_) => Problem::new(Code::UnknownColumn, error.to_string()),
            ReadError::NoSeries(_) => Problem::not_found(error.to_string()),
            ReadError::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                Problem::not_found("it was deleted a moment ago")
            }
            ReadError::Corrupt(_) => Problem::damaged(Code::DatasetCorrupt, "the dataset", &error),
            ReadError::Io(_) => Problem::internal(&error),
        }
    }
}

/// Writing an upload to the scratch folder failed.
impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => disk_full(),
            _ => Problem::internal(&error),
        }
    }
}

fn disk_full() -> Problem {
    tracing::error!("the disk is full");
    Problem::new(Code::DiskFull, "the server's disk is full: nothing was kept")
}
