//! What learns: the network.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSpec {
    #[garde(skip)]
    pub cell: Cell,
    #[garde(skip)]
    pub layer_norm: bool,
    /// Units of each recurrent layer, first to last.
    #[garde(length(min = 1, max = 32), inner(range(min = 1, max = 8192)))]
    pub layers: Vec<usize>,
    #[garde(skip)]
    pub output: Output,
}

impl Default for ModelSpec {
    fn default() -> Self {
        Self { cell: Cell::Lstm, layer_norm: false, layers: vec![32, 32], output: Output::EveryStep }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    SimpleRnn,
    Lstm,
    Gru,
}

impl Cell {
    pub fn name(self) -> &'static str {
        match self {
            Self::SimpleRnn => "simple_rnn",
            Self::Lstm => "lstm",
            Self::Gru => "gru",
        }
    }
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
