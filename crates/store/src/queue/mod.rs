//! The queue: the jobs' rows, as workers see them.
//!
//! A worker **claims** the oldest job that is due: a queued one whose back-off is over, or a
//! running one whose lease ran out because its worker died. The claim raises the job's attempt
//! number and gives a lease, which a **heartbeat** renews. Every later write names the attempt it
//! belongs to and is refused ([`WriteOutcome::Lost`]) once the job has another, or has ended: a worker
//! that was thought dead and wakes up late changes nothing. No transaction is open while a job
//! runs.
//!
//! **What is promised.** Two workers never hold the same attempt. A job ends exactly once: its
//! end, its event and (on success) its model's row are one transaction under the fence.
//!
//! **Rows that cannot be read**, because another version wrote them or they are damaged, end as
//! failed when they are claimed; the jobs behind them go on.
//!
//! **Clocks.** A queued job without a back-off is due whatever the clock says. Leases are measured by the database's clock ([`super::db::Tx::now`]), so servers
//! need not agree on the time. If that clock jumps ahead, or a worker stalls past its lease, a job
//! may be taken from a worker that still runs it; the fence makes the first one's work void, and
//! the second continues from the last checkpoint. That costs time, never correctness.
//!
//! **Cancelling** a running job sets a flag that the worker reads at its heartbeat. If the
//! worker's end comes first, the job ends as the worker said; if the worker dies or hands the job
//! back, the flag ends the job instead of another attempt.
//!
//! **Faults of the machine** (a crash, a lease that ran out) send the job back with a growing delay.
//! After [`LeasePolicy::max_faults`] of them without one new epoch between them, the job fails. A
//! release at shutdown is not a fault. Neither is a full disk: the job waits until there is room.

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

/// How workers hold jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeasePolicy {
    /// How long a worker may be silent.
    pub lease: Duration,
    /// Faults without a new epoch between them that end a job.
    pub max_faults: u32,
    /// The delay after the first fault; it doubles with each further one.
    pub first_delay: Duration,
    pub longest_delay: Duration,
    /// How long a job waits for room on a full disk before it is tried again.
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

/// One attempt at one job: what every write of a worker is fenced by.
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
    /// The job's order, which `job.order` holds too; a job that is claimed has one.
    pub order: JobSpec,
}

/// Response to a heartbeat: whether the worker should continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum HeartbeatResponse {
    Continue,
    /// A cancel was requested.
    Cancel,
    /// The attempt is no longer this worker's: stop, and write nothing.
    Lost,
}

/// Whether a fenced write was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum WriteOutcome {
    Done,
    /// The attempt is no longer this worker's; nothing was changed.
    Lost,
}

/// Why a worker returns a job unfinished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseReason {
    /// The server ends; another may go on at once.
    Shutdown,
    /// The machine failed: tried again after a delay, [`LeasePolicy::max_faults`] times at most.
    Fault(JobError),
    /// The disk is full: tried again until there is room.
    DiskFull(JobError),
}

/// The transaction of a worker's write, with the row of its job locked; `None` if the lease is lost.
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
    /// Ends the leases of `owner`, so that their jobs can be claimed again at once. Returns their
    /// number.
    ///
    /// Only for an owner that is known to be dead: the server calls it at its start, for its own
    /// name, under the lock of its data folder.
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
