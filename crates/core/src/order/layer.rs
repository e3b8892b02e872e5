//! One recurrent layer with everything settled: what engines are built for.

use super::initializer::Initializer;
use super::model::{Activation, Cell};

/// One recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layer {
    pub cell: Cell,
    pub layer_norm: bool,
    /// Of one direction.
    pub units: usize,
    /// Of the simple RNN's state; the other cells have their own.
    pub activation: Activation,
    /// The share of what it reads that is dropped in training, afresh at each step.
    pub dropout: f32,
    /// The share of the state that its recurrent products do not see in training, the same for
    /// all steps.
    pub recurrent_dropout: f32,
    /// A second half of as many units reads from the end; a step's outputs are the first half's,
    /// then the second's.
    pub bidirectional: bool,
    /// What it reads is added to what it gives; both are as wide.
    pub residual: bool,
    /// How many steps back the state is read; at least 1.
    pub dilation: usize,
    pub first: FirstWeights,
}

/// How a layer's variables begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstWeights {
    pub kernel: Initializer,
    pub recurrent: Initializer,
    pub bias: Initializer,
    /// The LSTM's forget gate begins at 1, whatever the bias does.
    pub unit_forget_bias: bool,
}

impl Default for FirstWeights {
    fn default() -> Self {
        Self {
            kernel: Initializer::GlorotUniform {},
            recurrent: Initializer::Orthogonal { gain: 1.0 },
            bias: Initializer::Zeros {},
            unit_forget_bias: true,
        }
    }
}

impl Layer {
    /// A plain one.
    pub fn new(cell: Cell, layer_norm: bool, units: usize) -> Self {
        Self {
            cell,
            layer_norm,
            units,
            activation: Activation::Tanh,
            dropout: 0.0,
            recurrent_dropout: 0.0,
            bidirectional: false,
            residual: false,
            dilation: 1,
            first: FirstWeights::default(),
        }
    }

    /// Gates of the cell: how many blocks of `units` rows its kernels have. In PyTorch's order:
    /// LSTM i, f, g, o; GRU r, z, n.
    pub fn gates(&self) -> usize {
        match self.cell {
            Cell::SimpleRnn => 1,
            Cell::Gru => 3,
            Cell::Lstm => 4,
        }
    }

    /// 2 where it reads both ways.
    pub fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// Numbers it gives at each step.
    pub fn outputs(&self) -> usize {
        self.directions() * self.units
    }
}
