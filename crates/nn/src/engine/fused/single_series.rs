//! One series at a time: units across the lanes.
//!
//! With a single series only the units can fill the lanes. So the weights are transposed,
//! `[input, gate, unit]` with each gate's units padded to whole blocks: a step's product is a sum of
//! weight columns, each times one number. The cells' element-wise kernels are the same as for many
//! series. Padding units have zero weights, biases and gains, and no real unit reads their state.
//!
//! The state is a value of its own ([`State`]): a caller that keeps it can continue from it and pays
//! for the new steps only.

use super::cell::{CellState, Step};
use super::columns::{Begin, Columns, Combine, Normalise, Scale, spread};
use super::layout::{BLOCK, Buffer};
use super::plan::{LayerPlan, Plan, StackedLayerPlan};
use super::simd::Level;
use super::state_norm::{Over, StateNorm};
use super::weights::{Kept, gate_starts, input_gains};

/// A network laid out for one series.
#[derive(Debug)]
pub(super) struct Single {
    level: Level,
    layers: Vec<SingleLayer>,
    head: Columns,
    head_bias: Buffer,
    output: Buffer,
    outputs: usize,
    state: State,
    loaded: Kept,
}

/// Every layer's h, and the LSTM's c.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    layers: Vec<LayerState>,
}

#[derive(Debug, Clone, Default)]
struct LayerState {
    /// The last `dilation` states, each `width` long.
    hidden: Buffer,
    cell: Buffer,
    /// The index of the one that is read, and then replaced, next.
    at: usize,
}

impl Single {
    pub(super) fn new(level: Level, plan: &Plan) -> Self {
        Single {
            level,
            layers: plan.layers.iter().filter_map(SingleLayer::new).collect(),
            head: Columns::default(),
            head_bias: Buffer::default(),
            output: Buffer::default(),
            outputs: plan.head.outputs,
            state: State::default(),
            loaded: Kept::default(),
        }
    }

    /// Takes up parameters, if they are new.
    pub(super) fn load(&mut self, plan: &Plan, parameters: &[f32]) {
        if self.loaded.holds(parameters) {
            return;
        }
        self.loaded.keep(parameters);
        for layer in &mut self.layers {
            layer.load(parameters);
        }
        let width = self.outputs.next_multiple_of(BLOCK);
        self.head.load(&parameters[plan.head.kernel.clone()], plan.head.units, self.outputs, width, 0);
        spread(&parameters[plan.head.bias.clone()], self.outputs, width, &mut self.head_bias);
        self.output.resize(width);
    }

    /// Bytes of the repacked parameters and of one step's work.
    pub(super) fn bytes(&self) -> usize {
        let layers = self.layers.iter().map(SingleLayer::bytes).sum::<usize>();
        let state = self.state.layers.iter().map(|layer| layer.hidden.bytes() + layer.cell.bytes()).sum::<usize>();
        let head = self.head.data.bytes() + self.head_bias.bytes() + self.output.bytes();
        layers + state + head + self.loaded.bytes()
    }

    /// Before the first step: all zeros.
    pub(super) fn reset(&self, state: &mut State) {
        state.layers.resize_with(self.layers.len(), LayerState::default);
        for (state, layer) in state.layers.iter_mut().zip(&self.layers) {
            for buffer in [&mut state.hidden, &mut state.cell] {
                buffer.resize(layer.plan.dilation * layer.width);
                buffer.fill(0.0);
            }
            state.at = 0;
        }
    }

    /// Reads `[step, input]` from the zero state on. The length of `out`, `[step, output]`, sets the
    /// number of last steps to predict at.
    pub(super) fn predict(&mut self, inputs: &[f32], out: &mut [f32]) {
        let mut state = std::mem::take(&mut self.state);
        self.reset(&mut state);
        self.advance(&mut state, inputs, out);
        self.state = state;
    }

