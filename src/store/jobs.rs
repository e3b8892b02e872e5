//! Jobs as their owners see them: ordered, looked at, cancelled, deleted. What workers do with
//! them is in [`super::queue`].

use crate::domain::ids::{DatasetId, JobId};
use crate::domain::job::{Job, JobEventKind, JobKind, JobStatus};
use crate::domain::order::TrainOrder;

use super::db::{Sql, sql};
use super::events;
use super::job_row::{self, job_columns};
use super::page::{Page, Paged};
use super::queue::{End, end};
use super::row::to_json;
use super::{Store, StoreError};

/// An order about to be queued: resolved against the revision it names.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub kind: JobKind,
    pub name: String,
    pub order: TrainOrder,
    pub dataset_revision: u32,
    pub parent: Option<JobId>,
}

/// Which jobs a list shows; all of what is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobFilter {
    pub status: Option<JobStatus>,
    pub kind: Option<JobKind>,
    pub dataset: Option<DatasetId>,
}

/// What became of a wish to cancel.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Cancellation {
    /// It was queued, and is cancelled.
    Cancelled(Job),
    /// It runs; its worker will end it.
    Requested(Job),
    /// It had ended before.
    AlreadyEnded(Job),
    NotFound,
}

/// What became of a wish to delete a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum JobDeletion {
    Deleted,
    NotFound,
    /// Only a job that has ended can be deleted.
    NotEnded(JobStatus),
}

impl Store {
    /// Queues a job; `None` if the revision of the dataset it needs is no longer there.
    pub async fn insert_job(&self, new: NewJob) -> Result<Option<Job>, StoreError> {
        let mut tx = self.db().begin().await?;
        let dataset = new.order.dataset.uuid();
        let held = sql("SELECT 1 FROM datasets WHERE id = $1").bind(dataset).push(tx.lock_against_deletion());
        let there = sql("SELECT 1 FROM dataset_revisions WHERE dataset_id = $1 AND revision = $2")
            .bind(dataset)
            .bind(new.dataset_revision);
        if tx.fetch_optional(held).await?.is_none() || tx.fetch_optional(there).await?.is_none() {
            tx.rollback().await?;
            return Ok(None);
        }
        let now = tx.now().await?;
        let id = JobId::new();
        tx.execute(
            sql("INSERT INTO jobs (id, kind, name, status, dataset_id, dataset_revision, parent_id, job_order, \
                 created_at, claimable_at) VALUES ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, $8)")
            .bind(id.uuid())
            .bind(new.kind.name())
            .bind(new.name)
            .bind(dataset)
            .bind(new.dataset_revision)
            .bind(new.parent.map(JobId::uuid))
            .bind(to_json(&new.order)?)
            .bind(now),
        )
        .await?;
        let data = events::status(JobStatus::Queued, 0, None, None);
        events::append(&mut tx, id, now, JobEventKind::Status, &data).await?;
        let job = tx.fetch_optional(by_id(id)).await?.as_ref().map(job_row::read).transpose()?;
        tx.commit().await?;
        self.changed(id);
        self.work().notify_one();
        Ok(job)
    }

    pub async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.db().fetch_optional(by_id(id)).await?.as_ref().map(job_row::read).transpose()
    }

    pub async fn jobs(&self, filter: JobFilter, page: Page) -> Result<Paged<Job>, StoreError> {
        let mut select = sql(concat!("SELECT ", job_columns!(), " FROM jobs WHERE 1 = 1"));
        if let Some(status) = filter.status {
            select = select.push(" AND status = ").push_bind(status.name());
        }
        if let Some(kind) = filter.kind {
            select = select.push(" AND kind = ").push_bind(kind.name());
        }
        if let Some(dataset) = filter.dataset {
            select = select.push(" AND dataset_id = ").push_bind(dataset.uuid());
        }
        if let Some(after) = page.after {
            select = select.push(" AND id < ").push_bind(after);
        }
        let rows = self.db().fetch_all(select.push(" ORDER BY id DESC LIMIT ").push_bind(page.rows())).await?;
        let items = rows.iter().map(job_row::read).collect::<Result<_, _>>()?;
        Ok(page.cut(items, |job: &Job| job.id.uuid()))
    }

    /// Ends a queued job at once; asks the worker of a running one to.
    pub async fn cancel_job(&self, id: JobId) -> Result<Cancellation, StoreError> {
        let mut tx = self.db().begin().await?;
        let Some(row) = tx.fetch_optional(by_id(id).push(tx.lock())).await? else {
            return Ok(Cancellation::NotFound);
        };
        let found = job_row::read(&row)?;
        let now = tx.now().await?;
        match found.status {
            JobStatus::Queued => end(&mut tx, id, now, End::Cancelled).await?,
            JobStatus::Running if !found.cancel_requested => {
                let ask = sql("UPDATE jobs SET cancel_requested_at = $2, version = version + 1 WHERE id = $1");
                tx.execute(ask.bind(id.uuid()).bind(now)).await?;
            }
            JobStatus::Running => {
                tx.rollback().await?;
                return Ok(Cancellation::Requested(found));
            }
            JobStatus::Succeeded | JobStatus::Failed | JobStatus::Cancelled => {
                tx.rollback().await?;
                return Ok(Cancellation::AlreadyEnded(found));
            }
        }
        let after = tx.fetch_optional(by_id(id)).await?.as_ref().map(job_row::read).transpose()?;
        tx.commit().await?;
        self.changed(id);
        match after {
            Some(job) if job.status == JobStatus::Running => {
                let _ = self.inner.cancels.send(id);
                Ok(Cancellation::Requested(job))
            }
            Some(job) => Ok(Cancellation::Cancelled(job)),
            None => Ok(Cancellation::NotFound),
        }
    }

    /// Deletes a job that has ended, with its history. Its model stays.
    pub async fn delete_job(&self, id: JobId) -> Result<JobDeletion, StoreError> {
        let mut tx = self.db().begin().await?;
        let found = sql("SELECT status FROM jobs WHERE id = $1").bind(id.uuid()).push(tx.lock());
        let Some(row) = tx.fetch_optional(found).await? else { return Ok(JobDeletion::NotFound) };
        let status: JobStatus = row.word("status")?;
        if !status.is_final() {
            tx.rollback().await?;
            return Ok(JobDeletion::NotEnded(status));
        }
        tx.execute(sql("DELETE FROM jobs WHERE id = $1").bind(id.uuid())).await?;
        tx.commit().await?;
        self.changed(id);
        Ok(JobDeletion::Deleted)
    }

    pub(super) async fn has_job(&self, id: JobId) -> Result<bool, StoreError> {
        let select = sql("SELECT 1 FROM jobs WHERE id = $1").bind(id.uuid());
        Ok(self.db().fetch_optional(select).await?.is_some())
    }

    /// The job is queued or running: its work folder is in use.
    pub async fn is_job_open(&self, id: JobId) -> Result<bool, StoreError> {
        let select = sql("SELECT 1 FROM jobs WHERE id = $1 AND claimable_at IS NOT NULL").bind(id.uuid());
        Ok(self.db().fetch_optional(select).await?.is_some())
    }
}

fn by_id(id: JobId) -> Sql {
    sql(concat!("SELECT ", job_columns!(), " FROM jobs WHERE jobs.id = $1")).bind(id.uuid())
}
