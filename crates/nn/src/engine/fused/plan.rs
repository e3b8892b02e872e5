//! Where a layer's parameters lie in the flat buffer, and how its gates lie inside.

use std::ops::Range;

use crate::network::{Layer, Network, Parameter};
use gatecast_core::order::{Activation, Cell};

/// One direction of a recurrent layer.
#[derive(Debug, Clone)]
pub(super) struct LayerPlan {
    /// Which layer of the network.
    pub place: usize,
    /// Reads from the end.
    pub backwards: bool,
    pub cell: Cell,
    /// Of the simple RNN.
    pub activation: Activation,
    /// Rates of what is dropped, of the inputs and of the state.
    pub dropout: f32,
    pub recurrent_dropout: f32,
    /// The state is read this many steps back.
    pub dilation: usize,
    pub layer_norm: bool,
    pub inputs: usize,
    pub units: usize,
    pub kernel: Range<usize>,
    pub recurrent_kernel: Range<usize>,
    pub bias: Range<usize>,
    /// Of the norms over the input's and the recurrent product (LSTM, GRU); else empty.
    pub input_gain: Range<usize>,
    pub recurrent_gain: Range<usize>,
    /// Of the norm over the pre-activation (simple RNN) or the cell state (LSTM); else empty.
    pub norm_gain: Range<usize>,
    pub norm_offset: Range<usize>,
}

/// Rows of a block of gates, and the row of the parameter at which they begin.
pub(super) type RowMap = (Range<usize>, usize);

impl LayerPlan {
    fn new(parameters: &[Parameter], place: usize, layer: &Layer, inputs: usize, backwards: bool) -> Self {
        let half = if backwards { "reverse." } else { "" };
        let at = |name: &str| range(parameters, &format!("recurrent.{place}.{half}{name}"));
        let own_norm = if layer.cell == Cell::SimpleRnn { "norm" } else { "cell_norm" };
        LayerPlan {
            place,
            backwards,
            cell: layer.cell,
            activation: layer.activation,
            dropout: layer.dropout,
            recurrent_dropout: layer.recurrent_dropout,
            dilation: layer.dilation.max(1),
            layer_norm: layer.layer_norm,
            inputs,
            units: layer.units,
            kernel: at("kernel"),
            recurrent_kernel: at("recurrent_kernel"),
            bias: at("bias"),
            input_gain: at("input_norm.gain"),
            recurrent_gain: at("recurrent_norm.gain"),
            norm_gain: at(&format!("{own_norm}.gain")),
            norm_offset: at(&format!("{own_norm}.offset")),
        }
    }

    /// Rows of gates held for each step: the GRU keeps the recurrent part of its candidate apart.
    pub(super) fn gate_rows(&self) -> usize {
        match self.cell {
            Cell::SimpleRnn => self.units,
            Cell::Lstm | Cell::Gru => 4 * self.units,
        }
    }

    /// The gate rows that the input feeds.
    pub(super) fn input_rows(&self) -> Range<usize> {
        match self.cell {
            Cell::SimpleRnn | Cell::Lstm => 0..self.gate_rows(),
            Cell::Gru => 0..3 * self.units,
        }
    }

    /// The gate rows that the state feeds.
    pub(super) fn recurrent_rows(&self) -> Range<usize> {
        match self.cell {
            Cell::SimpleRnn | Cell::Lstm => 0..self.gate_rows(),
            Cell::Gru => self.units..4 * self.units,
        }
    }

    /// By how many rows the input kernel is turned: n, r, z inside, r, z, n outside.
    pub(super) fn rotate(&self) -> usize {
        match self.cell {
            Cell::SimpleRnn | Cell::Lstm => 0,
            Cell::Gru => 2 * self.units,
        }
    }

    /// Which gate rows belong to which rows of the input kernel.
    pub(super) fn input_map(&self) -> Vec<RowMap> {
        let units = self.units;
        match self.cell {
            Cell::SimpleRnn | Cell::Lstm => vec![(self.input_rows(), 0)],
            Cell::Gru => vec![(0..units, 2 * units), (units..3 * units, 0)],
        }
    }

