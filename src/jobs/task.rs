//! What the trainer process of an attempt is told to do.

use std::path::PathBuf;

use super::outcome::Outcome;
use super::pool::Shared;
use super::workdir;
use gatecast_blobs::Key;
use gatecast_core::alias::ModelRef;
use gatecast_core::ids::ModelId;
use gatecast_core::job::Job;
use gatecast_core::order::{JobSpec, ScalingChoice, TrainSpec};
use gatecast_core::trainer::{BacktestTask, BaseModel, DatasetSource, FinetuneTask, Task, TrainTask};
use gatecast_store::StoreError;
use gatecast_store::queue::Lease;

/// Builds the task. The store is asked again, because the dataset or the model may have been deleted
/// since the job was queued.
pub(super) async fn build(shared: &Shared, job: &Job, lease: Lease) -> Result<Task, Outcome> {
    let dataset = dataset(shared, job).await?;
    let folder = shared.config.work.clone();
    let files = tokio::task::spawn_blocking(move || workdir::prepare(&folder, lease)).await;
    let files = files.map_err(std::io::Error::other).and_then(|files| files).map_err(|error| {
        tracing::error!(job = %job.id, %error, "no work folder");
        Outcome::fault("no_work_folder", "the server could not make the job's work folder")
    })?;
    let train = |order: &TrainSpec| TrainTask {
        job: job.id,
        attempt: lease.attempt,
        order: order.clone(),
        dataset: dataset.clone(),
        resume: files.resume.clone(),
        checkpoint: files.checkpoint.clone(),
        model: files.model.clone(),
        threads: shared.config.threads,
        // Only a comparison shows all of them.
        all_baselines: job.parent.is_some(),
    };
    let not_ours = || Outcome::failed("not_a_training", "this program cannot run what the order asks for");
    match &job.order {
        JobSpec::Train(order) => Ok(Task::Train(train(order))),
        JobSpec::Finetune(order) => {
            let (id, bundle) = model(shared, job, &order.model).await?;
            let refit_scaling = order.scaling == ScalingChoice::Refit;
            let base = BaseModel { id: Some(id), bundle, freeze: order.freeze.clone(), refit_scaling };
            let train = train(order.resolved.as_deref().ok_or_else(not_ours)?);
            Ok(Task::Finetune(FinetuneTask { train, base }))
        }
        JobSpec::Backtest(order) => {
            let (id, model) = model(shared, job, order.model.as_ref().ok_or_else(not_ours)?).await?;
            Ok(Task::Backtest(BacktestTask {
                job: job.id,
                attempt: lease.attempt,
                dataset,
                id,
                model,
                folds: order.folds,
                step: order.step.ok_or_else(not_ours)?,
                gap: order.gap,
                horizon: order.horizon.ok_or_else(not_ours)?,
                until: order.until,
                // A fold of a backtest that trains its own models: a model must not be judged on what it learnt from.
                unseen_only: job.parent.is_some(),
                points: files.points,
            }))
        }
        // They run no process: the coordinator advances them.
        JobSpec::Compare(_) | JobSpec::Search(_) => Err(not_ours()),
    }
}

async fn dataset(shared: &Shared, job: &Job) -> Result<DatasetSource, Outcome> {
    let revision = shared.store.revision(job.dataset, job.dataset_revision).await;
    let revision = revision.map_err(|error| store_failed(job, &error))?;
    let dataset = shared.store.dataset(job.dataset).await.map_err(|error| store_failed(job, &error))?;
    let (Some(revision), Some(dataset)) = (revision, dataset) else {
        return Err(Outcome::failed("dataset_deleted", "the dataset was deleted before the training could begin"));
    };
    let key = Key::dataset_points(revision.dataset, &revision.sha256)
        .map_err(|_| Outcome::failed("dataset_unreadable", "the dataset's record is damaged"))?;
    Ok(DatasetSource {
        id: job.dataset,
        name: dataset.name,
        revision: revision.revision,
        path: shared.blobs.local(&key),
        sha256: revision.sha256,
    })
}

/// A stored model: its id and its file.
async fn model(shared: &Shared, job: &Job, model: &ModelRef) -> Result<(ModelId, PathBuf), Outcome> {
    let deleted = || Outcome::failed("model_deleted", "the model was deleted before the job could begin");
    // The spec holds the id that an alias stood for when the job was ordered.
    let ModelRef::Id(id) = *model else { return Err(deleted()) };
    let found = shared.store.model(id).await.map_err(|error| store_failed(job, &error))?;
    found.ok_or_else(deleted)?;
    Ok((id, shared.blobs.local(&Key::model(id))))
}

fn store_failed(job: &Job, error: &StoreError) -> Outcome {
    tracing::warn!(job = %job.id, %error, "the database could not be read");
    Outcome::fault("store_unavailable", format!("the database could not be read: {error}"))
}
