//! What can go wrong with the database itself. What can go wrong with a request (nothing by that
//! id, a job that has ended) is part of each answer instead.

use std::path::PathBuf;

use super::url::UrlError;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    #[error("the disk of the database is full")]
    Full,
    #[error("the database holds something this program did not write: {0}")]
    Corrupt(String),
    #[error("the database URL is wrong: {0}")]
    Url(#[from] UrlError),
    #[error("the database file {} cannot be opened", .path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error("the database was made by a newer gatecast (it is at migration {found}, this program knows {known})")]
    Newer { found: i64, known: i64 },
    #[error("the database could not be brought up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    #[error("SQLite {found} is too old: at least {needed} is needed")]
    OldSqlite { found: String, needed: &'static str },
}

/// `SQLITE_FULL`.
const SQLITE_FULL: &str = "13";
/// PostgreSQL's `disk_full`.
const DISK_FULL: &str = "53100";

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|database| database.code());
        match code.as_deref() {
            Some(SQLITE_FULL | DISK_FULL) => Self::Full,
            _ => Self::Database(error),
        }
    }
}

/// Names what could not be read back.
pub(super) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}
