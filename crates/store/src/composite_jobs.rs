//! Jobs that run other jobs (parents). [`gatecast_core::composite_job`] decides on the next transition; this
//! module applies it, each transition in one transaction under a lock on the parent's row.
//!
//! Locks are always taken on the parent first, then on its children ordered by id. Workers lock only their
//! own job, so a parent that waits for a child's row waits for one statement.

use gatecast_core::alias::AliasName;
use gatecast_core::composite_job::{ChildJob, CompositeJob, Outcome, Transition};
use gatecast_core::ids::{JobId, ModelId};
use gatecast_core::job::{JobError, JobEventKind, JobStatus};
use gatecast_core::result::JobResult;

use super::aliases;
use super::db::{Record, Sql, Tx, sql};
use super::error::corrupt;
use super::events;
use super::job_row::{self, job_columns};
use super::jobs::{Row, Stopped, by_id, hold_dataset, insert, stop_child, stop_children};
use super::queue::{End, end};
use super::row::{read_each, to_json};
use super::{Store, StoreError};

/// What determines whether an open parent may have a transition to make. Contains neither its spec nor its children's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenComposite {
    pub id: JobId,
    pub status: JobStatus,
    pub cancel_requested: bool,
    pub children: u64,
    /// Children that are no longer queued.
    pub begun: u64,
    /// Children that have ended.
    pub ended: u64,
    /// The sum over the children.
    pub progress: f64,
}

/// What [`Store::advance`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Advance {
    pub acted: bool,
    /// When to check again even if no child has changed.
    pub deadline: Option<jiff::Timestamp>,
}

impl Store {
    /// The parents that have not ended, oldest first.
    pub async fn open_composites(&self) -> Result<Vec<OpenComposite>, StoreError> {
        let select = sql("SELECT p.id, p.status, p.cancel_requested_at, COUNT(c.id) AS children, \
             SUM(CASE WHEN c.status <> 'queued' THEN 1 ELSE 0 END) AS begun, \
             SUM(CASE WHEN c.id IS NOT NULL AND c.claimable_at IS NULL THEN 1 ELSE 0 END) AS ended, \
             COALESCE(SUM(c.progress), 0.0) AS progress \
             FROM jobs p LEFT JOIN jobs c ON c.parent_id = p.id AND c.slot IS NOT NULL \
             WHERE p.claimable_at IS NOT NULL AND p.coordinates = 1 \
             GROUP BY p.id, p.status, p.cancel_requested_at ORDER BY p.id");
        let read = |row: &Record| {
            Ok(OpenComposite {
                id: row.id("id")?,
                status: row.enum_text("status")?,
                cancel_requested: row.get::<Option<i64>>("cancel_requested_at")?.is_some(),
                children: row.number("children")?,
                begun: row.number("begun")?,
                ended: row.number("ended")?,
                progress: row.get("progress")?,
            })
        };
        read_each(&self.db().fetch_all(select).await?, read)
    }

    /// The children of a parent, ordered by slot.
    pub async fn children(&self, parent: JobId) -> Result<Vec<ChildJob>, StoreError> {
        self.db().fetch_all(children_of(parent)).await?.iter().map(read_child).collect()
    }

    /// Makes the transition that `next` returns for the parent.
    ///
    /// `next` is called without a lock first. If there is something to do, it is called again under a lock on
    /// the parent's row.
    pub async fn advance(
        &self,
        parent: JobId,
        next: impl Fn(&CompositeJob) -> Transition,
    ) -> Result<Advance, StoreError> {
        match self.try_advance(parent, &next).await {
            Err(StoreError::Conflict(_)) => self.try_advance(parent, &next).await,
            done => done,
        }
    }

    async fn try_advance(
        &self,
        parent: JobId,
        next: &impl Fn(&CompositeJob) -> Transition,
    ) -> Result<Advance, StoreError> {
        let nothing = Advance::default();
        let Some(row) = self.db().fetch_optional(by_id(parent)).await? else { return Ok(nothing) };
        let children = self.db().fetch_all(children_of(parent)).await?;
        let Some(composite) = open_composite(&row, &children, jiff::Timestamp::now())? else { return Ok(nothing) };
        if composite.parent.order.is_none() {
            return self.give_up(parent).await;
        }
        let transition = next(&composite);
        if is_idle(&transition, &composite) {
            return Ok(Advance { acted: false, deadline: transition.deadline });
        }
        let mut tx = self.db().begin().await?;
        let Some(row) = tx.fetch_optional(by_id(parent).push(tx.lock())).await? else {
            tx.rollback().await?;
            return Ok(nothing);
        };
        let children = tx.fetch_all(children_of(parent)).await?;
        let now = jiff::Timestamp::from_microsecond(tx.now().await?).map_err(corrupt)?;
        let Some(composite) = open_composite(&row, &children, now)? else {
            tx.rollback().await?;
            return Ok(nothing);
        };
        let transition = next(&composite);
        let stopped = take(&mut tx, &composite, &transition).await?;
        tx.commit().await?;
        self.stopped(&stopped);
        match transition.end {
            Some(_) => self.ended(parent),
            None => self.changed(parent),
        }
        if !transition.spawn.is_empty() {
            self.work().notify_one();
        }
        Ok(Advance { acted: true, deadline: transition.deadline })
    }

