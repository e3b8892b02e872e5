//! Judging a stored model on the past.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::TrainSpec;
use crate::alias::ModelRef;
use crate::ids::DatasetId;

/// Forecast the past from rolling origins, with a stored model or with one trained for each origin,
/// and hold it against what came. Either `model` or `order` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BacktestOrder {
    /// For people; the server makes one where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 200)))]
    pub name: Option<String>,
    /// Its id, or `@` and its alias. The job keeps the id that was meant when it was ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub model: Option<ModelRef>,
    /// A training order without its `kind`, trained anew for each origin on what lies before it. Its
    /// split gives no more than the share of that which validates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TrainSpec>)]
    #[garde(skip)]
    pub order: Option<Value>,
    /// With `model`. Left out: the newest revision of the dataset that the model learnt from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub dataset: Option<DatasetId>,
    /// Origins to forecast from. The last one's horizon ends with each series.
    #[serde(default = "folds")]
    #[garde(range(min = 1, max = 1_000))]
    pub folds: usize,
    /// Points from one origin to the next. Left out: the horizon, so that every point is judged once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(range(min = 1, max = 100_000)))]
    pub step: Option<usize>,
    /// Steps right after the origin that are forecast and not judged, because nobody could act on
    /// them any more.
    #[serde(default)]
    #[garde(range(max = 10_000))]
    pub gap: usize,
    /// Points ahead. Left out: as many as the model was trained for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(range(min = 1, max = 10_000)))]
    pub horizon: Option<usize>,
    /// Points behind this time are left out, and series that do not reach it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::time_bound::to")]
    #[schema(value_type = Option<String>, example = "2019-05-31")]
    #[garde(skip)]
    pub until: Option<jiff::Timestamp>,
    /// With `order`: the last point that each fold judges. The server's: what is sent is not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, read_only)]
    #[garde(skip)]
    pub ends: Vec<jiff::Timestamp>,
}

fn folds() -> usize {
    5
}
