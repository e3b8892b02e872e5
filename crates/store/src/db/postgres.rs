//! PostgreSQL connections that never return to the pool inside a transaction or a statement.
//!
//! A request may be cancelled at any await, for example when its client disconnects or its time limit ends.
//! sqlx then rolls back only when the connection is next used, and after a cancelled `BEGIN` not even then.
//! Until then the transaction holds its locks, and other servers wait for them. So a connection that is
//! dropped during a transaction or a statement is closed, which ends the transaction on the server at once.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Executor, PgPool, Postgres};
use tokio::time::timeout;

use super::{Sql, query};
use crate::error::StoreError;

/// The timeout of one statement. It is the only way to detect a server that does not respond at all.
const STATEMENT_TIME: Duration = Duration::from_secs(10);

/// A pooled connection.
#[derive(Debug)]
pub(crate) struct Connection {
    inner: PoolConnection<Postgres>,
    /// A statement is running.
    busy: bool,
    in_transaction: bool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.busy || self.in_transaction {
            self.inner.close_on_drop();
        }
    }
}

/// Runs one statement with a timeout of [`STATEMENT_TIME`].
macro_rules! run {
    ($connection:expr, $statement:expr) => {{
        $connection.busy = true;
        let done = timeout(STATEMENT_TIME, $statement).await.map_err(|_| StoreError::TimedOut)?;
        $connection.busy = false;
        done.map_err(StoreError::from)
    }};
}

impl Connection {
    pub(super) async fn acquire(pool: &PgPool) -> Result<Self, StoreError> {
        Ok(Self { inner: pool.acquire().await?, busy: false, in_transaction: false })
    }

    pub(super) async fn begin(pool: &PgPool) -> Result<Self, StoreError> {
        let mut connection = Self::acquire(pool).await?;
        connection.in_transaction = true;
        connection.simple("BEGIN").await?;
        Ok(connection)
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.simple("COMMIT").await?;
        self.in_transaction = false;
        Ok(())
    }

    pub(super) async fn rollback(mut self) -> Result<(), StoreError> {
        self.simple("ROLLBACK").await?;
        self.in_transaction = false;
        Ok(())
    }

    async fn simple(&mut self, statement: &'static str) -> Result<(), StoreError> {
        run!(self, self.inner.execute(statement)).map(drop)
    }

    /// Returns the number of rows changed.
    pub(super) async fn execute(&mut self, sql: Sql) -> Result<u64, StoreError> {
        Ok(run!(self, query!(Postgres, sql).execute(&mut *self.inner))?.rows_affected())
    }

    pub(super) async fn fetch_optional(&mut self, sql: Sql) -> Result<Option<sqlx::postgres::PgRow>, StoreError> {
        run!(self, query!(Postgres, sql).fetch_optional(&mut *self.inner))
    }

    pub(super) async fn fetch_all(&mut self, sql: Sql) -> Result<Vec<sqlx::postgres::PgRow>, StoreError> {
        run!(self, query!(Postgres, sql).fetch_all(&mut *self.inner))
    }
}
