//! Opens the database and applies migrations.
//!
//! Migrations are forward-only, with the same numbers for both databases. A database with migrations of a
//! newer program version is rejected before anything is written to it.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, PgConnection, Postgres, SqlSafeStr, Sqlite, SqlitePool};

use super::db::Db;
use super::error::{StoreError, corrupt, is_full};
use super::reserve;
use super::url::DatabaseUrl;

/// The maximum number of connections. PostgreSQL allows 100 by default, shared by all servers.
const POSTGRES_CONNECTIONS: u32 = 16;
const SQLITE_READERS: u32 = 4;
/// The first version with fixes for WAL's known ways to lose a commit.
const SQLITE_NEEDED: &str = "3.51.3";
/// How long a statement waits for another process that locks the SQLite file, such as a backup or a shell.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a write waits for earlier writes. Writes run one at a time.
const SQLITE_QUEUE_TIME: Duration = Duration::from_secs(15);
/// How long a request waits for a connection before it fails.
const POSTGRES_ACQUIRE_TIME: Duration = Duration::from_secs(2);
/// Settings of every session. If a server stops in the middle of a transaction, PostgreSQL ends the
/// transaction and releases its locks well before the leases of the server's jobs expire. A statement waits
/// for such locks no longer than a client would.
const POSTGRES_SESSION: [(&str, &str); 2] = [("idle_in_transaction_session_timeout", "10s"), ("lock_timeout", "5s")];
/// The timeout of the first connection to PostgreSQL, at start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Number, name, SQLite's SQL, PostgreSQL's SQL.
const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (
        1,
        "start",
        include_str!("../../../migrations/sqlite/0001_start.sql"),
        include_str!("../../../migrations/postgres/0001_start.sql"),
    ),
    (
        2,
        "families",
        include_str!("../../../migrations/sqlite/0002_families.sql"),
        include_str!("../../../migrations/postgres/0002_families.sql"),
    ),
    (
        3,
        "started",
        include_str!("../../../migrations/sqlite/0003_started.sql"),
        include_str!("../../../migrations/postgres/0003_started.sql"),
    ),
    (
        4,
        "dependable",
        include_str!("../../../migrations/sqlite/0004_dependable.sql"),
        include_str!("../../../migrations/postgres/0004_dependable.sql"),
    ),
];

pub(super) async fn open(url: &DatabaseUrl) -> Result<Db, StoreError> {
    match url {
        DatabaseUrl::Sqlite(path) => {
            let reserve = reserve::path(path);
            match open_sqlite(path, &reserve).await {
                // The reserve exists for this case: once the server has started, it can delete.
                Err(StoreError::Full) if reserve.exists() => {
                    reserve::free(&reserve);
                    open_sqlite(path, &reserve).await
                }
                done => done,
            }
        }
        DatabaseUrl::Postgres(options) => open_postgres(options).await,
    }
}

async fn open_sqlite(path: &Path, reserve: &Path) -> Result<Db, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool = || PoolOptions::<Sqlite>::new().test_before_acquire(false).idle_timeout(None).max_lifetime(None);
    let opened = |source| match is_full(&source) {
        true => StoreError::Full,
        false => StoreError::Open { path: path.to_owned(), source },
    };
    // After some errors, in particular a full disk, SQLite rolls back the transaction by itself, and sqlx
    // still counts it as open. Such a connection is replaced.
    let writer = pool()
        .max_connections(1)
        .acquire_timeout(SQLITE_QUEUE_TIME)
        .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
        .connect_with(options.clone())
        .await
        .map_err(opened)?;
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&writer).await?;
    check_sqlite(&version)?;
    migrate_sqlite(&writer).await?;
    let readers = pool().max_connections(SQLITE_READERS).connect_with(options.read_only(true)).await.map_err(opened)?;
    Ok(Db::Sqlite { writer, readers, reserve: reserve.to_owned() })
}

/// SQLite has no lock for migrations: if two processes start at once, the slower one fails on a migration
/// that the other has applied. It then retries with the remaining migrations.
async fn migrate_sqlite(writer: &SqlitePool) -> Result<(), StoreError> {
    let mut left = MIGRATIONS.len();
    loop {
        let migrations = MIGRATIONS.iter().map(|&(number, name, sqlite, _)| (number, name, sqlite));
        match migrate(&mut *writer.acquire().await?, migrations).await {
            Err(StoreError::Migrate(MigrateError::ExecuteMigration(..))) if left > 0 => left -= 1,
            done => return done,
        }
    }
}

async fn open_postgres(options: &PgConnectOptions) -> Result<Db, StoreError> {
    let options = options.clone().application_name("gatecast");
    // Migrations use a separate connection without the session's timeouts: a starting server waits while
    // another migrates.
    let mut first = reach(&options).await?;
    let migrations = MIGRATIONS.iter().map(|&(number, name, _, postgres)| (number, name, postgres));
    migrate(&mut first, migrations).await?;
    // Everything is committed; an unclean close changes nothing.
    let _ = first.close().await;
    let pool = PoolOptions::<Postgres>::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(POSTGRES_ACQUIRE_TIME)
        .connect_with(options.options(POSTGRES_SESSION))
        .await?;
    Ok(Db::Postgres(pool))
}

/// Connects once: a pool would retry until its timeout and then hide the cause.
async fn reach(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let server = match options.get_socket() {
        Some(socket) => format!("{}:{}", socket.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let reason = match tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => return Ok(connection),
        Ok(Err(sqlx::Error::Io(cause))) => cause.to_string(),
        Ok(Err(sqlx::Error::Database(cause))) => cause.message().to_owned(),
        Ok(Err(cause)) => cause.to_string(),
        Err(_) => format!("no answer within {} seconds", CONNECT_TIMEOUT.as_secs()),
    };
    Err(StoreError::Unreachable { server, reason })
}

async fn migrate<C: Migrate>(
    connection: &mut C,
    migrations: impl Iterator<Item = (i64, &'static str, &'static str)>,
) -> Result<(), StoreError> {
    let migrations: Vec<Migration> = migrations
        .map(|(number, name, text)| {
            Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, text.into_sql_str(), false)
        })
        .collect();
    let known = migrations.iter().map(|migration| migration.version).max().unwrap_or(0);
    let migrator = Migrator::with_migrations(migrations);
    match migrator.run_direct(None, connection, false).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) => Err(StoreError::Newer { found, known }),
        Err(error) => Err(error.into()),
    }
}

fn check_sqlite(version: &str) -> Result<(), StoreError> {
    let parse = |text: &str| -> Option<Vec<u32>> { text.split('.').map(|part| part.parse().ok()).collect() };
    let found = parse(version).ok_or_else(|| corrupt(format!("SQLite's version {version}")))?;
    if parse(SQLITE_NEEDED).is_some_and(|needed| found >= needed) {
        return Ok(());
    }
    Err(StoreError::OldSqlite { found: version.to_owned(), needed: SQLITE_NEEDED })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        for new_enough in ["3.51.3", "3.51.10", "3.52.0", "4.0.0"] {
            assert!(check_sqlite(new_enough).is_ok(), "{new_enough}");
        }
        for old in ["3.51.2", "3.9.9", "3.51"] {
            assert!(matches!(check_sqlite(old), Err(StoreError::OldSqlite { .. })), "{old}");
        }
    }

    #[test]
    fn migrations_are_numbered_without_holes() {
        assert!(MIGRATIONS.iter().enumerate().all(|(at, migration)| migration.0 == at as i64 + 1));
    }
}
