//! All that must outlive the process: datasets, jobs, their histories, and models, in SQLite or
//! PostgreSQL. The only SQL of the program is here, one file a resource.
//!
//! Every method is one transaction: it has taken place whole when it answers, and not at all when
//! it fails or its future is dropped. What the API shows of a job changes together with the event
//! that tells of it, so a reader of events misses nothing and sees nothing that did not happen.

/// Does a write that deletes or cancels, and once more where another transaction was in its way or
/// the disk was full. The expression is evaluated again.
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

/// Changes a slow reader may fall behind by before it is told that it missed some.
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
    /// Opens the database, makes it where it is not there (SQLite), and brings it up to date.
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

    /// Makes sure that deletes have room on a full disk, as far as there is room for that now.
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

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db().fetch_optional(sql("SELECT 1")).await.map(drop)
    }

    /// Neither a dataset nor a job nor a model is there.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        let any = "SELECT 1 WHERE EXISTS (SELECT 1 FROM datasets) OR EXISTS (SELECT 1 FROM jobs) \
                   OR EXISTS (SELECT 1 FROM models)";
        Ok(self.db().fetch_optional(sql(any)).await?.is_none())
    }

    /// Jobs that have changed in this process, each after its commit. Changes made by other
    /// servers do not show here: readers poll as well.
    pub fn changes(&self) -> broadcast::Receiver<JobId> {
        self.inner.changes.subscribe()
    }

    /// Running jobs whose cancel was asked for in this process; other servers' requests are seen
    /// at the next heartbeat.
    pub fn cancels(&self) -> broadcast::Receiver<JobId> {
        self.inner.cancels.subscribe()
    }

    /// Told when a job has become claimable in this process. A notice with nobody waiting is kept.
    pub fn work(&self) -> &Notify {
        &self.inner.work
    }

    /// Told when a job has ended in this process: a parent may go on. A notice with nobody waiting
    /// is kept.
    pub fn ends(&self) -> &Notify {
        &self.inner.ends
    }

    /// Ends all connections, once the statements under way have ended.
    pub async fn close(&self) {
        self.inner.db.close().await;
    }

    fn db(&self) -> &Db {
        &self.inner.db
    }

    /// The job has changed, and may have ended.
    fn ended(&self, job: JobId) {
        self.changed(job);
        self.inner.ends.notify_one();
    }

    /// That nobody listens is no error.
    fn changed(&self, job: JobId) {
        let _ = self.inner.changes.send(job);
    }
}
