//! A training order: everything a caller may set, by the names the field uses.
//!
//! Reading an order checks each field by itself; [`super::resolve`] checks it against the dataset
//! and fills in what was left open, so that a stored order says all that training depends on.

mod backtest;
mod cell;
mod compare;
mod data;
mod finetune;
mod head;
mod initializer;
mod inputs;
mod layer;
mod layer_spec;
mod loss;
pub mod merge_patch;
mod model;
mod optimizer;
mod rate;
mod scaling;
mod schedule;
mod search;
mod stored;
mod string_or_struct;
mod training;
mod validate_layers;
mod values;
mod windows;

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::DatasetId;
use super::job::JobKind;

pub use backtest::BacktestOrder;
pub use cell::{Cell, CellSpec, LayerNorm, NormOver};
pub use compare::{CompareOrder, Contender, MOST_CHILDREN};
pub use data::{DataSpec, Part, Split, TimeRange};
pub use finetune::{FinetuneOrder, ScalingChoice};
pub use head::Head;
pub use initializer::Initializer;
pub use inputs::{Calendar, CalendarAs, CalendarFeature, CalendarForm, Covariates};
pub use layer::{FirstWeights, Layer};
pub use layer_spec::{LayerSettings, LayerSpec};
pub use loss::Loss;
pub use model::{Activation, ModelSpec, Output};
pub use optimizer::Optimizer;
pub use rate::Rate;
pub use scaling::{Scaling, ScalingKind, ScalingScope};
pub use schedule::Schedule;
pub use search::{Budget, Draw, Method, Range, SearchOrder};
pub use stored::VERSION;
pub use training::{Clip, Device, EarlyStopping, EngineChoice, TrainingSpec};
pub use values::{Aggregation, DifferencedInputs, Differencing, Missing, Recency, Resample, Transform, TransformKind};
pub use windows::{HoldoutPart, WindowLength};

/// What `POST /v1/jobs` takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobSpec {
    /// Train one network.
    Train(#[garde(dive)] Box<TrainSpec>),
    /// Train several and rank them.
    Compare(#[garde(dive)] Box<CompareOrder>),
    /// Train with values drawn from ranges and keep the best.
    Search(#[garde(dive)] Box<SearchOrder>),
    /// Learn on from a stored model.
    Finetune(#[garde(dive)] Box<FinetuneOrder>),
    /// Judge a stored model on the past.
    Backtest(#[garde(dive)] Box<BacktestOrder>),
}

impl JobSpec {
    pub fn kind(&self) -> JobKind {
        match self {
            Self::Train(_) => JobKind::Train,
            Self::Compare(_) => JobKind::Compare,
            Self::Search(_) => JobKind::Search,
            Self::Finetune(_) => JobKind::Finetune,
            Self::Backtest(_) => JobKind::Backtest,
        }
    }

    /// The job runs others and waits for them; no worker takes it up.
    pub fn coordinates(&self) -> bool {
        match self {
            Self::Train(_) | Self::Finetune(_) => false,
            Self::Backtest(order) => order.order.is_some(),
            Self::Compare(_) | Self::Search(_) => true,
        }
    }
}

impl JobSpec {
    /// Children that are queued with the job.
    pub fn first_children(&self) -> usize {
        match self {
            Self::Train(_) | Self::Finetune(_) => 0,
            Self::Backtest(order) => order.ends.len(),
            Self::Compare(order) => order.size(),
            Self::Search(order) => order.trials.len(),
        }
    }

    /// Of one training.
    pub fn train(&self) -> Option<&TrainSpec> {
        match self {
            Self::Train(order) => Some(order),
            Self::Finetune(order) => order.resolved.as_deref(),
            Self::Compare(_) | Self::Search(_) | Self::Backtest(_) => None,
        }
    }
}

impl From<TrainSpec> for JobSpec {
    fn from(order: TrainSpec) -> Self {
        Self::Train(Box::new(order))
    }
}

/// Train one network on one dataset. Every field but `dataset` has a default that works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainSpec {
    /// For people; the server makes one from the model and the dataset where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 200)))]
    pub name: Option<String>,
    #[garde(skip)]
    pub dataset: DatasetId,
    #[serde(default)]
    #[garde(dive)]
    pub data: DataSpec,
    #[serde(default)]
    #[garde(dive)]
    pub model: ModelSpec,
    #[serde(default)]
    #[garde(dive)]
    pub training: TrainingSpec,
}
