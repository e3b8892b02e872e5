//! Jobs as clients see them: inserting, reading, cancelling and deleting. What workers do with jobs is in
//! [`super::queue`].

use gatecast_core::composite_job::NewChildJob;
use gatecast_core::ids::{DatasetId, JobId};
use gatecast_core::job::{Job, JobEventKind, JobKind, JobStatus, JobSummary};
use gatecast_core::order::JobSpec;

use super::db::{Sql, Tx, sql};
use super::error::corrupt;
use super::events;
use super::job_row::{self, job_columns, summary_columns};
use super::page::{Page, Paged};
use super::queue::{End, end};
use super::row::storable;
use super::{Store, StoreError};

/// A job to queue. Its spec is resolved against the dataset revision.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub name: String,
    pub order: JobSpec,
    pub dataset: DatasetId,
    pub dataset_revision: u32,
    pub parent: Option<JobId>,
    pub retry_of: Option<JobId>,
    /// Children queued in the same transaction.
    pub children: Vec<NewChildJob>,
}

/// Filters a list of jobs; `None` matches all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobFilter {
    pub status: Option<JobStatus>,
    pub kind: Option<JobKind>,
    pub dataset: Option<DatasetId>,
    pub parent: Option<JobId>,
}

/// Result of a cancel request.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Cancellation {
    /// The job was queued and is now cancelled.
    Cancelled(Job),
    /// The job is running; its worker will stop it.
    Requested(Job),
    /// The job had already ended.
    AlreadyEnded(Job),
    NotFound,
}

/// Result of a request to delete a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum JobDeletion {
    Deleted,
    NotFound,
    /// Only a job that has ended can be deleted.
    NotEnded(JobStatus),
    /// The parent job has not ended and still needs it.
    NeededBy(JobId),
}

impl Store {
    /// Queues a job and its children; returns `None` if the required dataset revision no longer exists.
    pub async fn insert_job(&self, new: NewJob) -> Result<Option<Job>, StoreError> {
        let done = self.try_insert_job(&new).await;
        match done {
            Err(StoreError::Conflict(_)) => self.try_insert_job(&new).await,
            done => done,
        }
    }

    async fn try_insert_job(&self, new: &NewJob) -> Result<Option<Job>, StoreError> {
        let mut tx = self.db().begin().await?;
        if !hold_dataset(&mut tx, new.dataset, new.dataset_revision).await? {
            tx.rollback().await?;
            return Ok(None);
        }
        let now = tx.now().await?;
        let of = |name, order, parent, slot, retry_of| Row {
            name,
            order,
            dataset: new.dataset,
            revision: new.dataset_revision,
            parent,
            slot,
            retry_of,
        };
        let id = insert(&mut tx, now, &of(&new.name, &new.order, new.parent, None, new.retry_of)).await?;
        for child in &new.children {
            insert(&mut tx, now, &of(&child.name, &child.order, Some(id), Some(child.slot), None)).await?;
        }
        let job = tx.fetch_optional(by_id(id)).await?.as_ref().map(job_row::read).transpose()?;
        tx.commit().await?;
        self.changed(id);
        self.work().notify_one();
        Ok(job)
    }

