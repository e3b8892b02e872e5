//! A stored model and the manifest inside its bundle.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::frequency::Frequency;
use super::ids::{DatasetId, JobId, ModelId};
use super::metric_values::FinalMetrics;
use super::order::{ScalingChoice, TrainSpec};
use super::reader;
use super::spec_error::SpecError;

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
    pub order: TrainSpec,
    /// The columns that are scaled as series are: the targets, then the past and future covariates
    /// that are numbers.
    pub inputs: Vec<String>,
    /// What training found in the columns that are not.
    #[serde(default, skip_serializing_if = "Encodings::is_empty")]
    pub encodings: Encodings,
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
    /// Why training ended; absent in bundles of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<StoppedBy>,
    /// What `learning_rate: "find"` found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_rate: Option<FoundRate>,
    /// The model that training went on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finetuned_from: Option<FinetunedFrom>,
    pub metrics: FinalMetrics,
    pub trained_on: TrainedOn,
}

impl Manifest {
    /// Reads the copy that a model's row holds, leaving out fields that this program does not know. The
    /// bundle itself is read strictly, for its numbers mean what all of its fields say.
    pub fn read_stored(text: &str) -> Result<Self, SpecError> {
        let value: Value = serde_json::from_str(text).map_err(|error| SpecError::Damaged(error.to_string()))?;
        match value.get("format").and_then(Value::as_u64) {
            Some(found) if found > u64::from(BUNDLE_FORMAT) => {
                Err(SpecError::Newer { found, newest: u64::from(BUNDLE_FORMAT) })
            }
            _ => reader::read_stored(&value).map_err(|misfit| SpecError::Damaged(misfit.to_string())),
        }
    }

    /// Why the model cannot forecast this many points ahead. Past its trained horizon a forecast is
    /// appended to the history, and past covariates are unknown there.
    pub fn refuses_horizon(&self, horizon: usize) -> Option<String> {
        let past = &self.order.data.covariates.past;
        (horizon > self.horizon && !past.is_empty()).then(|| {
            let names: Vec<String> = past.iter().map(|name| format!("`{name}`")).collect();
            format!(
                "must be at most {}, the trained horizon: the model reads past covariates ({}), which are unknown further ahead",
                self.horizon,
                names.join(", ")
            )
        })
    }
}

/// What training found in columns, and forecasts need to read them alike.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Encodings {
    /// Of each category column, the categories that training saw, in the order of the rows of its
    /// embedding, from row 1; row 0 stands for any other and for none. `series` holds the keys of
    /// the series, where they are an input.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub categories: BTreeMap<String, Vec<String>>,
    /// Of each static number column.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub statics: BTreeMap<String, StaticScale>,
    /// Of each column under the transform of Box and Cox: the λ that was estimated, where the order
    /// gives none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lambdas: BTreeMap<String, f64>,
}

/// Over the series trained on, each counted once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StaticScale {
    pub mean: f64,
    /// Above zero.
    pub std: f64,
}

impl Encodings {
    pub fn is_empty(&self) -> bool {
        self.categories.is_empty() && self.statics.is_empty() && self.lambdas.is_empty()
    }

    /// The row of a category in its column's embedding.
    pub fn code(&self, column: &str, category: Option<&str>) -> u16 {
        let known = self.categories.get(column).zip(category);
        let row = known.and_then(|(known, category)| known.binary_search_by(|text| text.as_str().cmp(category)).ok());
        row.and_then(|row| u16::try_from(row + 1).ok()).unwrap_or(0)
    }
}

impl StaticScale {
    /// To the network's scale.
    pub fn apply(self, value: f64) -> f64 {
        (value - self.mean) / self.std
    }
}

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// All epochs were run.
    Epochs,
    EarlyStopping,
    MaxSteps,
    TimeLimit,
}

/// What a range test of learning rates (Smith 2017) chose, and on what grounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoundRate {
    /// A tenth of `lowest_loss_at`.
    pub learning_rate: f64,
    /// The rate at which the smoothed loss was lowest.
    pub lowest_loss_at: f64,
    /// The rates tried, each a constant factor above the one before.
    pub tried_from: f64,
    pub tried_to: f64,
    pub steps: u32,
}

/// The model that a fine-tuning began from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FinetunedFrom {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// Of its bundle.
    pub sha256: String,
    /// The variables that kept their values, by the beginning of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<String>,
    pub scaling: ScalingChoice,
    /// What it had been trained on.
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

/// A model as lists show it: without its manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelSummary {
    pub id: ModelId,
    pub name: String,
    /// The job that trained it; absent for an imported one, or once the job is deleted.
    pub job: Option<JobId>,
    pub created_at: jiff::Timestamp,
    /// Of the bundle.
    pub sha256: String,
    pub bytes: u64,
    /// The number of the network's parameters.
    pub parameters: Option<u64>,
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
