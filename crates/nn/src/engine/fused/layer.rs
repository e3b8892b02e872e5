//! One recurrent layer over the whole sequence; the backward pass is in `backward`.
//!
//! Forward: one product of the input for all steps fills the gates; then, step by step, the
//! recurrent product is added and the cell's element-wise kernel runs. A cell without a recurrent
//! kernel (minGRU) has nothing but the element-wise kernel left for each step. Backward: from the
//! last step to the first, the element-wise kernel replaces a step's gates with gradients and the
//! transposed recurrent product carries them one step back; then, for all steps at once, the
//! gradient by the input and the gradients of the weights.
//!
//! Where layer norm applies to products, each product goes to a buffer of its own first, is
//! normalised there, and is scaled onto the gates. x̂ stays there for the backward pass, which
//! replaces it with its gradient.

use super::cell::{CellState, Group, Step};
use super::dropout::{Masks, Multiply};
use super::norm::{Normalise, Onto, Rows, Scale};
use super::plan::LayerPlan;
use super::product::{Product, Start};
use super::simd::Level;
use super::state_norm::{Over, StateNorm};
use super::trace::Trace;
use super::weights::LayerWeights;

/// One direction of a layer with its weights and the size of the work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'a> {
    pub level: Level,
    pub plan: &'a LayerPlan,
    pub weights: &'a LayerWeights,
    pub parameters: &'a [f32],
    pub steps: usize,
    pub lanes: usize,
    /// `None`: nothing is dropped.
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

    /// Reads `x`, `[step, input, lane]`, from the zero state on, and leaves h in the trace.
    pub(super) fn forward(&self, x: &[f32], trace: &mut Trace) {
        trace.resize(self.plan, self.steps, self.lanes);
        let before = self.plan.dilation * self.block();
        trace.states[..before].fill(0.0);
        if self.plan.spec.cell_state {
            trace.cells[..before].fill(0.0);
        }
        self.draw_state_mask(trace);
        self.feed_input(x, trace);
        for step in 0..self.steps {
            // The product with the zero state is zero.
            if self.plan.reads_state() && step >= self.plan.dilation {
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
        // Rows that the input does not feed start from their bias, as the GRU's m.
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
        let Trace { gates, states, cells, squashed, cell_hat, norm_inverse, scratch, .. } = trace;
        let at = step * block;
        let (before, out) = states.split_at_mut(at + plan.dilation * block);
        let cell = match plan.spec.cell_state {
            true => {
                let (before, after) = cells.split_at_mut(at + plan.dilation * block);
                let normalised = cell_hat.get_mut(at..at + block).unwrap_or_default();
                let (before, after) = (&before[at..][..block], &mut after[..block]);
                CellState { before, after, squashed: &mut squashed[at..][..block], normalised }
            }
            false => CellState::default(),
        };
        let norm = plan.norms_state().then(|| StateNorm {
            gain: &self.parameters[plan.state_gain.clone()],
            offset: &self.parameters[plan.state_offset.clone()],
            over: Over::Series { units: plan.units, lanes, inverse: &mut norm_inverse[step * lanes..] },
        });
        (plan.kernels.forward)(Step {
            level,
            activation: plan.activation,
            gates: &mut gates[step * stride..][..stride],
            before: &before[at..][..block],
            out: &mut out[..block],
            cell,
            norm,
            scratch,
        });
    }
}
