//! The parts of a training request and spec: data, network and training.
//!
//! A field that a caller may omit is an option in a request ([`DataRequest`], [`TrainingRequest`]) and a plain value
//! in a spec ([`DataSpec`], [`TrainingSpec`]). [`crate::resolve`] turns a request into a spec.

mod base;
mod cell;
mod data;
mod data_spec;
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
pub(crate) mod string_or_struct;
mod training;
mod training_spec;
mod validate_layers;
mod values;
mod windows;

pub use base::Base;
pub use cell::{Cell, CellSpec, LayerNorm, NormOver};
pub use data::{DataRequest, Part, Split, TimeRange};
pub use data_spec::DataSpec;
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
pub use training::{Clip, Device, EarlyStopping, EngineChoice, TrainingRequest};
pub use training_spec::{TrainingDefaults, TrainingSpec};
pub use values::{Aggregation, DifferencedInputs, Differencing, Missing, Recency, Resample, Transform, TransformKind};
pub use windows::{HoldoutPart, WindowLength};

pub use crate::kinds::{JobSpec, ScalingChoice, TrainRequest, TrainSpec};
