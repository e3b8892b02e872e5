//! The backward pass of a layer. It reads the trace of the forward pass, with the gradient by h
//! from the layer above in `d_states`, and overwrites it.

use std::ops::Range;

use super::cell::{CellStateBack, StepBack};
use super::correlate::{Correlate, Factor, RowSums};
use super::dropout::MultiplyAdd;
use super::layer::Layer;
use super::norm::Backward as NormBackward;
use super::product::{Product, Start};
use super::state_norm::StateNormBack;
use super::trace::Trace;

impl Layer<'_> {
    /// Writes this layer's part of `gradient`; `d_x` gets the gradient by the input.
    pub(super) fn backward(&self, x: &[f32], trace: &mut Trace, d_x: Option<&mut [f32]>, gradient: &mut [f32]) {
        trace.clear_sums();
        for step in (0..self.steps).rev() {
            self.step_back(step, trace);
            if self.plan.reads_state() {
                self.state_back(step, trace);
            }
        }
        self.input_back(trace);
        if let Some(d_x) = d_x {
            let (from, stride) = self.by_input(trace);
            let out_stride = self.plan.inputs * self.lanes;
            self.level.run(Product {
                weights: &self.weights.input_transposed,
                start: Start::Zero,
                steps: self.steps,
                lanes: self.lanes,
                x: from,
                x_stride: stride,
                out: d_x,
                out_stride,
            });
        }
        self.weight_gradients(x, trace, gradient);
        self.norm_gradients(trace, gradient);
    }

    /// The element-wise part of a step: replaces its gates with gradients.
    fn step_back(&self, step: usize, trace: &mut Trace) {
        let Layer { level, plan, lanes, .. } = *self;
        let (block, stride, dilation) = (self.block(), self.gates_stride(), plan.dilation);
        let Trace { gates, states, d_states, cells, squashed, d_cell, cell_hat, norm_inverse, .. } = trace;
        let at = step * block;
        let (earlier, d_out) = d_states.split_at_mut(at);
        let d_before = step.checked_sub(dilation).map(|before| &mut earlier[before * block..][..block]);
        let cell = match plan.spec.cell_state {
            true => CellStateBack {
                before: &cells[at..][..block],
                squashed: &squashed[at..][..block],
                normalised: cell_hat.get_mut(at..at + block).unwrap_or_default(),
                d: &mut d_cell[step % dilation * block..][..block],
            },
            false => CellStateBack::default(),
        };
        let norm = plan.norms_state().then(|| StateNormBack {
            gain: &self.parameters[plan.state_gain.clone()],
            units: plan.units,
            lanes,
            inverse: &norm_inverse[step * lanes..],
            gain_sums: &mut trace.norm_gain_sums,
            offset_sums: &mut trace.norm_offset_sums,
        });
        (plan.kernels.backward)(StepBack {
            level,
            activation: plan.activation,
            gates: &mut gates[step * stride..][..stride],
            before: &states[at..][..block],
            out: &states[at + dilation * block..][..block],
            d_out: &d_out[..block],
            d_before,
            cell,
            norm,
            scratch: &mut trace.scratch,
        });
    }

    /// Through the recurrent product, into the gradient by the state before. The zero state before
    /// the first step has none.
    fn state_back(&self, step: usize, trace: &mut Trace) {
        let Some(before) = step.checked_sub(self.plan.dilation) else { return };
        let (block, stride, lanes) = (self.block(), self.recurrent_stride(), self.lanes);
        let first = step * self.gates_stride() + self.plan.recurrent_rows().start * lanes;
        let gates = &trace.gates[first..][..stride];
        let mut from = gates;
        if self.plan.norms_products() {
            let (groups, units) = (self.plan.recurrent_groups(), self.plan.units);
            let gain = &self.parameters[self.plan.recurrent_gain.clone()];
            let values = &mut trace.recurrent_hat[step * stride..][..stride];
            for (i, &group) in groups.iter().enumerate() {
                let first = group.first * units;
                self.level.run(NormBackward {
                    rows: self.group_rows(group, 1, 0),
                    values,
                    inverse: &trace.recurrent_inverse[(step * groups.len() + i) * lanes..],
                    inverse_stride: 0,
                    gain: &gain[first..],
                    d: &gates[first * lanes..],
                    d_stride: 0,
                    gain_sums: &mut trace.recurrent_gain_sums[first * lanes..],
                    offset_sums: None,
                });
            }
            from = values;
        }
        let d_before = &mut trace.d_states[before * block..][..block];
        let masked = self.drops_state();
        let (start, out) = match masked {
            true => (Start::Zero, &mut trace.scratch[..]),
            false => (Start::Out, &mut d_before[..]),
        };
        let weights = &self.weights.recurrent_transposed;
        self.level.run(Product { weights, start, steps: 1, lanes, x: from, x_stride: 0, out, out_stride: 0 });
        if masked {
            self.level.run(MultiplyAdd { a: &trace.scratch, b: &trace.state_mask, out: d_before });
        }
    }

    /// Through the norm of the input's product, if there is one, for all steps.
    fn input_back(&self, trace: &mut Trace) {
        if !self.plan.norms_products() {
            return;
        }
        let (groups, units, lanes) = (self.plan.input_groups(), self.plan.units, self.lanes);
        for (i, &group) in groups.iter().enumerate() {
            let first = group.first * units;
            self.level.run(NormBackward {
                rows: self.group_rows(group, self.steps, self.input_stride()),
                values: &mut trace.input_hat,
                inverse: &trace.input_inverse[i * lanes..],
                inverse_stride: groups.len() * lanes,
                gain: &self.weights.input_gain[first..],
                d: &trace.gates[first * lanes..],
                d_stride: self.gates_stride(),
                gain_sums: &mut trace.input_gain_sums[first * lanes..],
                offset_sums: None,
            });
        }
    }

    /// The gradient by the input's product, and its stride between steps.
    fn by_input<'t>(&self, trace: &'t Trace) -> (&'t [f32], usize) {
        match self.plan.norms_products() {
            true => (&trace.input_hat, self.input_stride()),
            false => (&trace.gates, self.gates_stride()),
        }
    }

    /// The gradient by the recurrent product, and its stride between steps.
    fn by_state<'t>(&self, trace: &'t Trace) -> (&'t [f32], usize) {
        match self.plan.norms_products() {
            true => (&trace.recurrent_hat, self.recurrent_stride()),
            false => (&trace.gates[self.plan.recurrent_rows().start * self.lanes..], self.gates_stride()),
        }
    }

    fn weight_gradients(&self, x: &[f32], trace: &Trace, gradient: &mut [f32]) {
        let (plan, steps, lanes) = (self.plan, self.steps, self.lanes);
        let columns = plan.inputs;
        let (from, stride) = self.by_input(trace);
        for (rows, first) in plan.input_map() {
            self.level.run(Correlate {
                a: Factor { data: &from[rows.start * lanes..], stride, rows: rows.len() },
                b: Factor { data: x, stride: columns * lanes, rows: columns },
                steps,
                lanes,
                out: &mut gradient[plan.kernel.clone()][first * columns..][..rows.len() * columns],
            });
        }
        if plan.reads_state() {
            self.recurrent_gradient(trace, &mut gradient[plan.recurrent_kernel.clone()]);
        }
        for (rows, first) in plan.bias_map() {
            let a = Factor { data: &trace.gates[rows.start * lanes..], stride: self.gates_stride(), rows: rows.len() };
            let out = &mut gradient[plan.bias.clone()][first..][..rows.len()];
            self.level.run(RowSums { a, steps, lanes, out });
        }
    }

    fn recurrent_gradient(&self, trace: &Trace, out: &mut [f32]) {
        let (plan, block) = (self.plan, self.block());
        let (from, stride) = self.by_state(trace);
        let read = if self.drops_state() { &trace.fed } else { &trace.states };
        // The first steps read the zero state and add nothing.
        let first = plan.dilation;
        self.level.run(Correlate {
            a: Factor { data: from.get(first * stride..).unwrap_or(&[]), stride, rows: plan.recurrent_rows().len() },
            b: Factor { data: read.get(first * block..).unwrap_or(&[]), stride: block, rows: plan.units },
            steps: self.steps.saturating_sub(first),
            lanes: self.lanes,
            out,
        });
    }

    fn norm_gradients(&self, trace: &Trace, gradient: &mut [f32]) {
        let plan = self.plan;
        let mut add_up = |sums: &[f32], range: Range<usize>| {
            let a = Factor { data: sums, stride: 0, rows: range.len() };
            self.level.run(RowSums { a, steps: 1, lanes: self.lanes, out: &mut gradient[range] });
        };
        add_up(&trace.recurrent_gain_sums, plan.recurrent_gain.clone());
        add_up(&trace.norm_gain_sums, plan.state_gain.clone());
        add_up(&trace.norm_offset_sums, plan.state_offset.clone());
        if plan.norms_products() {
            for (rows, first) in plan.input_map() {
                let start = plan.input_gain.start + first;
                add_up(&trace.input_gain_sums[rows.start * self.lanes..], start..start + rows.len());
            }
        }
    }
}
