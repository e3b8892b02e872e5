//! One recurrent layer with everything settled: what engines are built for.

use super::cell::{Cell, LayerNorm};
use super::initializer::Initializer;
use super::model::Activation;

/// One recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layer {
    pub cell: Cell,
    pub layer_norm: bool,
    /// Of one direction.
    pub units: usize,
    /// Of the state, where the cell lets the order choose it; else unused.
    pub activation: Activation,
    /// The share of what it reads that is dropped in training, afresh at each step.
    pub dropout: f32,
    /// The share of the state that its recurrent products do not see in training, the same for
    /// all steps. 0 for a cell without recurrent products.
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
    /// The bias of the cell's forget gate, if it has one, begins at 1 whatever `bias` says.
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

    /// The number of gates: blocks of `units` rows in the kernels.
    pub fn gates(&self) -> usize {
        self.cell.spec().gates.len()
    }

    /// Its layer norms, in the order of their variables; none without `layer_norm`.
    pub fn layer_norms(&self) -> &'static [LayerNorm] {
        if self.layer_norm { self.cell.spec().layer_norms } else { &[] }
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
