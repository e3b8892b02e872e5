//! A stored model and the manifest inside its bundle.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::frequency::Frequency;
use super::ids::{DatasetId, JobId, ModelId};
use super::metrics::FinalMetrics;
use super::order::TrainOrder;

/// The version of the bundle's form that this program writes, and the newest it reads.
pub const BUNDLE_FORMAT: u32 = 1;

/// All that is known of a model besides its numbers: JSON in the bundle's metadata, under the key
/// `gatecast`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Manifest {
    /// Of the bundle: 1.
    pub format: u32,
    /// The program that trained it.
    pub version: String,
    /// Resolved: what was ordered, with nothing left open.
    pub order: TrainOrder,
    /// Features the network reads at each step: the targets, then the past covariates.
    pub inputs: Vec<String>,
    /// Columns it forecasts.
    pub targets: Vec<String>,
    pub context: usize,
    pub horizon: usize,
    pub season: usize,
    /// Of the training data, where all its series share one.
    pub frequency: Option<Frequency>,
    /// Series the scaling knows.
    pub series: u64,
    /// Learnable numbers.
    pub parameters: u64,
    pub engine: String,
    pub device: String,
    pub threads: usize,
    pub epochs: u32,
    pub best_epoch: u32,
    pub metrics: FinalMetrics,
    pub trained_on: TrainedOn,
}

/// The exact data a model saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrainedOn {
    pub dataset: DatasetId,
    pub name: String,
    pub revision: u32,
    pub sha256: String,
}

/// A model as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Model {
    pub id: ModelId,
    pub name: String,
    /// The job that trained it; absent for an imported one, or once the job is deleted.
    pub job: Option<JobId>,
    pub created_at: jiff::Timestamp,
    /// Of the bundle.
    pub sha256: String,
    pub bytes: u64,
    pub manifest: Manifest,
}
