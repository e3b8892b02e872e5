//! Learning on from a stored model.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::plan::{error, short, within};
use super::{Checked, Found, JobRequestKind, JobSpecKind, Names, TrainRequest, TrainSpec};
use crate::alias::ModelRef;
use crate::ids::{DatasetId, ModelId};
use crate::order::{DataRequest, Split, TrainingRequest, merge_patch};
use crate::resolve::{self, FieldError, fields};

/// Learn on from a stored model: its network and columns, on other data or newer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FinetuneRequest {
    /// For people; the server makes one where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, format = "name", pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// Its id, or `@` and its alias. The job keeps the id that the alias stands for when it is ordered.
    pub model: ModelRef,
    /// Left out: the newest revision of the dataset that the model was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetId>,
    /// Variables that keep their values, by the beginning of their names in the bundle:
    /// `recurrent.0` is the whole first layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100, min_length = 1, max_length = 200)]
    pub freeze: Vec<String>,
    #[serde(default)]
    pub scaling: ScalingChoice,
    /// Left out: split as for the model.
    #[serde(
        default,
        deserialize_with = "crate::order::string_or_struct::optional_object",
        skip_serializing_if = "Option::is_none"
    )]
    pub split: Option<Split>,
    /// Merged over the `training` that the model was trained with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub training: Option<Value>,
}

/// A fine-tuning, with the training that it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FinetuneSpec {
    pub name: String,
    pub model: ModelId,
    pub dataset: DatasetId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    pub scaling: ScalingChoice,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub training: Option<Value>,
    /// The training that all this makes; not part of a request.
    #[schema(read_only)]
    pub resolved: TrainSpec,
}

/// What brings numbers to the network's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScalingChoice {
    /// The model's own, as its weights know it.
    #[default]
    Keep,
    /// Fitted afresh to the new training part.
    Refit,
}

/// A fine-tuning whose fields are each valid.
#[derive(Debug, Clone)]
pub struct CheckedFinetune(FinetuneRequest);

impl JobRequestKind for FinetuneRequest {
    type Checked = CheckedFinetune;

    fn check(self) -> Result<CheckedFinetune, Vec<FieldError>> {
        fields::check(self).map(CheckedFinetune)
    }
}

impl Checked for CheckedFinetune {
    type Spec = FinetuneSpec;

    fn names(&self) -> Names<'_> {
        Names { dataset: self.0.dataset.map(|dataset| ("/dataset", dataset)), model: Some(&self.0.model) }
    }

    fn resolve(self, found: &Found<'_>) -> Result<FinetuneSpec, Vec<FieldError>> {
        let (request, dataset) = (self.0, found.dataset);
        let model = found.model.ok_or_else(|| error("/model", "the field is missing"))?;
        let own = model.manifest.order.clone();
        let mut training = json!(own.training);
        if let Some(change) = &request.training {
            merge_patch::merge(&mut training, change);
        }
        let training: TrainingRequest = fields::read(&training).map_err(|errors| within("/training", errors))?;
        let name = request.name.unwrap_or_else(|| short(format!("{}, learnt on", model.name)));
        let mut data = DataRequest::from(own.data);
        if let Some(split) = &request.split {
            data.split = split.clone();
        }
        let whole = TrainRequest { name: Some(name.clone()), dataset: dataset.id, data, model: own.model, training };
        let at = if request.dataset.is_some() { "/dataset" } else { "/model" };
        let resolved = resolve::train(whole, &dataset.name, &dataset.profile)
            .map_err(|errors| errors.into_iter().map(|error| place(error, at)).collect::<Vec<_>>())?;
        Ok(FinetuneSpec {
            name,
            model: model.id,
            dataset: dataset.id,
            freeze: request.freeze,
            scaling: request.scaling,
            split: request.split,
            training: request.training,
            resolved,
        })
    }
}

/// Where the caller can mend an error of the whole: what the caller did not write came with the model.
fn place(error: FieldError, model: &str) -> FieldError {
    if error.pointer.starts_with("/training") {
        return error;
    }
    if let Some(rest) = error.pointer.strip_prefix("/data/split") {
        return FieldError::new(format!("/split{rest}"), error.detail);
    }
    let detail = format!("the model's own training does not fit this dataset: {}: {}", error.pointer, error.detail);
    FieldError::new(model, detail)
}

impl JobSpecKind for FinetuneSpec {
    fn name(&self) -> &str {
        &self.name
    }

    fn train(&self) -> Option<&TrainSpec> {
        Some(&self.resolved)
    }
}
