//! Stored models, and the manifest in a model's bundle.

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

/// The version of the bundle format that this program writes, and the newest that it reads.
pub const BUNDLE_FORMAT: u32 = 1;

/// Everything that is known of a model besides its weights and scales: JSON in the bundle's metadata, under the key
/// `gatecast`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Manifest {
    /// The version of the bundle format: 1.
    pub format: u32,
    /// The version of the program that trained the model.
    pub version: String,
    /// The resolved training request, with every field present.
    pub order: TrainSpec,
    /// The columns that are scaled per series: the targets, then the numeric past and future covariates.
    pub inputs: Vec<String>,
    /// How the other columns are encoded.
    #[serde(default, skip_serializing_if = "Encodings::is_empty")]
    pub encodings: Encodings,
    /// The columns that the model forecasts.
    pub targets: Vec<String>,
    pub context: usize,
    pub horizon: usize,
    pub season: usize,
    /// The frequency of the training data, if all its series have the same one.
    pub frequency: Option<Frequency>,
    /// The number of series with a fitted scaling.
    pub series: u64,
    /// The number of trainable parameters.
    pub parameters: u64,
    pub engine: String,
    pub device: String,
    pub threads: usize,
    pub epochs: u32,
    pub best_epoch: u32,
    /// Why training ended. Absent in bundles of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<StoppedBy>,
    /// The result of `learning_rate: "find"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_rate: Option<FoundRate>,
    /// The number of steps of the second training, on all data, whose weights the model has. `metrics`, `epochs` and
    /// `best_epoch` are those of the first training, which had not seen the validation and test parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refit: Option<u64>,
    /// The model that was fine-tuned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finetuned_from: Option<FinetunedFrom>,
    pub metrics: FinalMetrics,
    pub trained_on: TrainedOn,
}

impl Manifest {
    /// Reads the copy in a model's row, ignoring unknown fields. The bundle itself is read strictly, because its
    /// numbers depend on all of its fields.
    pub fn read_stored(text: &str) -> Result<Self, SpecError> {
        let value: Value = serde_json::from_str(text).map_err(|error| SpecError::Damaged(error.to_string()))?;
        match value.get("format").and_then(Value::as_u64) {
            Some(found) if found > u64::from(BUNDLE_FORMAT) => {
                Err(SpecError::Newer { found, newest: u64::from(BUNDLE_FORMAT) })
            }
            _ => reader::read_stored(&value).map_err(|misfit| SpecError::Damaged(misfit.to_string())),
        }
    }

    /// Returns why the model cannot forecast this many points. Beyond the trained horizon, forecasts are appended to
    /// the history, and past covariates are unknown there.
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

/// The encodings that training derived from columns, which forecasts reuse.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Encodings {
    /// For each category column, the categories seen in training, in the order of the rows of its embedding, from row
    /// 1. Row 0 is for unknown and missing categories. `series` contains the series keys, if they are an input.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub categories: BTreeMap<String, Vec<String>>,
    /// The scale of each static numeric column.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub statics: BTreeMap<String, StaticScale>,
    /// For each column with a Box-Cox transform, the estimated λ, if the request gives none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lambdas: BTreeMap<String, f64>,
}

/// Mean and standard deviation over the series trained on, each counted once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StaticScale {
    pub mean: f64,
    /// Greater than zero.
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
    /// Converts a value to the network's scale.
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

/// The result of a learning-rate range test (Smith 2017).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoundRate {
    /// A tenth of `lowest_loss_at`.
    pub learning_rate: f64,
    /// The rate at which the smoothed loss was lowest.
    pub lowest_loss_at: f64,
    /// The lowest rate tested. Each rate is a constant factor above the one before.
    pub tried_from: f64,
    pub tried_to: f64,
    pub steps: u32,
}

/// The model that a fine-tuning started from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FinetunedFrom {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// The SHA-256 of that model's bundle.
    pub sha256: String,
    /// The frozen variables, by prefixes of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<String>,
    pub scaling: ScalingChoice,
    /// The data that the model was trained on before.
    pub trained_on: TrainedOn,
}

/// The exact data that a model was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrainedOn {
    pub dataset: DatasetId,
    pub name: String,
    pub revision: u32,
    pub sha256: String,
}

/// A model, as returned in lists: without its manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelSummary {
    pub id: ModelId,
    pub name: String,
    /// The job that trained the model. Absent if the model was imported or the job was deleted.
    pub job: Option<JobId>,
    pub created_at: jiff::Timestamp,
    /// The SHA-256 of the bundle.
    pub sha256: String,
    pub bytes: u64,
    /// The number of the network's parameters.
    pub parameters: Option<u64>,
}

/// A model, as returned by the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Model {
    pub id: ModelId,
    pub name: String,
    /// The job that trained the model. Absent if the model was imported or the job was deleted.
    pub job: Option<JobId>,
    pub created_at: jiff::Timestamp,
    /// The SHA-256 of the bundle.
    pub sha256: String,
    pub bytes: u64,
    pub manifest: Manifest,
}
