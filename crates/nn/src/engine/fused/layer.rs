//! One recurrent layer over the whole sequence; the way back is in `backward`.
//!
//! Forward: the input's product for all steps at once fills the gates; then, step by step, the
//! recurrent product is added and the cell's element-wise kernel runs. Backward: step by step from
//! the end, the element-wise kernel turns a step's gates into gradients in their place and the
//! turned recurrent product carries them one step back; then, for all steps at once, the gradient
//! by the input and the weights' gradients.
//!
//! Where products are normalised apart (LSTM and GRU with layer norm), each goes to a buffer of
//! its own first, is normalised there, and is scaled onto the gates; x̂ stays for the way back,
//! where its gradient takes its place.

use gatecast_core::order::Cell;

use super::dropout::{Masks, Multiply};
use super::norm::{Normalise, Onto, Rows, Scale};
use super::plan::{Group, LayerPlan};
use super::product::{Product, Start};
use super::simd::Level;
use super::trace::Trace;
use super::weights::LayerWeights;
use super::{gru, lstm, simple_rnn};

/// One direction of a layer with its weights and the size of the work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'a> {
    pub level: Level,
    pub plan: &'a LayerPlan,
    pub weights: &'a LayerWeights,
    pub parameters: &'a [f32],
    pub steps: usize,
    pub lanes: usize,
    /// None where nothing is dropped: in forecasts, and where no draw is given.
    pub masks: Option<Masks>,
}

