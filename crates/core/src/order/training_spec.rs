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
    pub seed: u64,
    pub device: Device,
    pub engine: EngineChoice,
}

/// The defaults for a point head.
impl Default for TrainingSpec {
    fn default() -> Self {
        TrainingRequest::default().with_loss(&Head::default())
    }
}

impl TrainingRequest {
    /// Fills in the head's default loss if the request has none.
    pub fn with_loss(self, head: &Head) -> TrainingSpec {
        TrainingSpec {
            epochs: self.epochs,
            batch_size: self.batch_size,
            loss: self.loss.unwrap_or_else(|| head.default_loss()),
            optimizer: self.optimizer,
            schedule: self.schedule,
            clip: self.clip,
            early_stopping: self.early_stopping,
            max_steps: self.max_steps,
            time_limit_seconds: self.time_limit_seconds,
            seed: self.seed,
            device: self.device,
            engine: self.engine,
        }
    }
}

impl From<TrainingSpec> for TrainingRequest {
    fn from(spec: TrainingSpec) -> Self {
        Self {
            epochs: spec.epochs,
            batch_size: spec.batch_size,
            loss: Some(spec.loss),
            optimizer: spec.optimizer,
            schedule: spec.schedule,
            clip: spec.clip,
            early_stopping: spec.early_stopping,
            max_steps: spec.max_steps,
            time_limit_seconds: spec.time_limit_seconds,
            seed: spec.seed,
            device: spec.device,
            engine: spec.engine,
        }
    }
}
