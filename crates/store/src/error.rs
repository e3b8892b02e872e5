//! Errors of the database itself. Expected results of a request (an unknown id, a job that has ended) are
//! part of each method's return type instead.

use std::path::PathBuf;

use sqlx::migrate::MigrateError;

use super::url::UrlError;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    #[error("disk full: the database cannot grow")]
    Full,
    /// The database is down or rejects requests at the moment: retrying later may help.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    #[error("the database did not answer in time")]
    TimedOut,
    /// A deadlock or a serialization failure: retrying the transaction may succeed.
    #[error("another transaction was in the way")]
    Conflict(#[source] sqlx::Error),
    #[error("the database holds something this program did not write: {0}")]
    Corrupt(String),
    #[error("the database URL is wrong: {0}")]
    Url(#[from] UrlError),
    #[error("the database file {} cannot be opened", .path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error("cannot connect to PostgreSQL at {server}: {reason}")]
    Unreachable { server: String, reason: String },
    #[error("the database was made by a newer gatecast (it is at migration {found}, this program knows {known})")]
    Newer { found: i64, known: i64 },
    #[error("the database could not be brought up to date")]
    Migrate(#[source] MigrateError),
    #[error("SQLite {found} is too old: at least {needed} is needed")]
    OldSqlite { found: String, needed: &'static str },
}

/// `SQLITE_FULL`.
const SQLITE_FULL: &str = "13";
/// `SQLITE_IOERR_SHMSIZE`: the index of the write-ahead log cannot grow, which only a full disk causes.
const SQLITE_SHARED_MEMORY_SIZE: &str = "4874";
/// PostgreSQL's `disk_full`.
const DISK_FULL: &str = "53100";

/// PostgreSQL's `serialization_failure` and `deadlock_detected`.
const CONFLICTS: &[&str] = &["40001", "40P01"];
/// PostgreSQL's `too_many_connections`, `lock_not_available`, `admin_shutdown`, `crash_shutdown`,
/// `cannot_connect_now` and `idle_in_transaction_session_timeout`.
const UNAVAILABLE: &[&str] = &["53300", "55P03", "57P01", "57P02", "57P03", "25P03"];
/// `SQLITE_BUSY` and `SQLITE_LOCKED`, compared with the low byte of SQLite's codes.
const SQLITE_LOCKED: &[u32] = &[5, 6];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|database| database.code()).unwrap_or_default().into_owned();
        match code.as_str() {
            _ if is_full(&error) => Self::Full,
            code if CONFLICTS.contains(&code) => Self::Conflict(error),
            code if UNAVAILABLE.contains(&code) || is_connection_failure(&error, code) => Self::Unavailable(error),
            _ => Self::Database(error),
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match &error {
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) if is_full(cause) => Self::Full,
            _ => Self::Migrate(error),
        }
    }
}

pub(super) fn is_full(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|database| database.code());
    matches!(code.as_deref(), Some(SQLITE_FULL | SQLITE_SHARED_MEMORY_SIZE | DISK_FULL))
}

/// `code` is the database's error code, empty for other errors.
fn is_connection_failure(error: &sqlx::Error, code: &str) -> bool {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Tls};
    // PostgreSQL's codes have five characters; SQLite's are numbers of at most four digits.
    let locked = code.len() < 5 && code.parse::<u32>().is_ok_and(|code| SQLITE_LOCKED.contains(&(code & 0xff)));
    locked || code.starts_with("08") || matches!(error, Io(_) | Tls(_) | PoolTimedOut | PoolClosed)
}

/// An error for stored data that cannot be read.
pub(super) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}
