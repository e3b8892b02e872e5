//! What a worker reports while a job runs.

use serde_json::json;

use gatecast_core::job::{JobEventKind, StartFacts};
use gatecast_core::metric_values::EpochReport;

use super::super::db::{Tx, sql};
use super::super::events;
use super::super::row::to_json;
use super::{HeartbeatResponse, Lease, LeasePolicy, WriteOutcome, held, micros};
use crate::{Store, StoreError};

impl Store {
    /// Renews the lease, writes the progress (from 0 to 1) and reads the cancel flag, in one
    /// statement.
    pub async fn heartbeat(
        &self,
        lease: Lease,
        terms: &LeasePolicy,
        progress: f64,
        eta_seconds: Option<f64>,
    ) -> Result<HeartbeatResponse, StoreError> {
        let mut tx = self.db().begin().await?;
        let until = tx.now().await?.saturating_add(micros(terms.lease));
        let beat = sql("UPDATE jobs SET claimable_at = $3, progress = $4, eta_seconds = $5, \
                        version = version + CASE WHEN progress <> $4 OR eta_seconds IS DISTINCT FROM $5 \
                        THEN 1 ELSE 0 END \
                        WHERE id = $1 AND attempt = $2 AND status = 'running' RETURNING cancel_requested_at")
        .bind(lease.job.uuid())
        .bind(lease.attempt)
        .bind(until)
        .bind(progress)
        .bind(eta_seconds);
        let Some(row) = tx.fetch_optional(beat).await? else { return Ok(HeartbeatResponse::Lost) };
        let cancel = row.get::<Option<i64>>("cancel_requested_at")?.is_some();
        tx.commit().await?;
        self.changed(lease.job);
        Ok(if cancel { HeartbeatResponse::Cancel } else { HeartbeatResponse::Continue })
    }

    /// The trainer stands; `history` has the epochs before this attempt, for a store that missed
    /// some of them. An attempt that says so twice is heard once.
    pub async fn started(
        &self,
        lease: Lease,
        facts: &StartFacts,
        history: &[EpochReport],
    ) -> Result<WriteOutcome, StoreError> {
        let mut tx = self.db().begin().await?;
        if held(&mut tx, lease).await?.is_none() {
            return Ok(WriteOutcome::Lost);
        }
        let now = tx.now().await?;
        let set = sql("UPDATE jobs SET engine = $2, engine_reason = $3 WHERE id = $1")
            .bind(lease.job.uuid())
            .bind(facts.engine.clone())
            .bind(facts.reason.clone());
        tx.execute(set).await?;
        if !has_started(&mut tx, lease).await? {
            events::append(&mut tx, lease.job, now, JobEventKind::Started, &json!(facts)).await?;
        }
        for report in history {
            add_epoch(&mut tx, lease, now, report).await?;
        }
        tx.commit().await?;
        self.changed(lease.job);
        Ok(WriteOutcome::Done)
    }

    /// An epoch has ended. One that is known already, from an earlier attempt, adds nothing.
    pub async fn epoch(&self, lease: Lease, report: &EpochReport) -> Result<WriteOutcome, StoreError> {
        let mut tx = self.db().begin().await?;
        if held(&mut tx, lease).await?.is_none() {
            return Ok(WriteOutcome::Lost);
        }
        let now = tx.now().await?;
        let new = add_epoch(&mut tx, lease, now, report).await?;
        tx.commit().await?;
        if new {
            self.changed(lease.job);
        }
        Ok(WriteOutcome::Done)
    }

    /// Something a person should look at; the job goes on.
    pub async fn warning(&self, lease: Lease, code: &str, detail: &str) -> Result<WriteOutcome, StoreError> {
        self.note(lease, JobEventKind::Warning, code, detail).await
    }

    /// Something a person may want to know.
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
        let mut tx = self.db().begin().await?;
        if held(&mut tx, lease).await?.is_none() {
            return Ok(WriteOutcome::Lost);
        }
        let now = tx.now().await?;
        let data = json!({ "code": code, "detail": detail });
        events::append(&mut tx, lease.job, now, kind, &data).await?;
        tx.commit().await?;
        self.changed(lease.job);
        Ok(WriteOutcome::Done)
    }
}

/// Whether this attempt's start is among the events: a write whose answer was lost is tried again.
async fn has_started(tx: &mut Tx, lease: Lease) -> Result<bool, StoreError> {
    let select =
        sql("SELECT data FROM job_events WHERE job_id = $1 AND kind = 'started' ORDER BY sequence DESC LIMIT 1");
    let last = tx.fetch_optional(select.bind(lease.job.uuid())).await?;
    let facts: Option<StartFacts> = last.map(|row| row.json("data")).transpose()?;
    Ok(facts.is_some_and(|facts| facts.attempt == lease.attempt))
}

/// Adds an epoch and its event unless it is there; a new one clears the count of faults, for the
/// machine has shown that it can get on. Says whether it was new.
async fn add_epoch(tx: &mut Tx, lease: Lease, now: i64, report: &EpochReport) -> Result<bool, StoreError> {
    let insert = sql("INSERT INTO job_epochs (job_id, epoch, report) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(lease.job.uuid())
        .bind(report.epoch)
        .bind(to_json(report)?);
    if tx.execute(insert).await? == 0 {
        return Ok(false);
    }
    tx.execute(sql("UPDATE jobs SET faults = 0 WHERE id = $1").bind(lease.job.uuid())).await?;
    events::append(tx, lease.job, now, JobEventKind::Epoch, &json!(report)).await?;
    Ok(true)
}
