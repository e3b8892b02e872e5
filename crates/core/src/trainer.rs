//! What the supervisor and the trainer (a child process) say to each other.
//!
//! The supervisor writes one [`Assignment`] as one line of JSON to the child's standard input and
//! keeps that pipe open: its end tells the child that nobody waits any more, and the child exits.
//! The child writes [`TrainerEvent`]s, one a line, to its standard output; its log goes to standard
//! error. The last event is `finished` or `failed`; a child that ends without either has crashed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::backtest::BacktestResult;
use super::ids::{DatasetId, JobId, ModelId};
use super::metric_values::{EpochReport, FinalMetrics};
use super::order::TrainSpec;

/// One attempt at one training job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    pub job: JobId,
    pub attempt: u32,
    /// Resolved: no field that training depends on is open.
    pub order: TrainSpec,
    pub dataset: DatasetSource,
    /// Where to continue from, if an earlier attempt left a checkpoint.
    pub resume: Option<PathBuf>,
    /// Where to put this attempt's checkpoint after every epoch (beside, synced, renamed).
    pub checkpoint: PathBuf,
    /// Where to put the finished model bundle.
    pub model: PathBuf,
    /// Threads for the tensor work; part of what the resulting bytes depend on.
    pub threads: usize,
    /// Learn on from a stored model instead of from fresh weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finetune: Option<FineTuning>,
    /// Compute the baselines that take their time too: linear and Theta.
    #[serde(default)]
    pub all_baselines: bool,
    /// Judge a stored model instead of training one; `order` is then the one that trained it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backtest: Option<Backtest>,
}

/// A model to judge on the past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backtest {
    pub id: ModelId,
    /// Its bundle.
    pub model: PathBuf,
    pub folds: usize,
    pub step: Option<usize>,
    pub gap: usize,
    pub horizon: Option<usize>,
    pub until: Option<jiff::Timestamp>,
    /// Where to put the points of all folds.
    pub points: PathBuf,
}

/// A model to learn on from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FineTuning {
    /// Its id, for the new model's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ModelId>,
    /// Its bundle. Network and columns must be those of the order.
    pub model: PathBuf,
    /// Variables that keep their values, by the beginning of their names: `recurrent.0` is the whole
    /// first layer.
    #[serde(default)]
    pub freeze: Vec<String>,
    /// Fit the scaling to the new training part; else the model's own is kept.
    #[serde(default)]
    pub refit_scaling: bool,
}

/// The exact data an attempt learns from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetSource {
    pub id: DatasetId,
    pub name: String,
    pub revision: u32,
    pub path: PathBuf,
    /// Checked before the first batch.
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
        /// The epochs before it, for a store that missed some.
        history: Vec<EpochReport>,
    },
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
