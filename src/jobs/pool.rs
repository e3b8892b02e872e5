//! The pool: claims jobs while a worker is free, and releases them at shutdown.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::supervised::{Restarts, supervise};
use super::{PoolConfig, coordinator, supervisor, sweeper};
use gatecast_blobs::Blobs;
use gatecast_store::Store;
use gatecast_store::queue::{Claim, ReleaseReason};

/// The pause after the database failed.
const AFTER_ERROR: Duration = Duration::from_secs(3);

/// The workers of one server.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
}

/// State shared by all tasks of the pool.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) blobs: Blobs,
    pub(super) config: PoolConfig,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    /// One permit per concurrent job.
    slots: Arc<Semaphore>,
    /// Set once the leases of the previous server process are reclaimed.
    reclaimed: OnceCell<()>,
}

impl Pool {
    /// Reclaims the leases of an earlier server on this data folder, and starts claiming jobs.
    pub fn start(store: Store, blobs: Blobs, config: PoolConfig) -> Self {
        let stop = CancellationToken::new();
        let slots = Arc::new(Semaphore::new(config.workers));
        let (tasks, reclaimed) = (TaskTracker::new(), OnceCell::new());
        let shared = Arc::new(Shared { store, blobs, config, stop, tasks, slots, reclaimed });
        run_loop(&shared, "dispatcher", dispatch);
        run_loop(&shared, "coordinator", coordinator::run);
        run_loop(&shared, "sweeper", sweeper::run);
        Self { shared }
    }

    /// Stops claiming, kills the trainers and releases their jobs. Returns `false` if that exceeds the time
    /// limit; the remaining leases are reclaimed at the next start.
    pub async fn shutdown(&self) -> bool {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        tokio::time::timeout(self.shared.config.shutdown, self.shared.tasks.wait()).await.is_ok()
    }
}

fn run_loop<F>(shared: &Arc<Shared>, name: &'static str, run: fn(Arc<Shared>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let shared = Arc::clone(shared);
    shared.tasks.clone().spawn(async move {
        let (tasks, stop) = (shared.tasks.clone(), shared.stop.clone());
        let make = || run(Arc::clone(&shared));
        supervise(name, tasks, stop, &shared.config.health, Restarts::default(), make).await;
    });
}

async fn dispatch(shared: Arc<Shared>) {
    // Once only: a restarted dispatcher already has jobs running.
    shared.reclaimed.get_or_init(|| reclaim_leases(&shared)).await;
    loop {
        let slot = tokio::select! {
            slot = Arc::clone(&shared.slots).acquire_owned() => slot,
            () = shared.stop.cancelled() => return,
        };
        let (Ok(slot), Some(claim)) = (slot, next(&shared).await) else { return };
        let worker = Arc::clone(&shared);
        shared.tasks.spawn(async move {
            supervisor::run(&worker, claim).await;
            drop(slot);
        });
    }
}

async fn reclaim_leases(shared: &Shared) {
    while let Err(error) = shared.store.reclaim_leases(shared.config.owner).await {
        tracing::error!(error = &error as &dyn std::error::Error, "the jobs of the last run cannot be taken back");
        tokio::select! {
            () = tokio::time::sleep(AFTER_ERROR) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// Waits for a job to run; returns `None` at shutdown.
async fn next(shared: &Shared) -> Option<Claim> {
    loop {
        // Registered before the query, so that a notification between the query and the wait is not missed.
        let mut notice = std::pin::pin!(shared.store.work().notified());
        notice.as_mut().enable();
        if shared.stop.is_cancelled() {
            return None;
        }
        // Not cancelled at shutdown: the claim may already be committed.
        let pause = match shared.store.claim(shared.config.owner, &shared.config.terms).await {
            Ok(Some(claim)) if shared.stop.is_cancelled() => {
                let back = shared.store.release(claim.lease, &shared.config.terms, &ReleaseReason::Shutdown).await;
                if let Err(error) = back {
                    tracing::warn!(job = %claim.job.id, error = &error as &dyn std::error::Error, "not handed back");
                }
                return None;
            }
            Ok(Some(claim)) => return Some(claim),
            Ok(None) => shared.config.poll,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "no job can be claimed");
                AFTER_ERROR
            }
        };
        tokio::select! {
            () = notice => {}
            () = tokio::time::sleep(pause) => {}
            () = shared.stop.cancelled() => return None,
        }
    }
}
