//! Training one network from newly initialised weights.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Checked, Found, JobRequestKind, JobSpecKind, Names};
use crate::ids::DatasetId;
use crate::order::{DataRequest, DataSpec, ModelSpec, TrainingRequest, TrainingSpec};
use crate::resolve::{self, FieldError, fields};

/// Train one network on one dataset. Only `dataset` is required.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainRequest {
    /// Display name. Default: made from the model and the dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, format = "name", pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    pub dataset: DatasetId,
    #[serde(default)]
    pub data: DataRequest,
    #[serde(default)]
    pub model: ModelSpec,
    #[serde(default)]
    pub training: TrainingRequest,
}

/// A training with every value resolved.
///
/// Its JSON is that of a request with every field present, so it can be sent again unchanged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "TrainRequest")]
pub struct TrainSpec {
    pub name: String,
    pub dataset: DatasetId,
    pub data: DataSpec,
    pub model: ModelSpec,
    pub training: TrainingSpec,
}

/// Reads a stored spec. The first versions omitted some values that have a fixed default.
impl TryFrom<TrainRequest> for TrainSpec {
    type Error = String;

    fn try_from(request: TrainRequest) -> Result<Self, String> {
        let training = request.training.stored(&request.model.head);
        Ok(Self {
            name: request.name.unwrap_or_default(),
            dataset: request.dataset,
            data: request.data.try_into()?,
            model: request.model,
            training,
        })
    }
}

impl From<TrainSpec> for TrainRequest {
    fn from(spec: TrainSpec) -> Self {
        Self {
            name: Some(spec.name).filter(|name| !name.is_empty()),
            dataset: spec.dataset,
            data: spec.data.into(),
            model: spec.model,
            training: spec.training.into(),
        }
    }
}

impl TrainSpec {
    /// Checks the ranges of all fields, for a spec from an untrusted source.
    pub fn check_fields(&self) -> Vec<FieldError> {
        fields::check(TrainRequest::from(self.clone())).err().unwrap_or_default()
    }
}

impl JobRequestKind for TrainRequest {
    type Checked = CheckedTrain;

    fn check(self) -> Result<CheckedTrain, Vec<FieldError>> {
        fields::check(self).map(CheckedTrain)
    }
}

#[derive(Debug, Clone)]
pub struct CheckedTrain(TrainRequest);

impl Checked for CheckedTrain {
    type Spec = TrainSpec;

    fn names(&self) -> Names<'_> {
        Names { dataset: Some(("/dataset", self.0.dataset)), model: None }
    }

    fn resolve(self, found: &Found<'_>) -> Result<TrainSpec, Vec<FieldError>> {
        resolve::train(self.0, &found.dataset.name, &found.dataset.profile)
    }
}

impl JobSpecKind for TrainSpec {
    fn name(&self) -> &str {
        &self.name
    }

    fn train(&self) -> Option<&TrainSpec> {
        Some(self)
    }
}
