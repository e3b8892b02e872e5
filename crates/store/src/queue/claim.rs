//! Claiming jobs.

use uuid::Uuid;

use gatecast_core::ids::JobId;
use gatecast_core::job::{Job, JobError, JobEventKind, JobStatus};
use gatecast_core::order::JobSpec;

use super::super::db::{Record, Sql, Tx, sql};
use super::super::events;
use super::super::job_row::{self, job_columns};
use super::{Claim, End, Lease, LeasePolicy, end, micros};
use crate::{Store, StoreError};

impl Store {
    /// Claims the oldest job that is due; returns `None` if there is none.
    ///
    /// Jobs with too many faults, jobs that were cancelled while their worker died, and jobs that cannot be
    /// read are ended on the way.
    pub async fn claim(&self, owner: Uuid, terms: &LeasePolicy) -> Result<Option<Claim>, StoreError> {
        loop {
            let mut tx = self.db().begin().await?;
            let now = tx.now().await?;
            let update = take_oldest(&tx, owner, now, terms);
            let Some(row) = tx.fetch_optional(update).await? else {
                tx.rollback().await?;
                return Ok(None);
            };
            let id: JobId = row.id("id")?;
            let claim = match read(&row) {
                Ok((job, order)) => {
                    let ended = end_instead(&mut tx, &job, row.number("faults")?, terms, now).await?;
                    (!ended).then_some(Claim { lease: Lease { job: id, attempt: job.attempt }, job, order })
                }
                Err(StoreError::Corrupt(fault)) => {
                    tracing::error!(job = %id, fault, "a queued job cannot be read and ends as failed");
                    end(&mut tx, id, now, End::Failed(&job_row::unreadable())).await?;
                    None
                }
                Err(error) => return Err(error),
            };
            if let Some(claim) = &claim {
                let data = events::status(JobStatus::Running, claim.lease.attempt, None, None);
                events::append(&mut tx, id, now, JobEventKind::Status, &data).await?;
            }
            tx.commit().await?;
            self.ended(id);
            if claim.is_some() {
                return Ok(claim);
            }
        }
    }
}

fn read(row: &Record) -> Result<(Job, JobSpec), StoreError> {
    Ok((job_row::read(row)?, job_row::read_order(row)?))
}

/// One statement finds and claims the job. If the job was still running, its worker has died; this counts as
/// a fault and is stored as the last error.
///
/// A back-off that ends later than the longest possible one was computed before the clock was set back, and
/// counts as expired.
fn take_oldest(tx: &Tx, owner: Uuid, now: i64, terms: &LeasePolicy) -> Sql {
    let longest = micros(terms.longest_delay.max(terms.full_disk_delay));
    sql("UPDATE jobs SET status = 'running', attempt = attempt + 1, lease_owner = $1, claimable_at = $2, \
         started_at = COALESCE(started_at, $3), version = version + 1, \
         faults = faults + CASE WHEN status = 'running' THEN 1 ELSE 0 END, \
         error_code = CASE WHEN status = 'running' THEN 'worker_lost' ELSE error_code END, \
         error_detail = CASE WHEN status = 'running' THEN $4 ELSE error_detail END \
         WHERE id = (SELECT id FROM jobs WHERE (claimable_at <= $3 OR (claimable_at > $5 AND status = 'queued')) \
         AND coordinates = 0 ORDER BY id LIMIT 1")
    .bind(owner)
    .bind(now.saturating_add(micros(terms.lease)))
    .bind(now)
    .bind("the server that ran the job stopped answering")
    .bind(now.saturating_add(longest))
    .push(tx.lock_free_row())
    .push(concat!(") RETURNING ", job_columns!()))
}

/// Ends a claimed job that should not run again.
async fn end_instead(tx: &mut Tx, job: &Job, faults: u32, terms: &LeasePolicy, now: i64) -> Result<bool, StoreError> {
    if job.cancel_requested {
        end(tx, job.id, now, End::Cancelled).await?;
    } else if faults >= terms.max_faults {
        end(tx, job.id, now, End::Failed(&exhausted(faults, job.error.as_ref()))).await?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// The error of a job with too many faults of the machine.
pub(super) fn exhausted(faults: u32, last: Option<&JobError>) -> JobError {
    let last = last.map_or_else(String::new, |last| format!(": {}: {}", last.code, last.detail));
    JobError {
        code: "attempts_exhausted".to_owned(),
        detail: format!("given up after {faults} faults of the machine in a row; the last{last}"),
    }
}