impl Layer<'_> {
    /// Numbers of one step's state.
    pub(super) fn block(&self) -> usize {
        self.plan.units * self.lanes
    }

    pub(super) fn gates_stride(&self) -> usize {
        self.plan.gate_rows() * self.lanes
    }

    pub(super) fn input_stride(&self) -> usize {
        self.plan.input_rows().len() * self.lanes
    }

    pub(super) fn recurrent_stride(&self) -> usize {
        self.plan.recurrent_rows().len() * self.lanes
    }

    pub(super) fn group_rows(&self, group: Group, steps: usize, stride: usize) -> Rows {
        let units = self.plan.units;
        Rows { steps, stride, first: group.first * units, count: group.count * units, lanes: self.lanes }
    }

    /// Reads `x`, `[step, input, lane]`, whole and in its own order, from the zero state, and leaves h in the trace.
    pub(super) fn forward(&self, x: &[f32], trace: &mut Trace) {
        trace.resize(self.plan, self.steps, self.lanes);
        let before = self.plan.dilation * self.block();
        trace.states[..before].fill(0.0);
        if self.plan.cell == Cell::Lstm {
            trace.cells[..before].fill(0.0);
        }
        self.draw_state_mask(trace);
        self.feed_input(x, trace);
        for step in 0..self.steps {
            // The zero state feeds nothing.
            if step >= self.plan.dilation {
                self.feed_state(step, trace);
            }
            self.step(step, trace);
        }
    }

    /// h after each step, `[step, unit, lane]`.
    pub(super) fn states<'t>(&self, trace: &'t Trace) -> &'t [f32] {
        &trace.states[self.plan.dilation * self.block()..]
    }

    /// Begins all gates with their biases and adds the input's product.
    fn feed_input(&self, x: &[f32], trace: &mut Trace) {
        let Layer { level, plan, weights, steps, lanes, .. } = *self;
        let (gates_stride, x_stride, stride) = (self.gates_stride(), plan.inputs * lanes, self.input_stride());
        let normed = plan.norms_products();
        let (start, out, out_stride) = match normed {
            true => (Start::Zero, &mut trace.input_hat, stride),
            false => (Start::Bias(&weights.start), &mut trace.gates, gates_stride),
        };
        level.run(Product { weights: &weights.input, start, steps, lanes, x, x_stride, out, out_stride });
        if normed {
            let groups = plan.input_groups();
            for (i, &group) in groups.iter().enumerate() {
                let rows = self.group_rows(group, steps, stride);
                let inverse = &mut trace.input_inverse[i * lanes..];
                let inverse_stride = groups.len() * lanes;
                level.run(Normalise { rows, values: &mut trace.input_hat, inverse, inverse_stride });
            }
            let rows = Rows { steps, stride, first: 0, count: plan.input_rows().len(), lanes };
            let (onto, gain) = (Onto::Offset(&weights.start), &weights.input_gain[..]);
            let out = &mut trace.gates[..];
            level.run(Scale { rows, values: &trace.input_hat, gain, onto, out, out_stride: gates_stride });
        }
        // Rows that the input does not feed: the GRU's m.
        let fed = plan.input_rows().end;
        for gates in trace.gates.chunks_exact_mut(gates_stride) {
            for (row, start) in gates[fed * lanes..].chunks_exact_mut(lanes).zip(&weights.start[fed..]) {
                row.fill(*start);
            }
        }
    }

    /// Adds the recurrent product to a step's gates.
    fn feed_state(&self, step: usize, trace: &mut Trace) {
        let Layer { level, plan, weights, lanes, .. } = *self;
        let (block, stride) = (self.block(), self.recurrent_stride());
        let first = step * self.gates_stride() + plan.recurrent_rows().start * lanes;
        let gates = &mut trace.gates[first..][..stride];
        let (normed, mut x) = (plan.norms_products(), &trace.states[step * block..][..block]);
        if self.drops_state() {
            let fed = &mut trace.fed[step * block..][..block];
            level.run(Multiply { a: x, b: &trace.state_mask, out: fed });
            x = fed;
        }
        let (start, out) = match normed {
            true => (Start::Zero, &mut trace.recurrent_hat[step * stride..][..stride]),
            false => (Start::Out, &mut gates[..]),
        };
        level.run(Product { weights: &weights.recurrent, start, steps: 1, lanes, x, x_stride: 0, out, out_stride: 0 });
        if normed {
            let groups = plan.recurrent_groups();
            let values = &mut trace.recurrent_hat[step * stride..][..stride];
            for (i, &group) in groups.iter().enumerate() {
                let rows = self.group_rows(group, 1, 0);
                let inverse = &mut trace.recurrent_inverse[(step * groups.len() + i) * lanes..];
                level.run(Normalise { rows, values, inverse, inverse_stride: 0 });
            }
            let gain = &self.parameters[plan.recurrent_gain.clone()];
            let rows = Rows { steps: 1, stride: 0, first: 0, count: gain.len(), lanes };
            level.run(Scale { rows, values, gain, onto: Onto::Out, out: gates, out_stride: 0 });
        }
    }

    /// The element-wise part of a step.
    fn step(&self, step: usize, trace: &mut Trace) {
        let Layer { level, plan, lanes, .. } = *self;
        let (block, stride) = (self.block(), self.gates_stride());
        let gates = &mut trace.gates[step * stride..][..stride];
        let after = (step + plan.dilation) * block;
        let (before, later) = trace.states.split_at_mut(after);
        let (before, out) = (&before[step * block..][..block], &mut later[..block]);
        let activation = plan.activation;
        let rows = Rows { steps: 1, stride: 0, first: 0, count: plan.units, lanes };
        let gain = &self.parameters[plan.norm_gain.clone()];
        let onto = Onto::Offset(&self.parameters[plan.norm_offset.clone()]);
        match (plan.cell, plan.layer_norm) {
            (Cell::SimpleRnn, false) => level.run(simple_rnn::Forward { activation, from: gates, out }),
            (Cell::SimpleRnn, true) => {
                let inverse = &mut trace.norm_inverse[step * lanes..];
                level.run(Normalise { rows, values: gates, inverse, inverse_stride: 0 });
                let scaled = &mut trace.scratch[..];
                level.run(Scale { rows, values: gates, gain, onto, out: scaled, out_stride: 0 });
                level.run(simple_rnn::Forward { activation, from: scaled, out });
            }
            (Cell::Gru, _) => level.run(gru::Forward { gates, before, out }),
            (Cell::Lstm, layer_norm) => {
                let (earlier, later) = trace.cells.split_at_mut(after);
                let (before, cell) = (&earlier[step * block..][..block], &mut later[..block]);
                let squashed = &mut trace.squashed[step * block..][..block];
                if !layer_norm {
                    return level.run(lstm::Forward { gates, before, cell, squashed, out });
                }
                level.run(lstm::Update { gates, before, cell });
                let hat = &mut trace.cell_hat[step * block..][..block];
                hat.copy_from_slice(cell);
                let inverse = &mut trace.norm_inverse[step * lanes..];
                level.run(Normalise { rows, values: hat, inverse, inverse_stride: 0 });
                level.run(Scale { rows, values: hat, gain, onto, out: squashed, out_stride: 0 });
                level.run(lstm::Emit { gates, squashed, out });
            }
        }
    }
}
