//! The network.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cell::Cell;
use super::head::{self, Head, HeadForm};
use super::initializer::Initializer;
use super::layer_spec::LayerSpec;

/// The network. Its layer settings apply to every layer that does not override them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSpec {
    pub cell: Cell,
    pub layer_norm: bool,
    /// The recurrent layers, first to last: each is a number of units, or an object with its own settings.
    #[schema(min_items = 1, max_items = 32)]
    pub layers: Vec<LayerSpec>,
    pub output: Output,
    /// The activation of the simple RNN's state. Default: tanh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// The fraction of a layer's inputs that training drops, redrawn at each step.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(minimum = 0.0, maximum = 0.99)]
    pub dropout: f64,
    /// The fraction of the state that training hides from a layer's recurrent products, with the same mask for all
    /// steps of a window.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(minimum = 0.0, maximum = 0.99)]
    pub recurrent_dropout: f64,
    /// Adds a backward direction to each layer, with the same number of units. Requires `output` `last_step`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bidirectional: bool,
    /// Adds each layer's inputs to its outputs, if it is as wide as the layer below it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub residual: bool,
    /// For each layer, the number of steps between a state and the one it is computed from, such as 1, 2, 4. Default:
    /// 1 for all layers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32, minimum = 1, maximum = 100000)]
    pub dilations: Vec<usize>,
    /// Default: `glorot_uniform`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_initializer: Option<Initializer>,
    /// Default: `orthogonal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurrent_initializer: Option<Initializer>,
    /// Default: `zeros`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias_initializer: Option<Initializer>,
    /// Whether the bias of the LSTM's forget gate is initialised to 1, regardless of `bias_initializer`. Default:
    /// true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_forget_bias: Option<bool>,
    /// An object or, without options, a string.
    #[serde(deserialize_with = "head::read", skip_serializing_if = "is_point")]
    #[schema(value_type = HeadForm)]
    pub head: Head,
}

fn is_point(head: &Head) -> bool {
    !head.is_probabilistic()
}

impl Default for ModelSpec {
    fn default() -> Self {
        Self {
            cell: Cell::Lstm,
            layer_norm: true,
            layers: vec![LayerSpec::Units(64)],
            output: Output::LastStep,
            activation: None,
            dropout: 0.0,
            recurrent_dropout: 0.0,
            bidirectional: false,
            residual: false,
            dilations: Vec::new(),
            kernel_initializer: None,
            recurrent_initializer: None,
            bias_initializer: None,
            unit_forget_bias: None,
            head: Head::default(),
        }
    }
}

fn is_zero(rate: &f64) -> bool {
    *rate == 0.0
}

/// The activation function of a simple RNN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    #[default]
    Tanh,
    /// max(x, 0).
    Relu,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// x itself.
    Linear,
}

/// At which steps the network forecasts, and so at which steps the loss is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// At every step of the context, it forecasts the next `horizon` values (sequence to sequence).
    EveryStep,
    /// Only at the last step.
    LastStep,
}
