//! What learns: the network.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cell::Cell;
use super::head::{self, Head, HeadForm};
use super::initializer::Initializer;
use super::layer_spec::LayerSpec;

/// The network. What holds for its layers holds for each that says nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSpec {
    pub cell: Cell,
    pub layer_norm: bool,
    /// Each recurrent layer, first to last: its units, or an object with settings of its own.
    #[schema(min_items = 1, max_items = 32)]
    pub layers: Vec<LayerSpec>,
    pub output: Output,
    /// Of the simple RNN's state. Left out: tanh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// The share of what a layer reads that is dropped in training, afresh at each step.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(minimum = 0.0, maximum = 0.99)]
    pub dropout: f64,
    /// The share of the state that a layer's recurrent products do not see in training, the same
    /// for all steps of a window.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(minimum = 0.0, maximum = 0.99)]
    pub recurrent_dropout: f64,
    /// Half of each layer reads from the end; each half has the layer's units. Only with `output`
    /// `last_step`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bidirectional: bool,
    /// Adds what a layer reads to what it gives, for each layer as wide as the one below it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub residual: bool,
    /// How many steps back each layer reads its state, one number a layer, such as 1, 2, 4. Left
    /// out: 1 for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32, minimum = 1, maximum = 100000)]
    pub dilations: Vec<usize>,
    /// Left out: `glorot_uniform`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_initializer: Option<Initializer>,
    /// Left out: `orthogonal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurrent_initializer: Option<Initializer>,
    /// Left out: `zeros`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias_initializer: Option<Initializer>,
    /// Whether the LSTM's forget gate begins at 1, whatever the bias does. Left out: it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_forget_bias: Option<bool>,
    /// Written as an object or, without options, as a word.
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
            layer_norm: false,
            layers: vec![LayerSpec::Units(32), LayerSpec::Units(32)],
            output: Output::EveryStep,
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

/// What a simple RNN's pre-activation becomes its state by.
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

/// Where the network forecasts, and so where the loss is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// At every step of the context, the next `horizon` values (sequence to sequence).
    EveryStep,
    /// After the last step alone.
    LastStep,
}
