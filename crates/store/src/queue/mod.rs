//! The queue: the jobs' rows, as workers see them.
//!
//! A worker **claims** the oldest job that is due: a queued job whose back-off is over, or a running job
//! whose lease expired because its worker died. The claim increments the job's attempt number and returns a
//! lease, which a **heartbeat** renews. Every later write carries its attempt number and is rejected
//! ([`WriteOutcome::Lost`]) once the job has another attempt or has ended: a worker that was presumed dead
//! and resumes late changes nothing. No transaction is open while a job runs.
//!
//! **Guarantees.** Two workers never have the same attempt. A job ends exactly once: its end, its event and
//! (on success) its model's row are written in one fenced transaction.
//!
//! **Rows that cannot be read**, because another version wrote them or they are damaged, end as failed when
//! they are claimed; the jobs after them continue.
//!
//! **Clocks.** A queued job without a back-off is due at any clock time. Leases are measured by the
//! database's clock ([`super::db::Tx::now`]), so servers need not agree on the time. If that clock jumps
//! ahead, or a worker stalls past its lease, a job may be claimed while its worker still runs it. The fence
//! then voids the first worker's writes, and the second worker continues from the last checkpoint. This costs
//! time but not correctness.
//!
//! **Cancelling** a running job sets a flag that the worker reads at its heartbeat. If the worker ends the
//! job first, the worker's outcome is kept; if the worker dies or releases the job, the flag ends the job
//! instead of starting another attempt.
//!
//! **Faults of the machine** (a crash, an expired lease) requeue the job with an increasing delay. After
//! [`LeasePolicy::max_faults`] faults without a new epoch between them, the job fails. A release at shutdown
//! does not count as a fault, nor does a full disk: the job waits until there is space.

mod backoff;
mod claim;
mod ends;
mod progress;

use std::time::Duration;

use gatecast_core::ids::JobId;
use gatecast_core::job::{Job, JobError};
use gatecast_core::order::JobSpec;

pub(super) use ends::{End, end};

use super::db::{Record, Tx, sql};
use super::{Store, StoreError};

/// Lease duration and retry limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeasePolicy {
    /// How long a worker may go without a heartbeat.
    pub lease: Duration,
    /// The number of faults without a new epoch between them after which a job fails.
    pub max_faults: u32,
    /// The delay after the first fault; it doubles with each further one.
    pub first_delay: Duration,
    pub longest_delay: Duration,
    /// The delay before a job is retried after a full disk.
    pub full_disk_delay: Duration,
}

impl Default for LeasePolicy {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            max_faults: 5,
            first_delay: Duration::from_secs(2),
            longest_delay: Duration::from_secs(300),
            full_disk_delay: Duration::from_secs(15),
        }
    }
}

/// One attempt of a job. Every write of a worker is fenced by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub job: JobId,
    pub attempt: u32,
}

/// A job to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    pub lease: Lease,
    pub job: Job,
    /// The job's spec, same as `job.order`; a claimed job always has one.
    pub order: JobSpec,
}

/// Response to a heartbeat: whether the worker should continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum HeartbeatResponse {
    Continue,
    /// A cancel was requested.
    Cancel,
    /// The lease is lost: the worker stops, and writes nothing.
    Lost,
}

/// Whether a fenced write was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum WriteOutcome {
    Done,
    /// The lease is lost; nothing was changed.
    Lost,
}

/// Why a worker releases a job unfinished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseReason {
    /// The server is shutting down; another may continue at once.
    Shutdown,
    /// The machine failed: retried after a delay, at most [`LeasePolicy::max_faults`] times.
    Fault(JobError),
    /// The disk is full: retried until there is space.
    DiskFull(JobError),
}

/// Starts the transaction of a worker's write and locks its job's row; returns `None` if the lease is lost.
async fn begin_held(store: &Store, lease: Lease) -> Result<Option<(Tx, Record)>, StoreError> {
    let mut tx = store.db().begin().await?;
    match held(&mut tx, lease).await? {
        Some(row) => Ok(Some((tx, row))),
        None => {
            tx.rollback().await?;
            Ok(None)
        }
    }
}

async fn held(tx: &mut Tx, lease: Lease) -> Result<Option<Record>, StoreError> {
    let select = sql("SELECT faults, cancel_requested_at FROM jobs \
                      WHERE id = $1 AND attempt = $2 AND status = 'running'")
    .bind(lease.job.uuid())
    .bind(lease.attempt)
    .push(tx.lock());
    tx.fetch_optional(select).await
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 2)
}

impl Store {
    /// Expires the leases of `owner`, so that their jobs can be claimed at once. Returns their number.
    ///
    /// Only for an owner that is known to be dead: the server calls this at start, for its own name, under
    /// the lock of its data folder.
    pub async fn reclaim_leases(&self, owner: uuid::Uuid) -> Result<u64, StoreError> {
        let mut tx = self.db().begin().await?;
        let end = sql("UPDATE jobs SET claimable_at = 0 \
                       WHERE status = 'running' AND lease_owner = $1 AND claimable_at > 0");
        let jobs = tx.execute(end.bind(owner)).await?;
        tx.commit().await?;
        if jobs > 0 {
            self.work().notify_one();
        }
        Ok(jobs)
    }
}
