//! The training part of a request: epochs, loss, optimiser, device.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::loss::{Loss, LossForm};
use super::optimizer::Optimizer;
use super::schedule::Schedule;
use crate::schema::{number_schema, text_schema};

/// How to train the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingRequest {
    /// The number of passes over the training windows. Default: enough for 600 to 3,000 steps, depending on the amount
    /// of data. The batch size, optimiser, schedule and clipping then have the defaults that go with it.
    // The store keeps a report per epoch. 100,000 reports are about 50 MB, and are deleted or resumed within seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000)]
    pub epochs: Option<u32>,
    /// Default: 32. Without `epochs`: 8 to 64, depending on the amount of data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65536)]
    pub batch_size: Option<usize>,
    /// Default: the head's default loss, which is `mae` for a point head.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<LossForm>)]
    pub loss: Option<Loss>,
    /// Default: Adam with a learning rate of 0.001, or 0.002 without `epochs`.
    #[serde(
        deserialize_with = "crate::order::string_or_struct::optional_object",
        skip_serializing_if = "Option::is_none"
    )]
    pub optimizer: Option<Optimizer>,
    /// How the learning rate changes during training. Default: it is constant. Without `epochs`: `one_cycle`.
    #[serde(
        deserialize_with = "crate::order::string_or_struct::optional_object",
        skip_serializing_if = "Option::is_none"
    )]
    pub schedule: Option<Schedule>,
    /// Default: gradients are not clipped. Without `epochs`: a `global_norm` of 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
    /// Default: all epochs are run. In either case, the weights of the best epoch are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// The maximum number of optimiser steps. Training may stop in the middle of an epoch; the result is then
    /// evaluated and kept as if the training had ended normally.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 18446744073709551615u64)]
    pub max_steps: Option<u64>,
    /// The maximum time in seconds for epochs, including validation and earlier attempts. Training then stops as with
    /// `max_steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.001, maximum = 1e9)]
    pub time_limit_seconds: Option<f64>,
    /// Train again on all data, from new weights and for as many steps as the best epoch took, and keep that model. Its
    /// metrics are those of the first training, whose validation and test parts it has not seen. Default: true if
    /// `data.split` is omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refit: Option<bool>,
    #[schema(maximum = 18446744073709551615u64)]
    pub seed: u64,
    pub device: Device,
    pub engine: EngineChoice,
}

impl Default for TrainingRequest {
    fn default() -> Self {
        Self {
            epochs: None,
            batch_size: None,
            loss: None,
            optimizer: None,
            schedule: None,
            clip: None,
            early_stopping: None,
            max_steps: None,
            time_limit_seconds: None,
            refit: None,
            seed: 42,
            device: Device::Auto,
            engine: EngineChoice::Auto,
        }
    }
}

/// Gradient clipping, with Keras's definitions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clip {
    /// Clips each variable's gradient by its norm (`clipnorm`).
    #[schema(value_type = ClipBound)]
    Norm(f64),
    /// Clips all gradients by their joint norm (`global_clipnorm`).
    #[schema(value_type = ClipBound)]
    GlobalNorm(f64),
    /// Clips each element (`clipvalue`).
    #[schema(value_type = ClipBound)]
    Value(f64),
}

number_schema!(ClipBound, Number, 1e-12, 1e12, "A bound on a gradient.");

/// Stops when the validation loss has not decreased for `patience` epochs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    #[schema(minimum = 1, maximum = 100000)]
    pub patience: u32,
    /// A smaller decrease does not count.
    #[serde(default)]
    #[schema(minimum = 0.0, maximum = 1e12)]
    pub min_delta: f64,
}

/// `auto`, `cpu`, `cuda` or `cuda:N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// The first GPU if there is one, otherwise the CPU.
    #[default]
    Auto,
    Cpu,
    Cuda(u8),
}

text_schema!(
    Device,
    "Device",
    "auto",
    "device",
    r"^(auto|cpu|cuda|cuda:(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5]))$",
    "Where the tensor work runs: auto, cpu, cuda or cuda:N."
);

impl TryFrom<String> for Device {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "is not a device: expected auto, cpu, cuda or cuda:N".to_owned()),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> String {
        match device {
            Device::Auto => "auto".to_owned(),
            Device::Cpu => "cpu".to_owned(),
            Device::Cuda(index) => format!("cuda:{index}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineChoice {
    /// The fastest engine that supports the request.
    #[default]
    Auto,
    /// Gatecast's own kernels, on the CPU.
    Fused,
    /// LibTorch, on the CPU or a GPU.
    Libtorch,
}
