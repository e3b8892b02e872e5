//! Retrying a job.
//!
//! A job ends only once, and its history records how. A retry is therefore a new job with the same spec on
//! the same revision of the data, and refers to the job it repeats.

use gatecast_core::composite_job::{ChildJob, NewChildJob};
use gatecast_core::ids::JobId;
use gatecast_core::job::{Job, JobStatus};
use gatecast_core::kinds::JobSpec;
use gatecast_store::{NewJob, Store, StoreError};

/// Why a job cannot be retried.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error("there is no job {0}")]
    NoJob(JobId),
    /// Only failed and cancelled jobs can be retried.
    #[error("the job is {}: only a failed or cancelled one can be tried again", .0.name())]
    NotFailed(JobStatus),
    #[error("the data that the job was ordered on was deleted")]
    DatasetDeleted,
    #[error("this version of gatecast cannot read the job's order: order it anew")]
    Unreadable,
    /// Some of its children were deleted, so the job is incomplete.
    #[error("some of the job's trainings were deleted: order it anew")]
    Incomplete,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Queues a failed or cancelled job again. A parent is queued with its initial children.
pub async fn retry_job(store: &Store, id: JobId) -> Result<Job, RetryError> {
    let job = store.job(id).await?.ok_or(RetryError::NoJob(id))?;
    if !matches!(job.status, JobStatus::Failed | JobStatus::Cancelled) {
        return Err(RetryError::NotFailed(job.status));
    }
    let order = job.order.clone().ok_or(RetryError::Unreadable)?;
    let children = match order.children() {
        Some(children) => children,
        None => first_children(store, &job, &order).await?,
    };
    let new = NewJob {
        name: job.name,
        order,
        dataset: job.dataset,
        dataset_revision: job.dataset_revision,
        parent: None,
        retry_of: Some(id),
        children,
    };
    store.insert_job(new).await?.ok_or(RetryError::DatasetDeleted)
}

/// The children that a job of version 1 was queued with. Their specs exist only in their rows.
async fn first_children(store: &Store, job: &Job, order: &JobSpec) -> Result<Vec<NewChildJob>, RetryError> {
    let first = order.plan().len();
    let begun = store.children(job.id).await?.into_iter().filter(|child| (child.slot as usize) < first);
    let new = |child: ChildJob| {
        let order = child.job.order.ok_or(RetryError::Unreadable)?;
        Ok(NewChildJob { slot: child.slot, name: child.job.name, order })
    };
    let children = begun.map(new).collect::<Result<Vec<_>, RetryError>>()?;
    if children.len() == first { Ok(children) } else { Err(RetryError::Incomplete) }
}
