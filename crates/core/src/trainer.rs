//! What the supervisor and the trainer (a child process) say to each other.
//!
//! The supervisor writes one [`Task`] as one line of JSON to the child's standard input and keeps
//! that pipe open. EOF on it means that the server is gone, and the child exits.
//! The child writes [`TrainerEvent`]s, one a line, to its standard output; its log goes to standard
//! error. The last event is `finished` or `failed`; a child that ends without either has crashed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::backtest::BacktestResult;
use super::ids::{DatasetId, JobId, ModelId};
use super::metric_values::{EpochReport, FinalMetrics};
use super::order::TrainSpec;

/// What one trainer process does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// Trains a network from fresh weights.
    Train(TrainTask),
    /// Trains on from a stored model.
    Finetune(FinetuneTask),
    /// Forecasts the past with a stored model.
    Backtest(BacktestTask),
}

/// One attempt at one training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainTask {
    pub job: JobId,
    pub attempt: u32,
    pub order: TrainSpec,
    pub dataset: DatasetSource,
    /// Where to continue from, if an earlier attempt left a checkpoint.
    pub resume: Option<PathBuf>,
    /// The last epoch that the store has; later ones of the checkpoint are reported again.
    #[serde(default)]
    pub known_epochs: u32,
    /// Where to put this attempt's checkpoint after every epoch (beside, synced, renamed).
    pub checkpoint: PathBuf,
    /// Where to put the finished model bundle.
    pub model: PathBuf,
    /// Threads for the tensor work; part of what the resulting bytes depend on.
    pub threads: usize,
    /// Compute the expensive baselines too: linear and Theta.
    #[serde(default)]
    pub all_baselines: bool,
}

/// One attempt at a training that begins with a stored model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinetuneTask {
    #[serde(flatten)]
    pub train: TrainTask,
    pub base: BaseModel,
}

/// A stored model to begin with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaseModel {
    /// Its id, for the new model's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ModelId>,
    /// Its file. Network and columns must be those of the order.
    pub bundle: PathBuf,
    /// Variables that keep their values, by the beginning of their names: `recurrent.0` is the whole
    /// first layer.
    #[serde(default)]
    pub freeze: Vec<String>,
    /// Fit the scaling to the new training part; else the model's own is kept.
    #[serde(default)]
    pub refit_scaling: bool,
}

/// One attempt at a backtest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BacktestTask {
    pub job: JobId,
    pub attempt: u32,
    pub dataset: DatasetSource,
    pub id: ModelId,
    /// The model's file.
    pub model: PathBuf,
    pub folds: usize,
    /// Points from one origin to the next.
    pub step: usize,
    /// Steps after an origin that are forecast and not evaluated.
    pub gap: usize,
    /// Points ahead.
    pub horizon: usize,
    pub until: Option<jiff::Timestamp>,
    /// Skip origins after which training may have used a point: of a model that was trained for one fold alone.
    #[serde(default)]
    pub unseen_only: bool,
    /// Where to put the points of all folds.
    pub points: PathBuf,
}

impl Task {
    /// The file that the task leaves behind.
    pub fn output(&self) -> &Path {
        match self {
            Self::Train(task) => &task.model,
            Self::Finetune(task) => &task.train.model,
            Self::Backtest(task) => &task.points,
        }
    }
}

/// The exact data an attempt learns from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetSource {
    pub id: DatasetId,
    pub name: String,
    pub revision: u32,
    pub path: PathBuf,
    /// The index of its series.
    pub index: PathBuf,
    /// Of `path`; checked before the first batch.
    pub sha256: String,
}

/// What the child reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum TrainerEvent {
    /// The data is read and the network stands.
    Started {
        engine: String,
        device: String,
        /// Why this engine.
        #[serde(default)]
        reason: String,
        /// Learnable numbers in the network.
        parameters: u64,
        /// Windows in each part.
        windows: WindowCounts,
        /// The last epoch of the checkpoint this attempt continues from.
        resumed_after: Option<u32>,
    },
    /// Epochs of earlier attempts that the store does not have, in order; a few hundred at a time.
    Epochs { reports: Vec<EpochReport> },
    /// A few times a second.
    Progress {
        /// Of the whole training, from 0 to 1.
        fraction: f64,
        eta_seconds: Option<f64>,
    },
    /// An epoch has ended and its checkpoint is safe on disk.
    Epoch { report: EpochReport },
    /// Something a person should look at; training goes on.
    Warning { code: String, detail: String },
    /// Something a person may want to know, and nothing to worry about.
    Info { code: String, detail: String },
    /// The model's file is whole and synced.
    Finished { metrics: Box<FinalMetrics>, best_epoch: u32, epochs: u32, sha256: String, bytes: u64 },
    /// The backtest has ended; its points' file is whole and synced.
    Backtested { result: Box<BacktestResult> },
    /// The training ended without a model.
    Failed { fault: Fault, code: String, detail: String },
}

/// Windows in each part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct WindowCounts {
    pub training: u64,
    pub validation: u64,
    pub test: u64,
}

/// Whether another try could end otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The order or the data is to blame: no retry.
    Order,
    /// The machine is (memory, disk, a crash): retried.
    Machine,
}
