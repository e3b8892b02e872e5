//! A job's events, in order.
//!
//! An event takes its number from its job's row, in the same transaction as the change it reports. The row
//! stays locked until the commit, so numbers have no gaps and become visible in order: a reader that has seen
//! event 7 never sees event 6 later.

use serde_json::{Value, json};

use gatecast_core::ids::{JobId, ModelId};
use gatecast_core::job::{JobError, JobEvent, JobEventKind, JobStatus};
use gatecast_core::metric_values::EpochReport;

use super::db::{Record, Sql, Tx, Value as Bound, sql};
use super::row::{read_each, to_json};
use super::{Store, StoreError};

/// Appends an event and increments the job's version. Does nothing if the job does not exist.
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

/// Appends an event per epoch, in order. Their data are the epochs' reports, which are stored once, in `job_epochs`.
pub(super) async fn append_epochs(
    tx: &mut Tx,
    job: JobId,
    now: i64,
    epochs: impl ExactSizeIterator<Item = u32>,
) -> Result<(), StoreError> {
    let number = "UPDATE jobs SET events = events + $2, version = version + 1 WHERE id = $1 RETURNING events";
    let count = epochs.len() as i64;
    let Some(row) = tx.fetch_optional(sql(number).bind(job.uuid()).bind(count)).await? else { return Ok(()) };
    let first = row.get::<i64>("events")? - count + 1;
    let event = |(sequence, epoch): (i64, u32)| -> [Bound; 6] {
        let kind = JobEventKind::Epoch.name();
        [job.uuid().into(), sequence.into(), now.into(), kind.into(), "".into(), epoch.into()]
    };
    let insert = sql("INSERT INTO job_events (job_id, sequence, at, kind, data, epoch) VALUES ");
    tx.execute(insert.push_rows((first..).zip(epochs).map(event))).await?;
    Ok(())
}

/// The data of a status event.
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
    /// A job's events with a number above `after`, in order; empty if the job does not exist.
    pub async fn events(&self, job: JobId, after: i64, limit: u32) -> Result<Vec<JobEvent>, StoreError> {
        let select = sql("SELECT v.sequence, v.at, v.kind, COALESCE(e.report, v.data) AS data FROM job_events v \
                          LEFT JOIN job_epochs e ON e.job_id = v.job_id AND e.epoch = v.epoch \
                          WHERE v.job_id = $1 AND v.sequence > $2 ORDER BY v.sequence LIMIT $3")
        .bind(job.uuid())
        .bind(after)
        .bind(limit);
        self.db().fetch_all(select).await?.iter().map(read).collect()
    }

    /// At most `limit` epochs of a job with a number above `after`, in order; `None` if the job does not exist.
    pub async fn history(&self, job: JobId, after: u32, limit: u32) -> Result<Option<HistoryPage>, StoreError> {
        let select =
            sql("SELECT epoch, report FROM job_epochs WHERE job_id = $1 AND epoch > $2 ORDER BY epoch LIMIT $3")
                .bind(job.uuid())
                .bind(after)
                .bind(i64::from(limit) + 1);
        let mut rows = self.db().fetch_all(select).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        if rows.is_empty() && !self.has_job(job).await? {
            return Ok(None);
        }
        let next = rows.last().filter(|_| more).map(|row| row.number("epoch")).transpose()?;
        Ok(Some(HistoryPage { epochs: read_each(&rows, |row| row.json("report"))?, next }))
    }

    /// The last stored epoch of a job; 0 if there is none.
    pub async fn last_epoch(&self, job: JobId) -> Result<u32, StoreError> {
        let row = self.db().fetch_optional(last_epoch(job)).await?;
        row.map_or(Ok(0), |row| row.number("epoch"))
    }
}

pub(super) fn last_epoch(job: JobId) -> Sql {
    sql("SELECT COALESCE(MAX(epoch), 0) AS epoch FROM job_epochs WHERE job_id = $1").bind(job.uuid())
}

/// A page of a job's history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    pub epochs: Vec<EpochReport>,
    /// The `after` of the next page; `None` on the last page.
    pub next: Option<u32>,
}

fn read(row: &Record) -> Result<JobEvent, StoreError> {
    Ok(JobEvent {
        sequence: row.get("sequence")?,
        at: row.time("at")?,
        kind: row.enum_text("kind")?,
        data: row.json("data")?,
    })
}