    /// Fails a parent whose spec cannot be read, and cancels its children.
    async fn give_up(&self, parent: JobId) -> Result<Advance, StoreError> {
        let mut tx = self.db().begin().await?;
        let row = tx.fetch_optional(by_id(parent).push(tx.lock())).await?;
        let fault = match &row {
            Some(row) if !row.enum_text::<JobStatus>("status")?.is_final() => job_row::read_order(row).err(),
            _ => None,
        };
        let Some(fault) = fault else {
            tx.rollback().await?;
            return Ok(Advance::default());
        };
        tracing::error!(job = %parent, %fault, "a job that runs others cannot be read and ends as failed");
        let now = tx.now().await?;
        let stopped = stop_children(&mut tx, parent, now).await?;
        end(&mut tx, parent, now, End::Failed(&job_row::unreadable())).await?;
        tx.commit().await?;
        self.stopped(&stopped);
        self.ended(parent);
        Ok(Advance { acted: true, deadline: None })
    }
}

fn children_of(parent: JobId) -> Sql {
    sql(concat!(
        "SELECT ",
        job_columns!(),
        ", (SELECT m.parameters FROM models m WHERE m.job_id = jobs.id) AS parameters \
         FROM jobs WHERE parent_id = $1 AND slot IS NOT NULL ORDER BY slot"
    ))
    .bind(parent.uuid())
}

/// `None` for a parent that has ended.
fn open_composite(
    parent: &Record,
    children: &[Record],
    now: jiff::Timestamp,
) -> Result<Option<CompositeJob>, StoreError> {
    let parent = job_row::read(parent)?;
    if parent.status.is_final() {
        return Ok(None);
    }
    let children = children.iter().map(read_child).collect::<Result<_, StoreError>>()?;
    Ok(Some(CompositeJob { parent, children, now }))
}

fn read_child(row: &Record) -> Result<ChildJob, StoreError> {
    Ok(ChildJob { slot: row.number("slot")?, job: job_row::read(row)?, parameters: row.maybe_number("parameters")? })
}

fn is_idle(transition: &Transition, composite: &CompositeJob) -> bool {
    let nothing =
        !transition.start && transition.spawn.is_empty() && transition.stop.is_empty() && transition.end.is_none();
    nothing && transition.progress == composite.parent.progress
}

async fn take(tx: &mut Tx, composite: &CompositeJob, transition: &Transition) -> Result<Vec<Stopped>, StoreError> {
    let (parent, now) = (&composite.parent, tx.now().await?);
    if transition.start {
        start(tx, parent.id, now).await?;
    }
    let progress = sql("UPDATE jobs SET progress = $2, version = version + 1 WHERE id = $1 AND progress <> $2");
    tx.execute(progress.bind(parent.id.uuid()).bind(transition.progress)).await?;
    let mut stopped = Vec::new();
    let mut stop = transition.stop.clone();
    stop.sort_unstable();
    for &child in &stop {
        stopped.extend(stop_child(tx, child, now).await?);
    }
    if !transition.spawn.is_empty() && !hold_dataset(tx, parent.dataset, parent.dataset_revision).await? {
        let error = JobError {
            code: "dataset_deleted".to_owned(),
            detail: "the dataset was deleted before all trainings could begin".to_owned(),
        };
        end(tx, parent.id, now, End::Failed(&error)).await?;
        return Ok(stopped);
    }
    for child in &transition.spawn {
        let row = Row {
            name: &child.name,
            order: &child.order,
            dataset: parent.dataset,
            revision: parent.dataset_revision,
            parent: Some(parent.id),
            slot: Some(child.slot),
            retry_of: None,
        };
        insert(tx, now, &row).await?;
    }
    match &transition.end {
        None => {}
        Some(Outcome::Cancelled) => end(tx, parent.id, now, End::Cancelled).await?,
        Some(Outcome::Failed { error, result }) => {
            keep_result(tx, parent.id, result.as_deref(), None).await?;
            end(tx, parent.id, now, End::Failed(error)).await?;
        }
        Some(Outcome::Succeeded { result, model, alias }) => {
            keep_result(tx, parent.id, Some(result), *model).await?;
            if let (Some(model), Some(alias)) = (model, alias) {
                give(tx, alias, *model, now).await?;
            }
            end(tx, parent.id, now, End::Concluded { model: *model }).await?;
        }
    }
    Ok(stopped)
}

async fn start(tx: &mut Tx, parent: JobId, now: i64) -> Result<(), StoreError> {
    let start = sql("UPDATE jobs SET status = 'running', attempt = 1, started_at = $2 WHERE id = $1");
    tx.execute(start.bind(parent.uuid()).bind(now)).await?;
    let data = events::status(JobStatus::Running, 1, None, None);
    events::append(tx, parent, now, JobEventKind::Status, &data).await
}

async fn keep_result(
    tx: &mut Tx,
    parent: JobId,
    result: Option<&JobResult>,
    model: Option<ModelId>,
) -> Result<(), StoreError> {
    let keep = sql("UPDATE jobs SET result = $2, chosen_model = $3 WHERE id = $1")
        .bind(parent.uuid())
        .bind(result.map(to_json).transpose()?)
        .bind(model.map(ModelId::uuid));
    tx.execute(keep).await?;
    Ok(())
}

async fn give(tx: &mut Tx, alias: &AliasName, model: ModelId, now: i64) -> Result<(), StoreError> {
    tx.execute(aliases::put(alias, model, now)).await?;
    Ok(())
}