    /// As [`Single::predict`], from the given state on, which it advances.
    pub(super) fn advance(&mut self, state: &mut State, inputs: &[f32], out: &mut [f32]) {
        let Some(width) = self.layers.first().map(|layer| layer.plan.inputs) else { return };
        let quiet = inputs.len() / width - out.len() / self.outputs;
        let mut out = out.chunks_exact_mut(self.outputs);
        for (step, mut x) in inputs.chunks_exact(width).enumerate() {
            for (layer, state) in self.layers.iter_mut().zip(&mut state.layers) {
                layer.step(self.level, x, state);
                x = &layer.given[..layer.plan.units];
            }
            if step >= quiet
                && let Some(out) = out.next()
            {
                let begin = Begin::With(&self.head_bias);
                self.level.run(Combine { columns: &self.head, x, begin, out: &mut self.output });
                out.copy_from_slice(&self.output[..self.outputs]);
            }
        }
    }
}

#[derive(Debug)]
struct SingleLayer {
    plan: LayerPlan,
    residual: bool,
    /// The units, padded.
    width: usize,
    input: Columns,
    recurrent: Columns,
    /// One number per padded gate unit, in the order of the weights.
    start: Buffer,
    input_gain: Buffer,
    recurrent_gain: Buffer,
    state_gain: Buffer,
    state_offset: Buffer,
    /// 1 for a unit, 0 for padding; as wide as the widest product.
    mask: Buffer,
    gates: Buffer,
    product: Buffer,
    /// h and c after the step, before they become the state.
    hidden: Buffer,
    cell: Buffer,
    squashed: Buffer,
    scratch: Buffer,
    /// What the layer above reads: h, and with a residual link what was read itself.
    given: Buffer,
}

impl SingleLayer {
    /// Of the forward direction.
    fn new(stage: &StackedLayerPlan) -> Option<Self> {
        let plan = stage.directions.first()?;
        let width = plan.units.next_multiple_of(BLOCK);
        let zeros = |len: usize| {
            let mut buffer = Buffer::default();
            buffer.resize(len);
            buffer
        };
        let gates = plan.gate_rows() / plan.units * width;
        let mut mask = zeros(gates);
        for block in mask.chunks_exact_mut(width) {
            block[..plan.units].fill(1.0);
        }
        Some(SingleLayer {
            plan: plan.clone(),
            residual: stage.residual,
            width,
            input: Columns::default(),
            recurrent: Columns::default(),
            start: zeros(gates),
            input_gain: zeros(0),
            recurrent_gain: zeros(0),
            state_gain: zeros(0),
            state_offset: zeros(0),
            mask,
            gates: zeros(gates),
            product: zeros(gates),
            hidden: zeros(width),
            cell: zeros(width),
            squashed: zeros(width),
            scratch: zeros(width),
            given: zeros(width),
        })
    }

    fn load(&mut self, parameters: &[f32]) {
        let (plan, width) = (&self.plan, self.width);
        let units = plan.units;
        self.input.load(&parameters[plan.kernel.clone()], plan.inputs, units, width, plan.rotate());
        self.recurrent.load(&parameters[plan.recurrent_kernel.clone()], units, units, width, 0);
        spread(&gate_starts(plan, parameters), units, width, &mut self.start);
        spread(&input_gains(plan, parameters), units, width, &mut self.input_gain);
        spread(&parameters[plan.recurrent_gain.clone()], units, width, &mut self.recurrent_gain);
        spread(&parameters[plan.state_gain.clone()], units, width, &mut self.state_gain);
        spread(&parameters[plan.state_offset.clone()], units, width, &mut self.state_offset);
    }

    fn bytes(&self) -> usize {
        let buffers = [
            [&self.input.data, &self.recurrent.data, &self.start, &self.input_gain, &self.recurrent_gain],
            [&self.state_gain, &self.state_offset, &self.mask, &self.gates, &self.product],
        ];
        let step = [&self.hidden, &self.cell, &self.squashed, &self.scratch, &self.given];
        buffers.as_flattened().iter().chain(&step).map(|buffer| buffer.bytes()).sum()
    }