    pub async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.db().fetch_optional(by_id(id)).await?.as_ref().map(job_row::read).transpose()
    }

    pub async fn jobs(&self, filter: JobFilter, page: Page) -> Result<Paged<JobSummary>, StoreError> {
        let mut select = sql(concat!("SELECT ", summary_columns!(), " FROM jobs WHERE 1 = 1"));
        if let Some(status) = filter.status {
            select = select.push(" AND status = ").push_bind(status.name());
        }
        if let Some(kind) = filter.kind {
            select = select.push(" AND kind = ").push_bind(kind.name());
        }
        if let Some(dataset) = filter.dataset {
            select = select.push(" AND dataset_id = ").push_bind(dataset.uuid());
        }
        if let Some(parent) = filter.parent {
            select = select.push(" AND parent_id = ").push_bind(parent.uuid());
        }
        if let Some(after) = page.after {
            select = select.push(" AND id < ").push_bind(after);
        }
        let rows = self.db().fetch_all(select.push(" ORDER BY id DESC LIMIT ").push_bind(page.rows())).await?;
        page.read(rows, job_row::read_summary)
    }

    /// Ends a queued job at once; for a running job, sets a flag for its worker. The children of a parent are
    /// cancelled in the same transaction; the parent itself ends once they have ended.
    pub async fn cancel_job(&self, id: JobId) -> Result<Cancellation, StoreError> {
        twice!(self, self.try_cancel_job(id))
    }

    async fn try_cancel_job(&self, id: JobId) -> Result<Cancellation, StoreError> {
        let mut tx = self.db().begin().await?;
        // A parent is always locked before its children.
        let Some(row) = tx.fetch_optional(by_id(id).push(tx.lock())).await? else {
            tx.rollback().await?;
            return Ok(Cancellation::NotFound);
        };
        let found = job_row::read(&row)?;
        let now = tx.now().await?;
        let mut children = Vec::new();
        match found.status {
            JobStatus::Queued | JobStatus::Running if !found.cancel_requested => {
                if row.get::<i64>("coordinates")? == 1 {
                    children = stop_children(&mut tx, id, now).await?;
                }
                stop(&mut tx, id, found.status, now, children.iter().any(|child| child.runs)).await?;
            }
            JobStatus::Queued | JobStatus::Running => {
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
        self.stopped(&children);
        match after {
            Some(job) if job.status.is_final() => {
                self.ended(id);
                Ok(Cancellation::Cancelled(job))
            }
            Some(job) => {
                self.changed(id);
                let _ = self.inner.cancels.send(id);
                Ok(Cancellation::Requested(job))
            }
            None => Ok(Cancellation::NotFound),
        }
    }

    /// Sends notifications for children that were stopped.
    pub(super) fn stopped(&self, children: &[Stopped]) {
        for child in children {
            self.ended(child.job);
            if child.runs {
                let _ = self.inner.cancels.send(child.job);
            }
        }
    }

    /// Deletes a job that has ended, with its history and its children. Models are kept.
    ///
    /// A long history is deleted first, in batches, so that other writers are not blocked for long and each
    /// batch fits the space that a full disk leaves. An interrupted deletion leaves the job with a part of
    /// its history, until it is deleted again.
    pub async fn delete_job(&self, id: JobId) -> Result<JobDeletion, StoreError> {
        loop {
            if let Some(done) = twice!(self, self.delete_some(id))? {
                return Ok(done);
            }
        }
    }

    /// One step of a deletion; returns `None` while there is more to do.
    async fn delete_some(&self, id: JobId) -> Result<Option<JobDeletion>, StoreError> {
        let mut tx = self.db().begin().await?;
        let found = sql("SELECT status, parent_id FROM jobs WHERE id = $1").bind(id.uuid()).push(tx.lock());
        let Some(row) = tx.fetch_optional(found).await? else {
            tx.rollback().await?;
            return Ok(Some(JobDeletion::NotFound));
        };
        let status: JobStatus = row.enum_text("status")?;
        if !status.is_final() {
            tx.rollback().await?;
            return Ok(Some(JobDeletion::NotEnded(status)));
        }
        if let Some(parent) = row.maybe_id::<JobId>("parent_id")? {
            let open = sql("SELECT 1 FROM jobs WHERE id = $1 AND claimable_at IS NOT NULL").bind(parent.uuid());
            if tx.fetch_optional(open).await?.is_some() {
                tx.rollback().await?;
                return Ok(Some(JobDeletion::NeededBy(parent)));
            }
        }
        // A parent ends after its children, so no child is running.
        if delete_history(&mut tx, id).await? {
            tx.commit().await?;
            return Ok(None);
        }
        let children = sql("SELECT id FROM jobs WHERE parent_id = $1 ORDER BY id").bind(id.uuid()).push(tx.lock());
        tx.fetch_all(children).await?;
        tx.execute(sql("DELETE FROM jobs WHERE parent_id = $1").bind(id.uuid())).await?;
        tx.execute(sql("DELETE FROM jobs WHERE id = $1").bind(id.uuid())).await?;
        tx.commit().await?;
        self.changed(id);
        Ok(Some(JobDeletion::Deleted))
    }

    pub async fn has_job(&self, id: JobId) -> Result<bool, StoreError> {
        let select = sql("SELECT 1 FROM jobs WHERE id = $1").bind(id.uuid());
        Ok(self.db().fetch_optional(select).await?.is_some())
    }

    /// Whether the job is queued or running, so that its work folder is in use.
    pub async fn is_job_open(&self, id: JobId) -> Result<bool, StoreError> {
        let select = sql("SELECT 1 FROM jobs WHERE id = $1 AND claimable_at IS NOT NULL").bind(id.uuid());
        Ok(self.db().fetch_optional(select).await?.is_some())
    }
}

/// The maximum number of rows that one transaction deletes per history table.
const DELETED_AT_ONCE: i64 = 1_000;

/// Deletes a batch of the history of a job and its children. Returns whether there may be more.
async fn delete_history(tx: &mut Tx, job: JobId) -> Result<bool, StoreError> {
    let events = "DELETE FROM job_events WHERE (job_id, sequence) IN (SELECT job_id, sequence FROM job_events \
                  WHERE job_id IN (SELECT id FROM jobs WHERE id = $1 OR parent_id = $1) LIMIT $2)";
    let epochs = "DELETE FROM job_epochs WHERE (job_id, epoch) IN (SELECT job_id, epoch FROM job_epochs \
                  WHERE job_id IN (SELECT id FROM jobs WHERE id = $1 OR parent_id = $1) LIMIT $2)";
    let mut more = false;
    for statement in [events, epochs] {
        let deleted = tx.execute(sql(statement).bind(job.uuid()).bind(DELETED_AT_ONCE)).await?;
        more |= i64::try_from(deleted).is_ok_and(|deleted| deleted >= DELETED_AT_ONCE);
    }
    Ok(more)
}

/// A row to insert.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) order: &'a JobSpec,
    pub(super) dataset: DatasetId,
    pub(super) revision: u32,
    pub(super) parent: Option<JobId>,
    pub(super) slot: Option<u32>,
    pub(super) retry_of: Option<JobId>,
}

