//! The training part of a spec, with every value resolved.

use serde::Serialize;
use utoipa::ToSchema;

use super::head::Head;
use super::loss::{Loss, LossForm};
use super::optimizer::Optimizer;
use super::schedule::Schedule;
use super::training::{Clip, Device, EarlyStopping, EngineChoice, TrainingRequest};

/// How to train the network. The fields are documented at [`TrainingRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TrainingSpec {
    pub epochs: u32,
    pub batch_size: usize,
    #[schema(value_type = LossForm)]
    pub loss: Loss,
    pub optimizer: Optimizer,
    #[serde(skip_serializing_if = "Schedule::is_constant")]
    pub schedule: Schedule,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit_seconds: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refit: bool,
    pub seed: u64,
    pub device: Device,
    pub engine: EngineChoice,
}

/// The defaults for a point head.
impl Default for TrainingSpec {
    fn default() -> Self {
        TrainingRequest::default().stored(&Head::default())
    }
}

/// The values of a training whose request leaves them open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingDefaults {
    pub epochs: u32,
    pub batch_size: usize,
    pub optimizer: Optimizer,
    pub schedule: Schedule,
    pub clip: Option<Clip>,
    pub loss: Loss,
    pub refit: bool,
}

impl TrainingDefaults {
    /// Keras's, which a request with `epochs` has. Also those of stored specs that omit a value.
    pub fn keras(head: &Head) -> Self {
        let loss = if head.is_probabilistic() { head.default_loss() } else { Loss::Mse };
        Self {
            epochs: 20,
            batch_size: 32,
            optimizer: Optimizer::default(),
            schedule: Schedule::default(),
            clip: None,
            loss,
            refit: false,
        }
    }
}

impl TrainingRequest {
    /// The spec of a stored request. The first versions omitted some values that had a fixed default.
    pub fn stored(self, head: &Head) -> TrainingSpec {
        self.with(TrainingDefaults::keras(head))
    }

    pub fn with(self, defaults: TrainingDefaults) -> TrainingSpec {
        TrainingSpec {
            epochs: self.epochs.unwrap_or(defaults.epochs),
            batch_size: self.batch_size.unwrap_or(defaults.batch_size),
            loss: self.loss.unwrap_or(defaults.loss),
            optimizer: self.optimizer.unwrap_or(defaults.optimizer),
            schedule: self.schedule.unwrap_or(defaults.schedule),
            clip: self.clip.or(defaults.clip),
            early_stopping: self.early_stopping,
            max_steps: self.max_steps,
            time_limit_seconds: self.time_limit_seconds,
            refit: self.refit.unwrap_or(defaults.refit),
            seed: self.seed,
            device: self.device,
            engine: self.engine,
        }
    }
}

impl From<TrainingSpec> for TrainingRequest {
    fn from(spec: TrainingSpec) -> Self {
        Self {
            epochs: Some(spec.epochs),
            batch_size: Some(spec.batch_size),
            loss: Some(spec.loss),
            optimizer: Some(spec.optimizer),
            schedule: Some(spec.schedule).filter(|schedule| !schedule.is_constant()),
            clip: spec.clip,
            early_stopping: spec.early_stopping,
            max_steps: spec.max_steps,
            time_limit_seconds: spec.time_limit_seconds,
            refit: Some(spec.refit).filter(|refit| *refit),
            seed: spec.seed,
            device: spec.device,
            engine: spec.engine,
        }
    }
}
