//! A recurrent layer with every value resolved: the input for building an engine.

use super::cell::{Cell, LayerNorm};
use super::initializer::Initializer;
use super::model::Activation;

/// One recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layer {
    pub cell: Cell,
    pub layer_norm: bool,
    /// The number of units per direction.
    pub units: usize,
    /// The activation of the state. Unused if it is not configurable for the cell.
    pub activation: Activation,
    /// The fraction of the layer's inputs that training drops, redrawn at each step.
    pub dropout: f32,
    /// The fraction of the state that training hides from the recurrent products, the same mask for all steps. 0 for
    /// a cell without recurrent products.
    pub recurrent_dropout: f32,
    /// Adds a backward direction of the same number of units. A step's outputs are those of the forward direction,
    /// then those of the backward direction.
    pub bidirectional: bool,
    /// Adds the layer's inputs to its outputs; both have the same width.
    pub residual: bool,
    /// The number of steps between a state and the one it is computed from; at least 1.
    pub dilation: usize,
    pub first: FirstWeights,
}

/// The initialisation of a layer's variables.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstWeights {
    pub kernel: Initializer,
    pub recurrent: Initializer,
    pub bias: Initializer,
    /// Initialises the bias of the cell's forget gate, if there is one, to 1 regardless of `bias`.
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
    /// A layer without any options.
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

    /// The number of gates: the blocks of `units` rows in the kernels.
    pub fn gates(&self) -> usize {
        self.cell.spec().gates.len()
    }

    /// The layer norms, in the order of their variables. Empty without `layer_norm`.
    pub fn layer_norms(&self) -> &'static [LayerNorm] {
        if self.layer_norm { self.cell.spec().layer_norms } else { &[] }
    }

    /// 2 if the layer is bidirectional, otherwise 1.
    pub fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// The number of outputs per step.
    pub fn outputs(&self) -> usize {
        self.directions() * self.units
    }
}
