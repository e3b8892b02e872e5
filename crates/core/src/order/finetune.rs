//! Learning on from a stored model.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Split, TrainSpec};
use crate::alias::ModelRef;
use crate::ids::DatasetId;

/// Learn on from a stored model: its network and columns, on other data or newer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FinetuneOrder {
    /// For people; the server makes one where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 200)))]
    pub name: Option<String>,
    /// Its id, or `@` and its alias. The job keeps the id that was meant when it was ordered.
    #[garde(skip)]
    pub model: ModelRef,
    /// Left out: the newest revision of the dataset that the model learnt from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub dataset: Option<DatasetId>,
    /// Variables that keep their values, by the beginning of their names in the bundle:
    /// `recurrent.0` is the whole first layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[garde(length(max = 100), inner(length(min = 1, max = 200)))]
    pub freeze: Vec<String>,
    #[serde(default)]
    #[garde(skip)]
    pub scaling: ScalingChoice,
    /// Left out: split as the model's own order says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub split: Option<Split>,
    /// Merged over the `training` of the model's own order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    #[garde(skip)]
    pub training: Option<Value>,
    /// The training order that all this makes. The server's: what is sent is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    #[garde(skip)]
    pub resolved: Option<Box<TrainSpec>>,
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