    /// Which gate rows belong to which numbers of the bias; the GRU's r and z serve two.
    pub(super) fn bias_map(&self) -> Vec<RowMap> {
        let units = self.units;
        match self.cell {
            Cell::SimpleRnn | Cell::Lstm => vec![(self.gate_rows_range(), 0)],
            Cell::Gru => vec![(0..units, 2 * units), (units..3 * units, 0), (units..4 * units, 3 * units)],
        }
    }

    fn gate_rows_range(&self) -> Range<usize> {
        0..self.gate_rows()
    }

    /// Whether products are normalised apart, before they are added.
    pub(super) fn norms_products(&self) -> bool {
        self.layer_norm && self.cell != Cell::SimpleRnn
    }

    /// Rows of the input's product that are normalised together.
    pub(super) fn input_groups(&self) -> &'static [Group] {
        match self.cell {
            Cell::SimpleRnn => &[],
            Cell::Lstm => &[Group { first: 0, count: 4 }],
            Cell::Gru => &[Group { first: 0, count: 1 }, Group { first: 1, count: 2 }],
        }
    }

    /// Rows of the recurrent product that are normalised together.
    pub(super) fn recurrent_groups(&self) -> &'static [Group] {
        match self.cell {
            Cell::SimpleRnn => &[],
            Cell::Lstm => &[Group { first: 0, count: 4 }],
            Cell::Gru => &[Group { first: 0, count: 2 }, Group { first: 2, count: 1 }],
        }
    }
}

/// Some gates of a product, in units of `units` rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub first: usize,
    pub count: usize,
}

/// One layer of the stack.
#[derive(Debug, Clone)]
pub(super) struct StackedLayerPlan {
    /// The half that reads from the beginning, then, if there is one, the half from the end.
    pub directions: Vec<LayerPlan>,
    pub inputs: usize,
    pub outputs: usize,
    /// What it reads is added to what it gives.
    pub residual: bool,
}

impl StackedLayerPlan {
    /// What it gives is its one half's state and no more.
    pub(super) fn is_bare(&self) -> bool {
        self.directions.len() == 1 && !self.residual
    }
}

/// The linear head.
#[derive(Debug, Clone)]
pub(super) struct HeadPlan {
    pub units: usize,
    pub outputs: usize,
    pub kernel: Range<usize>,
    pub bias: Range<usize>,
}

/// The whole network.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub layers: Vec<StackedLayerPlan>,
    pub head: HeadPlan,
    pub parameters: usize,
}

impl Plan {
    pub(super) fn new(network: &Network) -> Self {
        let parameters = network.parameters();
        let mut inputs = network.inputs;
        let mut layers = Vec::with_capacity(network.layers.len());
        for (place, layer) in network.layers.iter().enumerate() {
            let half = |backwards| LayerPlan::new(&parameters, place, layer, inputs, backwards);
            let directions = [false, true].into_iter().take(layer.directions()).map(half).collect();
            layers.push(StackedLayerPlan { directions, inputs, outputs: layer.outputs(), residual: layer.residual });
            inputs = layer.outputs();
        }
        let head = HeadPlan {
            units: inputs,
            outputs: network.outputs,
            kernel: range(&parameters, "head.kernel"),
            bias: range(&parameters, "head.bias"),
        };
        Plan { layers, head, parameters: network.parameter_count() }
    }

    /// Whether no layer reads from the end, so that a series can be read step by step.
    pub(super) fn goes_forward(&self) -> bool {
        self.layers.iter().all(|layer| layer.directions.len() == 1)
    }
}

/// Where a variable lies; nowhere if the network has none of that name.
fn range(parameters: &[Parameter], name: &str) -> Range<usize> {
    parameters.iter().find(|parameter| parameter.name == name).map_or(0..0, Parameter::range)
}
