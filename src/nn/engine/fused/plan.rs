//! Where a layer's parameters lie in the flat buffer, and how its gates lie inside.

use std::ops::Range;

use crate::domain::order::Cell;
use crate::nn::network::Network;

/// One recurrent layer.
#[derive(Debug, Clone)]
pub(super) struct LayerPlan {
    pub cell: Cell,
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
    pub layers: Vec<LayerPlan>,
    pub head: HeadPlan,
    pub parameters: usize,
}

impl Plan {
    pub(super) fn new(network: &Network) -> Self {
        let parameters = network.parameters();
        let range = |layer: Option<usize>, names: &[&str]| {
            parameters
                .iter()
                .filter(|parameter| parameter.layer == layer)
                .find(|parameter| names.iter().any(|name| parameter.name.ends_with(&format!(".{name}"))))
                .map_or(0..0, |parameter| parameter.range())
        };
        let mut inputs = network.inputs;
        let mut layers = Vec::with_capacity(network.layers.len());
        for (layer, spec) in network.layers.iter().enumerate() {
            let at = |names: &[&str]| range(Some(layer), names);
            layers.push(LayerPlan {
                cell: spec.cell,
                layer_norm: spec.layer_norm,
                inputs,
                units: spec.units,
                kernel: at(&["kernel"]),
                recurrent_kernel: at(&["recurrent_kernel"]),
                bias: at(&["bias"]),
                input_gain: at(&["input_norm.gain"]),
                recurrent_gain: at(&["recurrent_norm.gain"]),
                norm_gain: at(&["norm.gain", "cell_norm.gain"]),
                norm_offset: at(&["norm.offset", "cell_norm.offset"]),
            });
            inputs = spec.units;
        }
        let head = HeadPlan {
            units: inputs,
            outputs: network.outputs,
            kernel: range(None, &["kernel"]),
            bias: range(None, &["bias"]),
        };
        Plan { layers, head, parameters: network.parameter_count() }
    }
}
