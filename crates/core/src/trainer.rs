//! The protocol between the supervisor and the trainer, a child process.
//!
//! The supervisor writes one [`Task`] as a line of JSON to the child's standard input and keeps that pipe open. EOF
//! on it means that the server is gone, and the child exits. The child writes [`TrainerEvent`]s, one per line, to its
//! standard output, and its log to standard error. The last event is `finished`, `backtested` or `failed`. A child
//! that exits without one has crashed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::backtest::BacktestResult;
use super::ids::{DatasetId, JobId, ModelId};
use super::metric_values::{EpochReport, FinalMetrics};
use super::order::TrainSpec;

/// The task of one trainer process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// Trains a network from fresh weights.
    Train(TrainTask),
    /// Continues training a stored model.
    Finetune(FinetuneTask),
    /// Forecasts past points with a stored model.
    Backtest(BacktestTask),
}

/// One attempt of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainTask {
    pub job: JobId,
    pub attempt: u32,
    pub order: TrainSpec,
    pub dataset: DatasetSource,
    /// The checkpoint of an earlier attempt to resume from, if there is one.
    pub resume: Option<PathBuf>,
    /// The last epoch in the store. Later epochs of the checkpoint are reported again.
    #[serde(default)]
    pub known_epochs: u32,
    /// Where to write this attempt's checkpoint after every epoch (temporary file, sync, rename).
    pub checkpoint: PathBuf,
    /// Where to write the finished model bundle.
    pub model: PathBuf,
    /// The number of threads for tensor computations. The resulting bytes depend on it.
    pub threads: usize,
    /// Whether to compute the expensive baseline too: the linear map.
    #[serde(default)]
    pub all_baselines: bool,
}

/// One attempt of a fine-tuning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinetuneTask {
    #[serde(flatten)]
    pub train: TrainTask,
    pub base: BaseModel,
}

/// The stored model that a fine-tuning starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaseModel {
    /// Its id, for the new model's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ModelId>,
    /// The model's bundle. Its network and columns must match the request.
    pub bundle: PathBuf,
    /// Variables to freeze, by prefixes of their names: `recurrent.0` is the whole first layer.
    #[serde(default)]
    pub freeze: Vec<String>,
    /// Whether to fit the scaling to the new training part. Otherwise the model's own is kept.
    #[serde(default)]
    pub refit_scaling: bool,
}

/// One attempt of a backtest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BacktestTask {
    pub job: JobId,
    pub attempt: u32,
    pub dataset: DatasetSource,
    pub id: ModelId,
    /// The model's bundle.
    pub model: PathBuf,
    pub folds: usize,
    /// The number of points from one origin to the next.
    pub step: usize,
    /// The number of steps after an origin that are forecast but not evaluated.
    pub gap: usize,
    /// The number of points to forecast from each origin.
    pub horizon: usize,
    pub until: Option<jiff::Timestamp>,
    /// Whether to skip origins after which training may have used a point. For a model that was trained for a single
    /// fold.
    #[serde(default)]
    pub unseen_only: bool,
    /// Where to write the points of all folds.
    pub points: PathBuf,
}

impl Task {
    /// The file that the task creates.
    pub fn output(&self) -> &Path {
        match self {
            Self::Train(task) => &task.model,
            Self::Finetune(task) => &task.train.model,
            Self::Backtest(task) => &task.points,
        }
    }
}

/// The exact data that an attempt reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetSource {
    pub id: DatasetId,
    pub name: String,
    pub revision: u32,
    pub path: PathBuf,
    /// The path of the series index.
    pub index: PathBuf,
    /// The SHA-256 of `path`, checked before the first batch.
    pub sha256: String,
}

/// An event reported by the child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum TrainerEvent {
    /// The data is read and the network is built.
    Started {
        engine: String,
        device: String,
        /// Why this engine was chosen.
        #[serde(default)]
        reason: String,
        /// The number of trainable parameters.
        parameters: u64,
        /// The number of windows in each part.
        windows: WindowCounts,
        /// The last epoch of the checkpoint that the attempt resumes from.
        resumed_after: Option<u32>,
    },
    /// Epochs of earlier attempts that are missing from the store, in order, a few hundred per event.
    Epochs { reports: Vec<EpochReport> },
    /// Sent a few times per second.
    Progress {
        /// The fraction of the whole training that is done, from 0 to 1.
        fraction: f64,
        eta_seconds: Option<f64>,
    },
    /// An epoch has ended and its checkpoint is synced to disk.
    Epoch { report: EpochReport },
    /// A possible problem. Training continues.
    Warning { code: String, detail: String },
    /// Information that needs no action.
    Info { code: String, detail: String },
    /// The model's file is complete and synced.
    Finished { metrics: Box<FinalMetrics>, best_epoch: u32, epochs: u32, sha256: String, bytes: u64 },
    /// The backtest has ended, and its points file is complete and synced.
    Backtested { result: Box<BacktestResult> },
    /// The task failed.
    Failed { fault: Fault, code: String, detail: String },
}

/// The number of windows in each part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct WindowCounts {
    pub training: u64,
    pub validation: u64,
    pub test: u64,
}

/// Whether a retry could succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The request or the data is at fault: not retried.
    Order,
    /// The machine is at fault (memory, disk, a crash): retried.
    Machine,
}
