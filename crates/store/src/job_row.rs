//! Reads a job's row as the API's [`Job`] or [`JobSummary`].
//!
//! A job whose spec this program cannot read (another version wrote it, or it is damaged) can still be shown,
//! listed, cancelled and deleted. Only the code that runs the job calls [`read_order`], and gets the cause.

use gatecast_core::job::{Job, JobError, JobSummary};
use gatecast_core::kinds::JobSpec;

use super::StoreError;
use super::db::Record;
use super::error::corrupt;

/// Every column of [`read_summary`]. `model_id` is the model the job trained, or else the one it chose.
macro_rules! summary_columns {
    () => {
        "jobs.id, jobs.kind, jobs.name, jobs.status, jobs.progress, jobs.attempt, jobs.cancel_requested_at, \
         jobs.engine, jobs.dataset_id, jobs.dataset_revision, jobs.created_at, jobs.started_at, jobs.finished_at, \
         jobs.eta_seconds, jobs.error_code, jobs.error_detail, jobs.parent_id, jobs.retry_of, \
         COALESCE((SELECT m.id FROM models m WHERE m.job_id = jobs.id), jobs.chosen_model) AS model_id"
    };
}
pub(super) use summary_columns;

/// Every column of [`read`].
macro_rules! job_columns {
    () => {
        concat!(
            $crate::job_row::summary_columns!(),
            ", jobs.engine_reason, jobs.job_order, jobs.metrics, jobs.version, jobs.faults, jobs.slot, jobs.result, \
             jobs.coordinates"
        )
    };
}
pub(super) use job_columns;

pub(super) fn read(row: &Record) -> Result<Job, StoreError> {
    Ok(Job {
        id: row.id("id")?,
        kind: row.enum_text("kind")?,
        name: row.get("name")?,
        status: row.enum_text("status")?,
        progress: row.get("progress")?,
        attempt: row.number("attempt")?,
        cancel_requested: row.get::<Option<i64>>("cancel_requested_at")?.is_some(),
        engine: row.get("engine")?,
        engine_reason: row.get("engine_reason")?,
        dataset: row.id("dataset_id")?,
        dataset_revision: row.number("dataset_revision")?,
        order: order_if_readable(row)?,
        created_at: row.time("created_at")?,
        started_at: row.maybe_time("started_at")?,
        finished_at: row.maybe_time("finished_at")?,
        eta_seconds: row.get("eta_seconds")?,
        error: read_error(row)?,
        parent: row.maybe_id("parent_id")?,
        model: row.maybe_id("model_id")?,
        metrics: row.json_if_readable("metrics")?,
        result: row.json_if_readable("result")?,
        retry_of: row.maybe_id("retry_of")?,
        version: row.get("version")?,
    })
}

pub(super) fn read_summary(row: &Record) -> Result<JobSummary, StoreError> {
    Ok(JobSummary {
        id: row.id("id")?,
        kind: row.enum_text("kind")?,
        name: row.get("name")?,
        status: row.enum_text("status")?,
        progress: row.get("progress")?,
        attempt: row.number("attempt")?,
        cancel_requested: row.get::<Option<i64>>("cancel_requested_at")?.is_some(),
        engine: row.get("engine")?,
        dataset: row.id("dataset_id")?,
        dataset_revision: row.number("dataset_revision")?,
        created_at: row.time("created_at")?,
        started_at: row.maybe_time("started_at")?,
        finished_at: row.maybe_time("finished_at")?,
        eta_seconds: row.get("eta_seconds")?,
        error: read_error(row)?,
        parent: row.maybe_id("parent_id")?,
        retry_of: row.maybe_id("retry_of")?,
        model: row.maybe_id("model_id")?,
    })
}

/// The spec, for a caller that runs the job.
pub(super) fn read_order(row: &Record) -> Result<JobSpec, StoreError> {
    JobSpec::read(&row.get::<String>("job_order")?).map_err(|error| corrupt(format_args!("job_order: {error}")))
}

fn order_if_readable(row: &Record) -> Result<Option<JobSpec>, StoreError> {
    match read_order(row) {
        Ok(order) => Ok(Some(order)),
        Err(StoreError::Corrupt(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error of a job whose row cannot be read.
pub(super) fn unreadable() -> JobError {
    JobError {
        code: "order_unreadable".to_owned(),
        detail: "this version of gatecast cannot read the stored order: it was written by another version, or is \
                 damaged; the server's log has the cause. Order the job again"
            .to_owned(),
    }
}

pub(super) fn read_error(row: &Record) -> Result<Option<JobError>, StoreError> {
    let code: Option<String> = row.get("error_code")?;
    let detail: Option<String> = row.get("error_detail")?;
    Ok(code.map(|code| JobError { code, detail: detail.unwrap_or_default() }))
}
