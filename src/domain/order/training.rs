//! How it learns: epochs, loss, optimiser, device.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::schema::text_schema;

/// How the network learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSpec {
    #[garde(range(min = 1, max = 100_000))]
    pub epochs: u32,
    #[garde(range(min = 1, max = 65_536))]
    pub batch_size: usize,
    #[garde(skip)]
    pub loss: Loss,
    #[garde(dive)]
    pub optimizer: Optimizer,
    /// Left out: gradients are not clipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub clip: Option<Clip>,
    /// Left out: all epochs are run; the best epoch's weights are kept either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub early_stopping: Option<EarlyStopping>,
    #[garde(skip)]
    pub seed: u64,
    #[garde(skip)]
    pub device: Device,
    #[garde(skip)]
    pub engine: EngineChoice,
}

impl Default for TrainingSpec {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 32,
            loss: Loss::Mse,
            optimizer: Optimizer::default(),
            clip: None,
            early_stopping: None,
            seed: 42,
            device: Device::Auto,
            engine: EngineChoice::Auto,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Mean squared error.
    Mse,
    /// Mean absolute error.
    Mae,
}

/// As in Keras, its defaults included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Kingma and Ba 2015.
    Adam {
        #[serde(default = "adam_rate")]
        #[garde(range(min = 1e-12, max = 10.0))]
        learning_rate: f64,
        #[serde(default = "beta_1")]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        beta_1: f64,
        #[serde(default = "beta_2")]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        beta_2: f64,
        #[serde(default = "epsilon")]
        #[garde(range(min = 1e-16, max = 1.0))]
        epsilon: f64,
    },
    /// Dozat 2016: Adam with Nesterov's momentum.
    Nadam {
        #[serde(default = "adam_rate")]
        #[garde(range(min = 1e-12, max = 10.0))]
        learning_rate: f64,
        #[serde(default = "beta_1")]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        beta_1: f64,
        #[serde(default = "beta_2")]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        beta_2: f64,
        #[serde(default = "epsilon")]
        #[garde(range(min = 1e-16, max = 1.0))]
        epsilon: f64,
    },
    /// Hinton 2012: the gradient over the root of its running mean square.
    Rmsprop {
        #[serde(default = "adam_rate")]
        #[garde(range(min = 1e-12, max = 10.0))]
        learning_rate: f64,
        #[serde(default = "rho")]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        rho: f64,
        #[serde(default)]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        momentum: f64,
        #[serde(default = "epsilon")]
        #[garde(range(min = 1e-16, max = 1.0))]
        epsilon: f64,
    },
    /// Stochastic gradient descent.
    Sgd {
        #[serde(default = "sgd_rate")]
        #[garde(range(min = 1e-12, max = 10.0))]
        learning_rate: f64,
        #[serde(default)]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        momentum: f64,
        #[serde(default)]
        #[garde(skip)]
        nesterov: bool,
    },
}

fn adam_rate() -> f64 {
    0.001
}
fn sgd_rate() -> f64 {
    0.01
}
fn rho() -> f64 {
    0.9
}
fn beta_1() -> f64 {
    0.9
}
fn beta_2() -> f64 {
    0.999
}
fn epsilon() -> f64 {
    1e-7
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adam { learning_rate: adam_rate(), beta_1: beta_1(), beta_2: beta_2(), epsilon: epsilon() }
    }
}

/// Bounds on the gradient before a step, by Keras's meanings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clip {
    /// Each variable's gradient by its own norm (`clipnorm`).
    Norm(#[garde(range(min = 1e-12, max = 1e12))] f64),
    /// All gradients by their joint norm (`global_clipnorm`).
    GlobalNorm(#[garde(range(min = 1e-12, max = 1e12))] f64),
    /// Each element (`clipvalue`).
    Value(#[garde(range(min = 1e-12, max = 1e12))] f64),
}

/// Stop once the validation loss has not fallen for `patience` epochs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    #[garde(range(min = 1, max = 100_000))]
    pub patience: u32,
    /// A fall of less than this does not count.
    #[serde(default)]
    #[garde(range(min = 0.0, max = 1e12))]
    pub min_delta: f64,
}

/// `auto`, `cpu`, `cuda` or `cuda:N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// The first card where there is one, else the processor.
    #[default]
    Auto,
    Cpu,
    Cuda(u8),
}

text_schema!(Device, "Device", "auto", "Where the tensor work runs: auto, cpu, cuda or cuda:N.");

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
                .ok_or_else(|| "unknown device: expected auto, cpu, cuda or cuda:N".to_owned()),
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
    /// The fastest that can run the order.
    #[default]
    Auto,
    /// Gatecast's own kernels, on the processor.
    Fused,
    /// LibTorch, on the processor or a card.
    Libtorch,
}
