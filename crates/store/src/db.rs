//! One interface to two databases.
//!
//! A statement is SQL text with placeholders `$1`, `$2`, … and values of four kinds, which both databases
//! accept; rows are read by column name. So every query of the store is written once. [`Tx`] adds the few
//! clauses that only PostgreSQL needs (row locks).
//!
//! **SQLite** has one writer connection, and every write transaction starts with `BEGIN IMMEDIATE`: writers
//! queue inside the process instead of failing with `SQLITE_BUSY`, and no other writer's changes appear
//! between the statements of a transaction. Readers have separate connections and see the last commit (WAL).
//!
//! **PostgreSQL** runs at READ COMMITTED: a statement sees what was committed when it started. A transaction
//! that needs a row to stay unchanged therefore first locks it with [`Tx::lock`], or updates it.

mod postgres;

use std::path::PathBuf;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Executor, PgPool, Postgres, Row, Sqlite, SqlitePool, Transaction, Type};
use uuid::Uuid;

use super::error::StoreError;
use super::reserve;
use postgres::Connection;

/// Builds the query for one database.
macro_rules! query {
    ($database:ty, $sql:expr) => {{
        let $crate::db::Sql { text, values } = $sql;
        let mut query = sqlx::query::<$database>(sqlx::AssertSqlSafe(text));
        for value in values {
            query = match value {
                $crate::db::Value::Integer(value) => query.bind(value),
                $crate::db::Value::Real(value) => query.bind(value),
                $crate::db::Value::Text(value) => query.bind(value),
                $crate::db::Value::Id(value) => query.bind(value),
            };
        }
        query
    }};
}
pub(crate) use query;

#[derive(Debug)]
pub(super) enum Db {
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
        /// Disk space for deletes on a full disk: see [`reserve`].
        reserve: PathBuf,
    },
    Postgres(PgPool),
}

/// A write transaction. Dropping it without [`Tx::commit`] changes nothing.
#[derive(Debug)]
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Connection),
}

/// A statement and its values.
///
/// The text is built only from literals: data from callers is always a bound value.
#[derive(Debug)]
pub(super) struct Sql {
    text: String,
    values: Vec<Value>,
}

#[derive(Debug)]
pub(super) enum Value {
    Integer(Option<i64>),
    Real(Option<f64>),
    Text(Option<String>),
    Id(Option<Uuid>),
}

#[derive(Debug)]
pub(super) enum Record {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// A type that can be read from both databases.
pub(super) trait Field:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl<T> Field for T where T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

impl Record {
    pub(super) fn get<T: Field>(&self, column: &'static str) -> Result<T, StoreError> {
        let value = match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        };
        value.map_err(StoreError::from)
    }
}

macro_rules! values_from {
    ($($type:ty => $kind:ident),+) => { $(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$kind(Some(value.into()))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$kind(value.map(Into::into))
            }
        }
    )+ };
}

values_from!(i64 => Integer, u32 => Integer, f64 => Real, String => Text, &str => Text, Uuid => Id);

pub(super) fn sql(text: &'static str) -> Sql {
    Sql { text: text.to_owned(), values: Vec::new() }
}

impl Sql {
    /// Binds the next value: the first is `$1`.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Appends a list of rows for `VALUES`.
    pub(super) fn push_rows<const N: usize>(mut self, rows: impl Iterator<Item = [Value; N]>) -> Self {
        for (number, row) in rows.enumerate() {
            self.text.push_str(if number == 0 { "(" } else { ", (" });
            for (column, value) in row.into_iter().enumerate() {
                self.text.push_str(if column == 0 { "" } else { ", " });
                self = self.push_bind_value(value);
            }
            self.text.push(')');
        }
        self
    }

