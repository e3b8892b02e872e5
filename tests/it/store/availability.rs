//! PostgreSQL is unreachable, hangs, or is used by a server that hangs.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use gatecast_core::job::JobStatus;
use gatecast_store::{Store, StoreError};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::task::JoinSet;

use super::{Bed, status};
use crate::postgres;
use crate::support::Proxy;

/// A store on a new database, and another one behind a proxy; `None` if there is no PostgreSQL.
async fn behind_a_proxy() -> Option<(Bed, Proxy, Store)> {
    let url = postgres::database().await?;
    let (proxy, through) = Proxy::before(&url)?;
    let bed = Bed::at(url).await;
    let store = Store::open(&through.parse().unwrap()).await.unwrap();
    Some((bed, proxy, store))
}

fn is_unavailable<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable(_) | StoreError::TimedOut))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_database_is_an_error_within_seconds_until_it_is_back() {
    let Some((bed, mut proxy, store)) = behind_a_proxy().await else { return };
    store.ping().await.unwrap();
    proxy.cut().await;
    let asked = Instant::now();
    let answer = store.ping().await;
    assert!(is_unavailable(&answer), "{answer:?}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    proxy.restore();
    store.ping().await.unwrap();

    proxy.freeze();
    let asked = Instant::now();
    let answer = store.ping().await;
    assert!(is_unavailable(&answer), "{answer:?}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    proxy.thaw();
    store.ping().await.unwrap();
    postgres::drop_database(&bed.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_in_a_transaction_does_not_block_others() {
    let Some((bed, proxy, hanging)) = behind_a_proxy().await else { return };
    let job = bed.job().await;
    // The hanging server waits for the job's row inside a transaction and gets the lock, but not the response.
    let mut holder = PgConnection::connect(&bed.url).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT id FROM jobs FOR UPDATE").execute(&mut holder).await.unwrap();
    let mut tasks = JoinSet::new();
    let id = job.id;
    tasks.spawn(async move { hanging.cancel_job(id).await.map(drop) });
    waits_for_a_lock(&bed).await;
    proxy.freeze();
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    let asked = Instant::now();
    // Each attempt waits a few seconds for the lock.
    while let Err(error) = bed.store.cancel_job(job.id).await {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(asked.elapsed() < Duration::from_secs(25), "the row is still locked");
    }
    assert_eq!(status(&bed.store, &job).await, JobStatus::Cancelled);
    tasks.shutdown().await;
    postgres::drop_database(&bed.url).await;
}

async fn waits_for_a_lock(bed: &Bed) {
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until(bed, waiting, |waiting| waiting > 0).await;
}

/// Polls a count until it satisfies the condition.
async fn until(bed: &Bed, count: &str, wanted: impl Fn(i64) -> bool) {
    let mut connection = PgConnection::connect(&bed.url).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let found: i64 =
            sqlx::raw_sql(AssertSqlSafe(count.to_owned())).fetch_one(&mut connection).await.unwrap().get(0);
        if wanted(found) {
            return;
        }
        assert!(Instant::now() < deadline, "{found}: {count}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A future that is dropped after a number of polls.
struct Polls<F> {
    inner: Pin<Box<F>>,
    left: u32,
}

impl<F: Future> Future for Polls<F> {
    /// Whether it completed.
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        if self.inner.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 { Poll::Ready(false) } else { Poll::Pending }
    }
}

/// Drops the request at every point where it can be cancelled, including `BEGIN`.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_write_leaves_no_open_transaction() {
    let Some(url) = postgres::database().await else { return };
    let bed = Bed::at(url).await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND state LIKE 'idle in transaction%'";
    // On a busy machine the database may respond before each read, and a write completes at its first poll.
    let mut broken_off = 0;
    while broken_off < 5 {
        let job = bed.job().await;
        for polls in 1.. {
            let write = Polls { inner: Box::pin(bed.store.cancel_job(job.id)), left: polls };
            let ended = pin!(write).await;
            until(&bed, open, |open| open == 0).await;
            if ended {
                break;
            }
            broken_off += 1;
        }
    }
    postgres::drop_database(&bed.url).await;
}
