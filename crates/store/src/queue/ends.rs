//! Ends an attempt: the job ends, or is requeued.

use gatecast_core::ids::{JobId, ModelId};
use gatecast_core::job::{JobError, JobEventKind, JobStatus};
use gatecast_core::metric_values::FinalMetrics;
use gatecast_core::result::JobResult;

use super::super::db::{Tx, sql};
use super::super::models::{self, NewModel};
use super::super::row::{storable, to_json};
use super::super::{events, queue};
use super::{Lease, LeasePolicy, ReleaseReason, WriteOutcome, begin_held, micros};
use crate::{Store, StoreError};

/// How a job ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End<'a> {
    Succeeded {
        metrics: &'a FinalMetrics,
        model: ModelId,
    },
    /// Its result is stored already; the model is the one it chose from its children's.
    Concluded {
        model: Option<ModelId>,
    },
    Failed(&'a JobError),
    Cancelled,
}

impl Store {
    /// The job has trained a model. The model's row, the job's end and the event become visible together.
    pub async fn succeed(
        &self,
        lease: Lease,
        metrics: &FinalMetrics,
        model: &NewModel,
    ) -> Result<WriteOutcome, StoreError> {
        let Some((mut tx, _)) = begin_held(self, lease).await? else { return Ok(WriteOutcome::Lost) };
        let now = tx.now().await?;
        models::insert(&mut tx, model, Some(lease.job), now).await?;
        end(&mut tx, lease.job, now, End::Succeeded { metrics, model: model.id }).await?;
        tx.commit().await?;
        self.ended(lease.job);
        Ok(WriteOutcome::Done)
    }

    /// The job has a result and no model.
    pub async fn conclude(&self, lease: Lease, result: &JobResult) -> Result<WriteOutcome, StoreError> {
        let Some((mut tx, _)) = begin_held(self, lease).await? else { return Ok(WriteOutcome::Lost) };
        let now = tx.now().await?;
        let keep = sql("UPDATE jobs SET result = $2 WHERE id = $1");
        tx.execute(keep.bind(lease.job.uuid()).bind(to_json(result)?)).await?;
        end(&mut tx, lease.job, now, End::Concluded { model: None }).await?;
        tx.commit().await?;
        self.ended(lease.job);
        Ok(WriteOutcome::Done)
    }

    /// The spec or its data is at fault: there is no further attempt.
    pub async fn fail(&self, lease: Lease, error: &JobError) -> Result<WriteOutcome, StoreError> {
        self.end_held(lease, End::Failed(error)).await
    }

    /// The worker has stopped because a cancel was requested.
    pub async fn cancelled(&self, lease: Lease) -> Result<WriteOutcome, StoreError> {
        self.end_held(lease, End::Cancelled).await
    }

    async fn end_held(&self, lease: Lease, how: End<'_>) -> Result<WriteOutcome, StoreError> {
        let Some((mut tx, _)) = begin_held(self, lease).await? else { return Ok(WriteOutcome::Lost) };
        let now = tx.now().await?;
        end(&mut tx, lease.job, now, how).await?;
        tx.commit().await?;
        self.ended(lease.job);
        Ok(WriteOutcome::Done)
    }

    /// Returns the job to the queue for another attempt: at once after a shutdown, with a delay if the
    /// machine failed or its disk is full. If a cancel was requested or the job has failed too often, the job
    /// ends instead.
    pub async fn release(
        &self,
        lease: Lease,
        terms: &LeasePolicy,
        why: &ReleaseReason,
    ) -> Result<WriteOutcome, StoreError> {
        let Some((mut tx, row)) = begin_held(self, lease).await? else { return Ok(WriteOutcome::Lost) };
        let now = tx.now().await?;
        let faults = row.number::<u32>("faults")?.saturating_add(u32::from(matches!(why, ReleaseReason::Fault(_))));
        if row.get::<Option<i64>>("cancel_requested_at")?.is_some() {
            end(&mut tx, lease.job, now, End::Cancelled).await?;
        } else {
            match why {
                ReleaseReason::Shutdown => requeue(&mut tx, lease, now, 0, faults, None).await?,
                ReleaseReason::DiskFull(error) => {
                    let due = now.saturating_add(micros(queue::backoff::jittered(terms.full_disk_delay)));
                    requeue(&mut tx, lease, now, due, faults, Some(error)).await?;
                }
                ReleaseReason::Fault(error) if faults >= terms.max_faults => {
                    let error = queue::claim::exhausted(faults, Some(error));
                    end(&mut tx, lease.job, now, End::Failed(&error)).await?;
                }
                ReleaseReason::Fault(error) => {
                    let due = now.saturating_add(micros(queue::backoff::delay(terms, faults)));
                    requeue(&mut tx, lease, now, due, faults, Some(error)).await?;
                }
            }
        }
        tx.commit().await?;
        self.ended(lease.job);
        self.work().notify_one();
        Ok(WriteOutcome::Done)
    }
}

/// Sets the job back to `queued`, claimable from `due` on. The last error is shown until the job succeeds.
async fn requeue(
    tx: &mut Tx,
    lease: Lease,
    now: i64,
    due: i64,
    faults: u32,
    error: Option<&JobError>,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE jobs SET status = 'queued', lease_owner = NULL, claimable_at = $2, faults = $3, \
             eta_seconds = NULL, error_code = COALESCE($4, error_code), error_detail = COALESCE($5, error_detail) \
             WHERE id = $1")
        .bind(lease.job.uuid())
        .bind(due)
        .bind(faults)
        .bind(error.map(|error| storable(&error.code)))
        .bind(error.map(|error| storable(&error.detail))),
    )
    .await?;
    let data = events::status(JobStatus::Queued, lease.attempt, error, None);
    events::append(tx, lease.job, now, JobEventKind::Status, &data).await
}

/// Ends a job whose row the transaction has locked, and appends the event.
pub(crate) async fn end(tx: &mut Tx, job: JobId, now: i64, how: End<'_>) -> Result<(), StoreError> {
    let (status, error, metrics, model) = match how {
        End::Succeeded { metrics, model } => (JobStatus::Succeeded, None, Some(to_json(metrics)?), Some(model)),
        End::Concluded { model } => (JobStatus::Succeeded, None, None, model),
        End::Failed(error) => (JobStatus::Failed, Some(error), None, None),
        End::Cancelled => (JobStatus::Cancelled, None, None, None),
    };
    let update = sql("UPDATE jobs SET status = $2, finished_at = $3, claimable_at = NULL, lease_owner = NULL, \
                      cancel_requested_at = NULL, eta_seconds = NULL, error_code = $4, error_detail = $5, \
                      metrics = $6, progress = CASE WHEN $2 = 'succeeded' THEN 1 ELSE progress END \
                      WHERE id = $1 RETURNING attempt")
    .bind(job.uuid())
    .bind(status.name())
    .bind(now)
    .bind(error.map(|error| storable(&error.code)))
    .bind(error.map(|error| storable(&error.detail)))
    .bind(metrics);
    let Some(row) = tx.fetch_optional(update).await? else { return Ok(()) };
    let data = events::status(status, row.number("attempt")?, error, model);
    events::append(tx, job, now, JobEventKind::Status, &data).await
}
