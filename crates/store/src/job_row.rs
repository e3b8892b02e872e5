//! A job's row as the API's [`Job`].

use gatecast_core::job::{Job, JobError};
use gatecast_core::kinds::JobSpec;

use super::StoreError;
use super::db::Record;
use super::error::corrupt;

/// Every column of [`read`]; the model is the one that names the job.
macro_rules! job_columns {
    () => {
        "jobs.id, jobs.kind, jobs.name, jobs.status, jobs.progress, jobs.attempt, jobs.cancel_requested_at, \
         jobs.engine, jobs.engine_reason, jobs.dataset_id, jobs.dataset_revision, jobs.job_order, jobs.created_at, jobs.started_at, \
         jobs.finished_at, jobs.eta_seconds, jobs.error_code, jobs.error_detail, jobs.parent_id, jobs.metrics, \
         jobs.version, jobs.faults, jobs.slot, jobs.result, jobs.retry_of, \
         COALESCE((SELECT m.id FROM models m WHERE m.job_id = jobs.id), jobs.chosen_model) AS model_id"
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
        order: read_order(row)?,
        created_at: row.time("created_at")?,
        started_at: row.maybe_time("started_at")?,
        finished_at: row.maybe_time("finished_at")?,
        eta_seconds: row.get("eta_seconds")?,
        error: read_error(row)?,
        parent: row.maybe_id("parent_id")?,
        model: row.maybe_id("model_id")?,
        metrics: row.maybe_json("metrics")?,
        result: row.maybe_json("result")?,
        retry_of: row.maybe_id("retry_of")?,
        version: row.get("version")?,
    })
}

fn read_order(row: &Record) -> Result<JobSpec, StoreError> {
    JobSpec::read(&row.get::<String>("job_order")?).map_err(|error| corrupt(format_args!("job_order: {error}")))
}

pub(super) fn read_error(row: &Record) -> Result<Option<JobError>, StoreError> {
    let code: Option<String> = row.get("error_code")?;
    let detail: Option<String> = row.get("error_detail")?;
    Ok(code.map(|code| JobError { code, detail: detail.unwrap_or_default() }))
}