/// Locks the dataset against deletion until the commit; returns `false` if the revision does not exist.
pub(super) async fn hold_dataset(tx: &mut Tx, dataset: DatasetId, revision: u32) -> Result<bool, StoreError> {
    let held = sql("SELECT 1 FROM datasets WHERE id = $1").bind(dataset.uuid()).push(tx.lock_against_deletion());
    let there = sql("SELECT 1 FROM dataset_revisions WHERE dataset_id = $1 AND revision = $2")
        .bind(dataset.uuid())
        .bind(revision);
    Ok(tx.fetch_optional(held).await?.is_some() && tx.fetch_optional(there).await?.is_some())
}

/// Inserts a queued job.
pub(super) async fn insert(tx: &mut Tx, now: i64, row: &Row<'_>) -> Result<JobId, StoreError> {
    let id = JobId::new();
    tx.execute(
        sql("INSERT INTO jobs (id, kind, name, status, dataset_id, dataset_revision, parent_id, job_order, \
             created_at, claimable_at, coordinates, slot, retry_of) \
             VALUES ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, 0, $9, $10, $11)")
        .bind(id.uuid())
        .bind(row.order.kind().name())
        .bind(storable(row.name))
        .bind(row.dataset.uuid())
        .bind(row.revision)
        .bind(row.parent.map(JobId::uuid))
        .bind(row.order.write().map_err(corrupt)?)
        .bind(now)
        .bind(i64::from(row.order.coordinates()))
        .bind(row.slot)
        .bind(row.retry_of.map(JobId::uuid)),
    )
    .await?;
    let data = events::status(JobStatus::Queued, 0, None, None);
    events::append(tx, id, now, JobEventKind::Status, &data).await?;
    Ok(id)
}

/// A job that was cancelled, or whose worker must stop it.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) job: JobId,
    /// The job is running and its worker must be notified; otherwise it has ended.
    pub(super) runs: bool,
}

/// Cancels all children that have not ended, ordered by id.
pub(super) async fn stop_children(tx: &mut Tx, parent: JobId, now: i64) -> Result<Vec<Stopped>, StoreError> {
    let open = sql("SELECT id, status FROM jobs WHERE parent_id = $1 AND claimable_at IS NOT NULL ORDER BY id")
        .bind(parent.uuid())
        .push(tx.lock());
    let mut stopped = Vec::new();
    for row in tx.fetch_all(open).await? {
        let (job, status) = (row.id("id")?, row.enum_text("status")?);
        let runs = status == JobStatus::Running;
        stop(tx, job, status, now, runs).await?;
        stopped.push(Stopped { job, runs });
    }
    Ok(stopped)
}

/// Cancels one child; does nothing if it has ended.
pub(super) async fn stop_child(tx: &mut Tx, job: JobId, now: i64) -> Result<Option<Stopped>, StoreError> {
    let open =
        sql("SELECT status FROM jobs WHERE id = $1 AND claimable_at IS NOT NULL").bind(job.uuid()).push(tx.lock());
    let Some(row) = tx.fetch_optional(open).await? else { return Ok(None) };
    let status = row.enum_text("status")?;
    let runs = status == JobStatus::Running;
    stop(tx, job, status, now, runs).await?;
    Ok(Some(Stopped { job, runs }))
}

/// Ends a job whose row the transaction has locked, or sets its cancel flag if it is running.
async fn stop(tx: &mut Tx, job: JobId, status: JobStatus, now: i64, runs: bool) -> Result<(), StoreError> {
    if status == JobStatus::Queued && !runs {
        return end(tx, job, now, End::Cancelled).await;
    }
    let ask = sql("UPDATE jobs SET cancel_requested_at = COALESCE(cancel_requested_at, $2), version = version + 1 \
                   WHERE id = $1");
    tx.execute(ask.bind(job.uuid()).bind(now)).await?;
    Ok(())
}

pub(super) fn by_id(id: JobId) -> Sql {
    sql(concat!("SELECT ", job_columns!(), " FROM jobs WHERE jobs.id = $1")).bind(id.uuid())
}
