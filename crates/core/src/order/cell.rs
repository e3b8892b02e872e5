//! The recurrent cells and their properties.
//!
//! [`Cell::spec`] is the only place that defines which variables a cell has, their names, their initialisation and
//! which options apply. Validation, parameter layout, initialisation, bundles and memory estimates all read it
//! instead of matching on the cell. Only the equations are elsewhere, once per engine. `docs/howto/cell.md` describes
//! how to add a cell.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The recurrent cell of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    SimpleRnn,
    Lstm,
    Gru,
    /// Feng et al. 2024: its gates read only the input.
    MinGru,
}

/// The properties of a cell.
#[derive(Debug)]
pub struct CellSpec {
    /// The name in requests, responses and job names.
    pub name: &'static str,
    /// The blocks of `units` rows in its kernels and biases, in order (the order of PyTorch, if PyTorch has the
    /// cell).
    pub gates: &'static [&'static str],
    /// Whether its gates read the state, through a recurrent kernel `[gates × units, units]`. If not,
    /// `recurrent_dropout` and `recurrent_initializer` do not apply.
    pub recurrent_kernel: bool,
    /// Whether the recurrent product has a separate bias, so that the bias is `[2, gates × units]`: the input bias,
    /// then the recurrent bias.
    pub recurrent_bias: bool,
    /// Whether it has a cell state c in addition to the state h.
    pub cell_state: bool,
    /// The gate whose bias is initialised to 1 (`unit_forget_bias`).
    pub forget_gate: Option<usize>,
    /// Whether the activation of its state is configurable.
    pub activation: bool,
    /// The numbers per unit and step that training keeps, for the memory estimate.
    pub numbers_kept: u64,
    /// The layer norms that `layer_norm` adds, in the order of their variables.
    pub layer_norms: &'static [LayerNorm],
}

/// One layer norm of a cell. Its variables are `<name>.gain` and, for some, `<name>.offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerNorm {
    pub name: &'static str,
    pub over: NormOver,
}

/// What a layer norm normalises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormOver {
    /// A product, before the biases are added. The biases serve as its offset, so it has only a gain
    /// `[gates × units]`. The engines define which gates are normalised together.
    Product,
    /// The pre-activation or the cell state: gain and offset `[units]`.
    State,
}

const fn over_product(name: &'static str) -> LayerNorm {
    LayerNorm { name, over: NormOver::Product }
}

const fn over_state(name: &'static str) -> LayerNorm {
    LayerNorm { name, over: NormOver::State }
}

const SIMPLE_RNN: CellSpec = CellSpec {
    name: "simple_rnn",
    gates: &["h"],
    recurrent_kernel: true,
    recurrent_bias: false,
    cell_state: false,
    forget_gate: None,
    activation: true,
    numbers_kept: 3,
    layer_norms: &[over_state("norm")],
};

const LSTM: CellSpec = CellSpec {
    name: "lstm",
    gates: &["i", "f", "g", "o"],
    recurrent_kernel: true,
    recurrent_bias: false,
    cell_state: true,
    forget_gate: Some(1),
    activation: false,
    numbers_kept: 10,
    layer_norms: &[over_product("input_norm"), over_product("recurrent_norm"), over_state("cell_norm")],
};

const GRU: CellSpec = CellSpec {
    name: "gru",
    gates: &["r", "z", "n"],
    recurrent_kernel: true,
    recurrent_bias: true,
    cell_state: false,
    forget_gate: None,
    activation: false,
    numbers_kept: 8,
    layer_norms: &[over_product("input_norm"), over_product("recurrent_norm")],
};

const MIN_GRU: CellSpec = CellSpec {
    name: "min_gru",
    gates: &["z", "h"],
    recurrent_kernel: false,
    recurrent_bias: false,
    cell_state: false,
    forget_gate: None,
    activation: false,
    numbers_kept: 4,
    layer_norms: &[over_product("input_norm")],
};

impl Cell {
    /// Every cell.
    pub const ALL: [Self; 4] = [Self::SimpleRnn, Self::Lstm, Self::Gru, Self::MinGru];

    pub const fn spec(self) -> &'static CellSpec {
        match self {
            Self::SimpleRnn => &SIMPLE_RNN,
            Self::Lstm => &LSTM,
            Self::Gru => &GRU,
            Self::MinGru => &MIN_GRU,
        }
    }

    pub const fn name(self) -> &'static str {
        self.spec().name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_written_by_their_names() {
        for cell in Cell::ALL {
            assert_eq!(serde_json::to_value(cell).unwrap(), cell.name());
        }
    }

    #[test]
    fn cell_specs_are_consistent() {
        for cell in Cell::ALL {
            let spec = cell.spec();
            assert!(spec.forget_gate.is_none_or(|gate| gate < spec.gates.len()), "{cell:?}");
            assert!(spec.recurrent_kernel || !spec.recurrent_bias, "{cell:?}");
            assert!(spec.layer_norms.iter().filter(|norm| norm.over == NormOver::State).count() <= 1, "{cell:?}");
        }
    }
}
