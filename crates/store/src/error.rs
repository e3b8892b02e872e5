//! What can go wrong with the database itself. What can go wrong with a request (nothing by that
//! id, a job that has ended) is part of each answer instead.

use std::path::PathBuf;

use sqlx::migrate::MigrateError;

use super::url::UrlError;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    #[error("disk full: the database cannot grow")]
    Full,
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
/// `SQLITE_IOERR_SHMSIZE`: the index of the write-ahead log cannot grow, which a full disk alone does.
const SQLITE_SHARED_MEMORY_SIZE: &str = "4874";
/// PostgreSQL's `disk_full`.
const DISK_FULL: &str = "53100";

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_full(&error) { Self::Full } else { Self::Database(error) }
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

/// Names what could not be read back.
pub(super) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}