    pub(super) fn push(mut self, text: &'static str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Appends a placeholder and binds its value.
    pub(super) fn push_bind(self, value: impl Into<Value>) -> Self {
        self.push_bind_value(value.into())
    }

    fn push_bind_value(mut self, value: Value) -> Self {
        self.values.push(value);
        self.text.push_str(&format!("${}", self.values.len()));
        self
    }
}

impl Db {
    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(Connection::begin(pool).await?),
        })
    }

    pub(super) async fn fetch_all(&self, sql: Sql) -> Result<Vec<Record>, StoreError> {
        Ok(match self {
            Self::Sqlite { readers, .. } => {
                query!(Sqlite, sql).fetch_all(readers).await?.into_iter().map(Record::Sqlite).collect()
            }
            Self::Postgres(pool) => {
                Connection::acquire(pool).await?.fetch_all(sql).await?.into_iter().map(Record::Postgres).collect()
            }
        })
    }

    pub(super) async fn fetch_optional(&self, sql: Sql) -> Result<Option<Record>, StoreError> {
        Ok(match self {
            Self::Sqlite { readers, .. } => query!(Sqlite, sql).fetch_optional(readers).await?.map(Record::Sqlite),
            Self::Postgres(pool) => Connection::acquire(pool).await?.fetch_optional(sql).await?.map(Record::Postgres),
        })
    }

    /// Whether to retry a failed small write: another transaction conflicted with it, or the disk was full
    /// and space has been freed.
    pub(super) async fn may_retry(&self, error: &StoreError) -> bool {
        match (error, self) {
            (StoreError::Conflict(_), _) => true,
            (StoreError::Full, Self::Sqlite { writer, reserve, .. }) => {
                // Moves the log's content into the database file, which already has the space for it.
                if let Err(error) = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").await {
                    tracing::debug!(%error, "the write-ahead log was not emptied");
                }
                reserve::free(reserve);
                true
            }
            _ => false,
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers, .. } => {
                readers.close().await;
                // Last, so that this connection checkpoints the log into the database file.
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// Returns the number of rows changed.
    pub(super) async fn execute(&mut self, sql: Sql) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(tx) => query!(Sqlite, sql).execute(&mut **tx).await?.rows_affected(),
            Self::Postgres(tx) => tx.execute(sql).await?,
        })
    }

    pub(super) async fn fetch_optional(&mut self, sql: Sql) -> Result<Option<Record>, StoreError> {
        Ok(match self {
            Self::Sqlite(tx) => query!(Sqlite, sql).fetch_optional(&mut **tx).await?.map(Record::Sqlite),
            Self::Postgres(tx) => tx.fetch_optional(sql).await?.map(Record::Postgres),
        })
    }

    pub(super) async fn fetch_all(&mut self, sql: Sql) -> Result<Vec<Record>, StoreError> {
        Ok(match self {
            Self::Sqlite(tx) => {
                query!(Sqlite, sql).fetch_all(&mut **tx).await?.into_iter().map(Record::Sqlite).collect()
            }
            Self::Postgres(tx) => tx.fetch_all(sql).await?.into_iter().map(Record::Postgres).collect(),
        })
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// Rolls back the transaction and releases its locks. A dropped transaction costs more: a PostgreSQL
    /// connection is closed, and an SQLite connection is rolled back before its next use.
    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.rollback().await?,
            Self::Postgres(tx) => tx.rollback().await?,
        }
        Ok(())
    }

    /// The clause of a SELECT that locks its row against changes until the commit.
    pub(super) fn lock(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR UPDATE",
        }
    }

    /// The clause of a SELECT that locks its row against deletion until the commit.
    pub(super) fn lock_against_deletion(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR KEY SHARE",
        }
    }

    /// The clause of a SELECT that locks its row and skips rows locked by other transactions.
    pub(super) fn lock_free_row(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Microseconds since 1970 UTC by the clock that leases are measured with.
    ///
    /// With PostgreSQL this is the database's clock, so servers whose clocks differ agree on when a lease
    /// expires. SQLite runs on one host, and so has one clock. The time may be read some moments before a
    /// statement that uses it takes effect: a lease may then end slightly early, or its expiry be detected
    /// slightly late. Neither lets two workers write for one job (see the queue's notes).
    pub(super) async fn now(&mut self) -> Result<i64, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(jiff::Timestamp::now().as_microsecond()),
            Self::Postgres(tx) => {
                let now = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS now";
                let row = tx.fetch_optional(sql(now)).await?.map(Record::Postgres);
                row.ok_or(StoreError::Database(sqlx::Error::RowNotFound))?.get("now")
            }
        }
    }
}
