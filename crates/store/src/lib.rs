//! Persistent data in SQLite or PostgreSQL: datasets, jobs, their histories, and models. All SQL of the
//! program is in this crate, one file per resource.
//!
//! Every method is one transaction: it is committed when the method returns, and rolled back if the method
//! fails or its future is dropped. A change to a job and the event that reports it are in the same
//! transaction, so readers of events miss nothing and see no change that was rolled back.

/// Runs a write that deletes or cancels, and retries it once after a conflict or on a full disk. The
/// expression is evaluated again for the retry.
macro_rules! twice {
    ($store:expr, $write:expr) => {
        match $write.await {
            Err(error) if $store.db().may_retry(&error).await => {
                let done = $write.await;
                if matches!(error, StoreError::Full) {
                    $store.keep_reserve().await;
                }
                done
            }
            done => done,
        }
    };
}

mod aliases;
mod composite_jobs;
mod connect;
mod datasets;
mod db;
mod error;
mod events;
mod job_row;
mod jobs;
mod models;
mod page;
pub mod queue;
mod reserve;
mod row;
mod storage;
mod url;

use std::sync::Arc;

use tokio::sync::{Notify, broadcast};

use gatecast_core::ids::JobId;

pub use aliases::AliasPage;
pub use composite_jobs::{Advance, OpenComposite};
pub use datasets::{DatasetDeletion, NewDataset, Revision};
pub use error::StoreError;
pub use events::HistoryPage;
pub use jobs::{Cancellation, JobDeletion, JobFilter, NewJob};
pub use models::NewModel;
pub use page::{Page, Paged};
pub use url::{DatabaseUrl, UrlError};

use db::{Db, sql};

/// How many changes a slow reader may lag behind before it is told that it missed some.
const CHANGES_KEPT: usize = 1024;

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    db: Db,
    changes: broadcast::Sender<JobId>,
    cancels: broadcast::Sender<JobId>,
    work: Notify,
    ends: Notify,
}

impl Store {
    /// Opens the database, creates it if it does not exist (SQLite only), and applies migrations.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let db = connect::open(url).await?;
        let inner = Inner {
            db,
            changes: broadcast::Sender::new(CHANGES_KEPT),
            cancels: broadcast::Sender::new(CHANGES_KEPT),
            work: Notify::new(),
            ends: Notify::new(),
        };
        let store = Self { inner: Arc::new(inner) };
        store.keep_reserve().await;
        Ok(store)
    }

    /// Creates or refills the reserve for deletes on a full disk, as far as space allows.
    pub async fn keep_reserve(&self) {
        if let Db::Sqlite { reserve, .. } = self.db() {
            let reserve = reserve.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || reserve::keep(&reserve)).await {
                tracing::error!(%error, "the reserve for deletes was not made");
            }
        }
    }

    /// `sqlite` or `postgres`.
    pub fn backend(&self) -> &'static str {
        match self.inner.db {
            Db::Sqlite { .. } => "sqlite",
            Db::Postgres(_) => "postgres",
        }
    }

    /// Checks that the database responds.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db().fetch_optional(sql("SELECT 1")).await.map(drop)
    }

    /// Whether there are no datasets, jobs or models.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        let any = "SELECT 1 WHERE EXISTS (SELECT 1 FROM datasets) OR EXISTS (SELECT 1 FROM jobs) \
                   OR EXISTS (SELECT 1 FROM models)";
        Ok(self.db().fetch_optional(sql(any)).await?.is_none())
    }

    /// Jobs changed by this process, each sent after its commit. Changes by other servers are not sent, so
    /// readers also poll.
    pub fn changes(&self) -> broadcast::Receiver<JobId> {
        self.inner.changes.subscribe()
    }

    /// Running jobs whose cancel was requested in this process. Requests on other servers are seen at the
    /// next heartbeat.
    pub fn cancels(&self) -> broadcast::Receiver<JobId> {
        self.inner.cancels.subscribe()
    }

    /// Notified when a job becomes claimable in this process. A notification without a waiter is kept.
    pub fn work(&self) -> &Notify {
        &self.inner.work
    }

    /// Notified when a job ends in this process, so that its parent may continue. A notification without a
    /// waiter is kept.
    pub fn ends(&self) -> &Notify {
        &self.inner.ends
    }

    /// Closes all connections, once running statements have ended.
    pub async fn close(&self) {
        self.inner.db.close().await;
    }

    fn db(&self) -> &Db {
        &self.inner.db
    }

    /// Sends that the job has changed, and may have ended.
    fn ended(&self, job: JobId) {
        self.changed(job);
        self.inner.ends.notify_one();
    }

    /// Having no receivers is not an error.
    fn changed(&self, job: JobId) {
        let _ = self.inner.changes.send(job);
    }
}
