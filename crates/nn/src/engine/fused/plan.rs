//! The place of a layer's parameters in the flat buffer, and the layout of its gates.

use std::ops::Range;

use crate::network::{Layer, Network, Parameter};
use gatecast_core::order::{Activation, CellSpec, NormOver};

use super::cell::{CellKernels, Group, kernels};

/// One direction of a recurrent layer.
#[derive(Debug, Clone)]
pub(super) struct LayerPlan {
    /// The index of the layer in the network.
    pub place: usize,
    /// Reads from the last step to the first.
    pub backwards: bool,
    pub spec: &'static CellSpec,
    pub kernels: &'static CellKernels,
    /// Of the state, where the cell lets the order choose it.
    pub activation: Activation,
    /// Dropout rates of the inputs and of the state.
    pub dropout: f32,
    pub recurrent_dropout: f32,
    /// The state is read this many steps back.
    pub dilation: usize,
    pub inputs: usize,
    pub units: usize,
    /// Empty ranges stand for variables that the layer does not have.
    pub kernel: Range<usize>,
    pub recurrent_kernel: Range<usize>,
    pub bias: Range<usize>,
    /// Of the norms of the input's and the recurrent product.
    pub input_gain: Range<usize>,
    pub recurrent_gain: Range<usize>,
    /// Of the norm of the pre-activation or the cell state.
    pub state_gain: Range<usize>,
    pub state_offset: Range<usize>,
}

/// Rows of the gates, and the row of the parameter at which they begin.
pub(super) type RowMap = (Range<usize>, usize);

impl LayerPlan {
    fn new(parameters: &[Parameter], place: usize, layer: &Layer, inputs: usize, backwards: bool) -> Self {
        let direction = if backwards { "reverse." } else { "" };
        let at = |name: &str| range(parameters, &format!("recurrent.{place}.{direction}{name}"));
        let state_norm = layer.layer_norms().iter().find(|norm| norm.over == NormOver::State);
        let of_state = |part: &str| state_norm.map_or(0..0, |norm| at(&format!("{}.{part}", norm.name)));
        let spec = layer.cell.spec();
        LayerPlan {
            place,
            backwards,
            spec,
            kernels: kernels(layer.cell),
            activation: layer.activation,
            dropout: layer.dropout,
            recurrent_dropout: if spec.recurrent_kernel { layer.recurrent_dropout } else { 0.0 },
            dilation: layer.dilation.max(1),
            inputs,
            units: layer.units,
            kernel: at("kernel"),
            recurrent_kernel: at("recurrent_kernel"),
            bias: at("bias"),
            input_gain: at("input_norm.gain"),
            recurrent_gain: at("recurrent_norm.gain"),
            state_gain: of_state("gain"),
            state_offset: of_state("offset"),
        }
    }

    /// Rows of gates held for each step.
    pub(super) fn gate_rows(&self) -> usize {
        self.kernels.gates.blocks * self.units
    }

    /// The gate rows that the input feeds.
    pub(super) fn input_rows(&self) -> Range<usize> {
        0..self.kernels.gates.input * self.units
    }

    /// The gate rows that the state feeds.
    pub(super) fn recurrent_rows(&self) -> Range<usize> {
        let blocks = &self.kernels.gates.recurrent;
        blocks.start * self.units..blocks.end * self.units
    }

    /// Whether the gates read the state.
    pub(super) fn reads_state(&self) -> bool {
        self.spec.recurrent_kernel
    }

    /// By how many rows the input kernel is rotated.
    pub(super) fn rotate(&self) -> usize {
        self.kernels.gates.rotate * self.units
    }

    /// Which gate rows belong to which rows of the input kernel.
    pub(super) fn input_map(&self) -> Vec<RowMap> {
        let (rows, rotate) = (self.input_rows().end, self.rotate());
        match rotate {
            0 => vec![(0..rows, 0)],
            _ => vec![(0..rows - rotate, rotate), (rows - rotate..rows, 0)],
        }
    }

    /// Which gate rows belong to which numbers of the bias. Rows that both products feed may have
    /// two.
    pub(super) fn bias_map(&self) -> Vec<RowMap> {
        let mut map = self.input_map();
        if self.spec.recurrent_bias {
            map.push((self.recurrent_rows(), self.spec.gates.len() * self.units));
        }
        map
    }

    /// Whether each product is normalised by itself before the two are added.
    pub(super) fn norms_products(&self) -> bool {
        !self.input_gain.is_empty()
    }

    /// Whether the pre-activation or the cell state is normalised.
    pub(super) fn norms_state(&self) -> bool {
        !self.state_gain.is_empty()
    }

    /// Blocks of the input's product that are normalised together.
    pub(super) fn input_groups(&self) -> &'static [Group] {
        self.kernels.gates.input_norms
    }

    /// Blocks of the recurrent product that are normalised together.
    pub(super) fn recurrent_groups(&self) -> &'static [Group] {
        self.kernels.gates.recurrent_norms
    }
}

/// One layer of the stack.
#[derive(Debug, Clone)]
pub(super) struct StackedLayerPlan {
    /// Forward, then, if the layer is bidirectional, backward.
    pub directions: Vec<LayerPlan>,
    pub inputs: usize,
    pub outputs: usize,
    /// Its inputs are added to its outputs.
    pub residual: bool,
}

impl StackedLayerPlan {
    /// Whether its outputs are the states of its one direction as they are.
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
            let plan = |backwards| LayerPlan::new(&parameters, place, layer, inputs, backwards);
            let directions = [false, true].into_iter().take(layer.directions()).map(plan).collect();
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

    /// Whether no layer is bidirectional, so that a series can be read step by step.
    pub(super) fn goes_forward(&self) -> bool {
        self.layers.iter().all(|layer| layer.directions.len() == 1)
    }
}

/// The range of a variable; empty if the network has none of that name.
fn range(parameters: &[Parameter], name: &str) -> Range<usize> {
    parameters.iter().find(|parameter| parameter.name == name).map_or(0..0, Parameter::range)
}
