//! Reports of a worker while a job runs.

use serde_json::json;

use gatecast_core::job::{JobEventKind, StartFacts};
use gatecast_core::metric_values::EpochReport;

use super::super::db::{Tx, Value, sql};
use super::super::events;
use super::super::row::{storable, to_json};
use super::{HeartbeatResponse, Lease, LeasePolicy, WriteOutcome, begin_held, micros};
use crate::{Store, StoreError};

/// The number of rows per statement. SQLite allows 32,766 values, PostgreSQL 65,535.
const ROWS_AT_ONCE: usize = 500;

impl Store {
    /// Renews the lease, writes the progress (from 0 to 1) and reads the cancel flag. Listeners are notified
    /// only if the progress has changed.
    pub async fn heartbeat(
        &self,
        lease: Lease,
        terms: &LeasePolicy,
        progress: f64,
        eta_seconds: Option<f64>,
    ) -> Result<HeartbeatResponse, StoreError> {
        let mut tx = self.db().begin().await?;
        let until = tx.now().await?.saturating_add(micros(terms.lease));
        let renewed = |text| sql(text).bind(lease.job.uuid()).bind(lease.attempt).bind(until);
        let news = renewed(
            "UPDATE jobs SET claimable_at = $3, progress = $4, eta_seconds = $5, version = version + 1 \
             WHERE id = $1 AND attempt = $2 AND status = 'running' \
             AND (progress <> $4 OR eta_seconds IS DISTINCT FROM $5) RETURNING cancel_requested_at",
        );
        let row = tx.fetch_optional(news.bind(progress).bind(eta_seconds)).await?;
        let has_news = row.is_some();
        let row = match row {
            Some(row) => Some(row),
            None => {
                let no_news = "UPDATE jobs SET claimable_at = $3 \
                               WHERE id = $1 AND attempt = $2 AND status = 'running' RETURNING cancel_requested_at";
                tx.fetch_optional(renewed(no_news)).await?
            }
        };
        let Some(row) = row else {
            tx.rollback().await?;
            return Ok(HeartbeatResponse::Lost);
        };
        let cancel = row.get::<Option<i64>>("cancel_requested_at")?.is_some();
        tx.commit().await?;
        if has_news {
            self.changed(lease.job);
        }
        Ok(if cancel { HeartbeatResponse::Cancel } else { HeartbeatResponse::Continue })
    }

    /// The trainer has started. Repeated calls in one attempt append a single event.
    pub async fn started(&self, lease: Lease, facts: &StartFacts) -> Result<WriteOutcome, StoreError> {
        let Some((mut tx, _)) = begin_held(self, lease).await? else { return Ok(WriteOutcome::Lost) };
        let now = tx.now().await?;
        let set = sql("UPDATE jobs SET engine = $2, engine_reason = $3 WHERE id = $1")
            .bind(lease.job.uuid())
            .bind(storable(&facts.engine))
            .bind(storable(&facts.reason));
        tx.execute(set).await?;
        if !has_started(&mut tx, lease).await? {
            events::append(&mut tx, lease.job, now, JobEventKind::Started, &json!(facts)).await?;
        }
        tx.commit().await?;
        self.changed(lease.job);
        Ok(WriteOutcome::Done)
    }

    /// Epochs have ended, in order. Epochs already stored by an earlier attempt are ignored. A new epoch
    /// resets the fault count, because it proves that the job makes progress.
    pub async fn epochs(&self, lease: Lease, reports: &[EpochReport]) -> Result<WriteOutcome, StoreError> {
        let Some((mut tx, _)) = begin_held(self, lease).await? else { return Ok(WriteOutcome::Lost) };
        let now = tx.now().await?;
        // The job's row is locked, so no other transaction adds epochs.
        let row = tx.fetch_optional(events::last_epoch(lease.job)).await?;
        let known: u32 = row.map_or(Ok(0), |row| row.number("epoch"))?;
        let new: Vec<&EpochReport> = reports.iter().filter(|report| report.epoch > known).collect();
        for part in new.chunks(ROWS_AT_ONCE) {
            let row = |report: &&EpochReport| -> Result<[Value; 3], StoreError> {
                Ok([lease.job.uuid().into(), report.epoch.into(), to_json(report)?.into()])
            };
            let rows = part.iter().map(row).collect::<Result<Vec<_>, _>>()?;
            tx.execute(sql("INSERT INTO job_epochs (job_id, epoch, report) VALUES ").push_rows(rows.into_iter()))
                .await?;
            events::append_epochs(&mut tx, lease.job, now, part.iter().map(|report| report.epoch)).await?;
        }
        if !new.is_empty() {
            tx.execute(sql("UPDATE jobs SET faults = 0 WHERE id = $1").bind(lease.job.uuid())).await?;
        }
        tx.commit().await?;
        if !new.is_empty() {
            self.changed(lease.job);
        }
        Ok(WriteOutcome::Done)
    }

    /// Records a warning for the user; the job continues.
    pub async fn warning(&self, lease: Lease, code: &str, detail: &str) -> Result<WriteOutcome, StoreError> {
        self.note(lease, JobEventKind::Warning, code, detail).await
    }

    /// Records information for the user.
    pub async fn info(&self, lease: Lease, code: &str, detail: &str) -> Result<WriteOutcome, StoreError> {
        self.note(lease, JobEventKind::Info, code, detail).await
    }

    async fn note(
        &self,
        lease: Lease,
        kind: JobEventKind,
        code: &str,
        detail: &str,
    ) -> Result<WriteOutcome, StoreError> {
        let Some((mut tx, _)) = begin_held(self, lease).await? else { return Ok(WriteOutcome::Lost) };
        let now = tx.now().await?;
        let data = json!({ "code": code, "detail": detail });
        events::append(&mut tx, lease.job, now, kind, &data).await?;
        tx.commit().await?;
        self.changed(lease.job);
        Ok(WriteOutcome::Done)
    }
}

/// Whether this attempt's start event exists: a write whose reply was lost is retried.
async fn has_started(tx: &mut Tx, lease: Lease) -> Result<bool, StoreError> {
    let select =
        sql("SELECT data FROM job_events WHERE job_id = $1 AND kind = 'started' ORDER BY sequence DESC LIMIT 1");
    let last = tx.fetch_optional(select.bind(lease.job.uuid())).await?;
    let facts: Option<StartFacts> = last.map(|row| row.json("data")).transpose()?;
    Ok(facts.is_some_and(|facts| facts.attempt == lease.attempt))
}