    fn step(&mut self, level: Level, x: &[f32], state: &mut LayerState) {
        let kept = state.at * self.width..(state.at + 1) * self.width;
        let (hidden, cell) = (&mut state.hidden[kept.clone()], &mut state.cell[kept]);
        state.at = (state.at + 1) % self.plan.dilation;
        self.feed(level, x, hidden);
        let norm = self.plan.norms_state().then(|| StateNorm {
            gain: &self.state_gain,
            offset: &self.state_offset,
            over: Over::Units { units: self.plan.units, mask: &self.mask[..self.width] },
        });
        (self.plan.kernels.forward)(Step {
            level,
            activation: self.plan.activation,
            gates: &mut self.gates,
            before: hidden,
            out: &mut self.hidden,
            cell: CellState {
                before: cell,
                after: &mut self.cell,
                squashed: &mut self.squashed,
                normalised: &mut self.product[..self.width],
            },
            norm,
            scratch: &mut self.scratch,
        });
        hidden.copy_from_slice(&self.hidden);
        cell.copy_from_slice(&self.cell);
        self.given.copy_from_slice(&self.hidden);
        if self.residual {
            self.given.iter_mut().zip(x).for_each(|(given, x)| *given += x);
        }
    }

    /// Both products, onto the biases.
    fn feed(&mut self, level: Level, x: &[f32], hidden: &[f32]) {
        let (units, width) = (self.plan.units, self.width);
        let by_state = self.plan.recurrent_rows().start / units * width;
        let hidden = &hidden[..units];
        if !self.plan.norms_products() {
            // The input does not feed every row: the GRU's m starts from its bias.
            let fed = self.input.height;
            level.run(Combine {
                columns: &self.input,
                x,
                begin: Begin::With(&self.start),
                out: &mut self.gates[..fed],
            });
            self.gates[fed..].copy_from_slice(&self.start[fed..]);
            if self.plan.reads_state() {
                let out = &mut self.gates[by_state..];
                level.run(Combine { columns: &self.recurrent, x: hidden, begin: Begin::Out, out });
            }
            return;
        }
        self.gates.copy_from_slice(&self.start);
        let parts = [
            (&self.input, x, self.plan.input_groups(), &self.input_gain, 0),
            (&self.recurrent, hidden, self.plan.recurrent_groups(), &self.recurrent_gain, by_state),
        ];
        let products = if self.plan.reads_state() { 2 } else { 1 };
        for (columns, x, groups, gain, first) in parts.into_iter().take(products) {
            let product = &mut self.product[..columns.height];
            level.run(Combine { columns, x, begin: Begin::Zero, out: product });
            for group in groups {
                let values = &mut product[group.first * width..][..group.count * width];
                let mask = &self.mask[..values.len()];
                level.run(Normalise { values, mask, count: group.count * units });
            }
            let out = &mut self.gates[first..][..columns.height];
            level.run(Scale { values: product, gain, begin: Begin::Out, out });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{network, numbers};
    use super::*;
    use gatecast_core::order::Cell;

    #[test]
    fn going_on_from_a_state_equals_reading_all_at_once() {
        for cell in Cell::ALL {
            let mut network = network(cell, true, 2, &[5, 18, 18], 3);
            (network.layers[1].dilation, network.layers[2].dilation) = (2, 3);
            network.layers[2].residual = true;
            let plan = Plan::new(&network);
            let parameters = numbers(7, plan.parameters);
            let inputs = numbers(8, 9 * 2);
            for level in Level::available() {
                let mut single = Single::new(level, &plan);
                single.load(&plan, &parameters);
                let mut whole = [0.0; 9 * 3];
                single.predict(&inputs, &mut whole);
                let mut state = State::default();
                single.reset(&mut state);
                let mut parts = [0.0; 9 * 3];
                single.advance(&mut state, &inputs[..8], &mut parts[..12]);
                let mut copy = state.clone();
                single.advance(&mut state, &inputs[8..], &mut parts[12..]);
                assert_eq!(whole, parts, "{cell:?}");
                single.advance(&mut copy, &inputs[8..], &mut parts[12..]);
                assert_eq!(whole, parts, "{cell:?}, from a copy of the state");
            }
        }
    }
}
