//! What happened to a job, in order.
//!
//! An event takes its number from its job's row, in the transaction that makes the change it tells
//! of. The row stays locked until the commit, so numbers have no holes and become visible in
//! order: whoever has seen event 7 will not be surprised by a 6.

use serde_json::{Value, json};

use gatecast_core::ids::{JobId, ModelId};
use gatecast_core::job::{JobError, JobEvent, JobEventKind, JobStatus};
use gatecast_core::metric_values::EpochReport;

use super::db::{Record, Tx, sql};
use super::row::to_json;
use super::{Store, StoreError};

/// Appends an event; the job's version rises with it. Nothing happens where the job is gone.
pub(super) async fn append(
    tx: &mut Tx,
    job: JobId,
    now: i64,
    kind: JobEventKind,
    data: &Value,
) -> Result<(), StoreError> {
    let number = "UPDATE jobs SET events = events + 1, version = version + 1 WHERE id = $1 RETURNING events";
    let Some(row) = tx.fetch_optional(sql(number).bind(job.uuid())).await? else { return Ok(()) };
    tx.execute(
        sql("INSERT INTO job_events (job_id, sequence, at, kind, data) VALUES ($1, $2, $3, $4, $5)")
            .bind(job.uuid())
            .bind(row.get::<i64>("events")?)
            .bind(now)
            .bind(kind.name())
            .bind(to_json(data)?),
    )
    .await?;
    Ok(())
}

/// The data of an event that tells a job's new status.
pub(super) fn status(status: JobStatus, attempt: u32, error: Option<&JobError>, model: Option<ModelId>) -> Value {
    let mut data = json!({ "status": status, "attempt": attempt });
    if let Some(error) = error {
        data["error"] = json!(error);
    }
    if let Some(model) = model {
        data["model"] = json!(model);
    }
    data
}

impl Store {
    /// Events of a job with a higher number than `after`, in order; none for a job that is not
    /// there.
    pub async fn events(&self, job: JobId, after: i64, limit: u32) -> Result<Vec<JobEvent>, StoreError> {
        let select = sql("SELECT sequence, at, kind, data FROM job_events WHERE job_id = $1 AND sequence > $2 \
                          ORDER BY sequence LIMIT $3")
        .bind(job.uuid())
        .bind(after)
        .bind(limit);
        self.db().fetch_all(select).await?.iter().map(read).collect()
    }

    /// The epochs of a job, in order; `None` for a job that is not there.
    pub async fn history(&self, job: JobId) -> Result<Option<Vec<EpochReport>>, StoreError> {
        let select = sql("SELECT report FROM job_epochs WHERE job_id = $1 ORDER BY epoch").bind(job.uuid());
        let epochs: Vec<EpochReport> =
            self.db().fetch_all(select).await?.iter().map(|row| row.json("report")).collect::<Result<_, _>>()?;
        if epochs.is_empty() && !self.has_job(job).await? {
            return Ok(None);
        }
        Ok(Some(epochs))
    }
}

fn read(row: &Record) -> Result<JobEvent, StoreError> {
    Ok(JobEvent {
        sequence: row.get("sequence")?,
        at: row.time("at")?,
        kind: row.enum_text("kind")?,
        data: row.json("data")?,
    })
}
