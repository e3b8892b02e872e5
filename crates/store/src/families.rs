//! Jobs that run others. What they do next is [`gatecast_core::composite_job`]'s to say; here it is done,
//! each step as one transaction under the lock of the parent's row.
//!
//! Locks are taken from the parent to its children, never the other way: workers lock their own job
//! alone, so a parent that waits for a child's row waits for one statement.

use serde::Deserialize;

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
use super::jobs::{Row, Stopped, by_id, hold_dataset, insert, stop_child};
use super::queue::{End, end};
use super::row::to_json;
use super::{Store, StoreError};

/// Of a model's manifest, what a leader board shows.
#[derive(Deserialize)]
struct Facts {
    parameters: u64,
}

impl Store {
    /// The jobs that run others and have not ended, oldest first.
    pub async fn open_parents(&self) -> Result<Vec<JobId>, StoreError> {
        let select = sql("SELECT id FROM jobs WHERE claimable_at IS NOT NULL AND coordinates = 1 ORDER BY id");
        self.db().fetch_all(select).await?.iter().map(|row| row.id("id")).collect()
    }

    /// The children of a job that runs others, by slot.
    pub async fn children(&self, parent: JobId) -> Result<Vec<ChildJob>, StoreError> {
        self.db().fetch_all(children_of(parent)).await?.iter().map(read_child).collect()
    }

    /// Takes the parent's next step, as `next` says it; whether anything was done.
    ///
    /// `next` is asked twice where there is something to do: once to learn that without a lock,
    /// and once for good.
    pub async fn advance(&self, parent: JobId, next: impl Fn(&CompositeJob) -> Transition) -> Result<bool, StoreError> {
        let Some(row) = self.db().fetch_optional(by_id(parent)).await? else { return Ok(false) };
        let children = self.db().fetch_all(children_of(parent)).await?;
        let Some(family) = open_family(&row, &children, jiff::Timestamp::now())? else { return Ok(false) };
        if is_idle(&next(&family), &family) {
            return Ok(false);
        }
        let mut tx = self.db().begin().await?;
        let Some(row) = tx.fetch_optional(by_id(parent).push(tx.lock())).await? else { return Ok(false) };
        let children = tx.fetch_all(children_of(parent)).await?;
        let now = jiff::Timestamp::from_microsecond(tx.now().await?).map_err(corrupt)?;
        let Some(family) = open_family(&row, &children, now)? else {
            tx.rollback().await?;
            return Ok(false);
        };
        let step = next(&family);
        let stopped = take(&mut tx, &family, &step).await?;
        tx.commit().await?;
        self.stopped(&stopped);
        match step.end {
            Some(_) => self.ended(parent),
            None => self.changed(parent),
        }
        if !step.spawn.is_empty() {
            self.work().notify_one();
        }
        Ok(true)
    }
}

fn children_of(parent: JobId) -> Sql {
    sql(concat!(
        "SELECT ",
        job_columns!(),
        ", (SELECT m.manifest FROM models m WHERE m.job_id = jobs.id) AS manifest \
         FROM jobs WHERE parent_id = $1 AND slot IS NOT NULL ORDER BY slot"
    ))
    .bind(parent.uuid())
}

/// `None` for a parent that has ended.
fn open_family(parent: &Record, children: &[Record], now: jiff::Timestamp) -> Result<Option<CompositeJob>, StoreError> {
    let parent = job_row::read(parent)?;
    if parent.status.is_final() {
        return Ok(None);
    }
    let children = children.iter().map(read_child).collect::<Result<_, StoreError>>()?;
    Ok(Some(CompositeJob { parent, children, now }))
}

fn read_child(row: &Record) -> Result<ChildJob, StoreError> {
    let facts: Option<Facts> = row.maybe_json("manifest")?;
    let parameters = facts.map(|facts| facts.parameters);
    Ok(ChildJob { slot: row.number("slot")?, job: job_row::read(row)?, parameters })
}

fn is_idle(step: &Transition, family: &CompositeJob) -> bool {
    let nothing = !step.start && step.spawn.is_empty() && step.stop.is_empty() && step.end.is_none();
    nothing && step.progress == family.parent.progress
}

async fn take(tx: &mut Tx, family: &CompositeJob, step: &Transition) -> Result<Vec<Stopped>, StoreError> {
    let (parent, now) = (&family.parent, tx.now().await?);
    if step.start {
        start(tx, parent.id, now).await?;
    }
    let progress = sql("UPDATE jobs SET progress = $2, version = version + 1 WHERE id = $1 AND progress <> $2");
    tx.execute(progress.bind(parent.id.uuid()).bind(step.progress)).await?;
    let mut stopped = Vec::new();
    for &child in &step.stop {
        stopped.extend(stop_child(tx, child, now).await?);
    }
    if !step.spawn.is_empty() && !hold_dataset(tx, parent.dataset, parent.dataset_revision).await? {
        let error = JobError {
            code: "dataset_deleted".to_owned(),
            detail: "the dataset was deleted before all trainings could begin".to_owned(),
        };
        end(tx, parent.id, now, End::Failed(&error)).await?;
        return Ok(stopped);
    }
    for child in &step.spawn {
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
    match &step.end {
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
