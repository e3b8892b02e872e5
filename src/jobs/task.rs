//! Builds the task for the trainer process of an attempt.

use std::path::PathBuf;

use super::outcome::Outcome;
use super::pool::Shared;
use super::workdir;
use gatecast_blobs::{BlobError, Key};
use gatecast_core::ids::ModelId;
use gatecast_core::job::Job;
use gatecast_core::kinds::{BacktestSpec, JobSpec, ScalingChoice, TrainSpec};
use gatecast_core::trainer::{BacktestTask, BaseModel, DatasetSource, FinetuneTask, Task, TrainTask};
use gatecast_store::StoreError;
use gatecast_store::queue::Lease;

/// Builds the task. Dataset and model are looked up again, because they may have been deleted since the job was queued.
pub(super) async fn build(shared: &Shared, job: &Job, order: &JobSpec, lease: Lease) -> Result<Task, Outcome> {
    let dataset = dataset(shared, job).await?;
    let known_epochs = shared.store.last_epoch(job.id).await.map_err(|error| store_failed(job, &error))?;
    let folder = shared.config.work.clone();
    let files = tokio::task::spawn_blocking(move || workdir::prepare(&folder, lease)).await;
    let files = files.map_err(std::io::Error::other).and_then(|files| files).map_err(|error| {
        tracing::error!(job = %job.id, %error, "the work folder cannot be made");
        let fault = Outcome::fault("no_work_folder", "the server could not make the job's work folder");
        Outcome::of_io(&error, fault)
    })?;
    let train = |order: &TrainSpec| TrainTask {
        job: job.id,
        attempt: lease.attempt,
        order: order.clone(),
        dataset: dataset.clone(),
        resume: files.resume.clone(),
        known_epochs,
        checkpoint: files.checkpoint.clone(),
        model: files.model.clone(),
        threads: shared.config.threads,
        // Only comparisons show all of them.
        all_baselines: job.parent.is_some(),
    };
    match order {
        JobSpec::Train(spec) => Ok(Task::Train(train(spec))),
        JobSpec::Finetune(spec) => {
            let bundle = bundle(shared, job, spec.model).await?;
            let refit_scaling = spec.scaling == ScalingChoice::Refit;
            let base = BaseModel { id: Some(spec.model), bundle, freeze: spec.freeze.clone(), refit_scaling };
            Ok(Task::Finetune(FinetuneTask { train: train(&spec.resolved), base }))
        }
        JobSpec::Backtest(spec) => match spec.as_ref() {
            BacktestSpec::Model(spec) => Ok(Task::Backtest(BacktestTask {
                job: job.id,
                attempt: lease.attempt,
                id: spec.model,
                model: bundle(shared, job, spec.model).await?,
                dataset,
                folds: spec.folds,
                step: spec.step,
                gap: spec.gap,
                horizon: spec.horizon,
                until: spec.until,
                // A model trained for one fold is evaluated only on data it was not trained on.
                unseen_only: job.parent.is_some(),
                points: files.points,
            })),
            BacktestSpec::Refit(_) => Err(runs_no_process()),
        },
        JobSpec::Compare(_) | JobSpec::Search(_) => Err(runs_no_process()),
    }
}

/// The coordinator advances such a job, and no worker claims it.
fn runs_no_process() -> Outcome {
    Outcome::failed("not_a_training", "this job runs others and has no process of its own")
}

async fn dataset(shared: &Shared, job: &Job) -> Result<DatasetSource, Outcome> {
    let revision = shared.store.revision(job.dataset, job.dataset_revision).await;
    let revision = revision.map_err(|error| store_failed(job, &error))?;
    let dataset = shared.store.dataset(job.dataset).await.map_err(|error| store_failed(job, &error))?;
    let (Some(revision), Some(dataset)) = (revision, dataset) else {
        return Err(Outcome::failed("dataset_deleted", "the dataset was deleted before the training could begin"));
    };
    let damaged = |error: BlobError| {
        tracing::error!(job = %job.id, error = &error as &dyn std::error::Error, "the dataset's row is damaged");
        Outcome::failed("dataset_unreadable", "the dataset's record is damaged")
    };
    let points = Key::dataset_points(revision.dataset, &revision.sha256).map_err(damaged)?;
    let index = Key::dataset_index(revision.dataset, &revision.sha256).map_err(damaged)?;
    Ok(DatasetSource {
        id: job.dataset,
        name: dataset.name,
        revision: revision.revision,
        path: shared.blobs.local(&points),
        index: shared.blobs.local(&index),
        sha256: revision.sha256,
    })
}

/// The file of a stored model.
async fn bundle(shared: &Shared, job: &Job, model: ModelId) -> Result<PathBuf, Outcome> {
    let found = shared.store.has_model(model).await.map_err(|error| store_failed(job, &error))?;
    if !found {
        return Err(Outcome::failed("model_deleted", "the model was deleted before the job could begin"));
    }
    Ok(shared.blobs.local(&Key::model(model)))
}

fn store_failed(job: &Job, error: &StoreError) -> Outcome {
    tracing::warn!(job = %job.id, error = error as &dyn std::error::Error, "the database could not be read");
    Outcome::fault("store_unavailable", format!("the database could not be read: {error}"))
}
