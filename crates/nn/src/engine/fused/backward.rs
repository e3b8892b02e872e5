//! A layer's way back. Needs the trace of its way forward, with the gradient by h, from above, in
//! `d_states`; uses the trace up.

use std::ops::Range;

use gatecast_core::order::Cell;

use super::correlate::{Correlate, Factor, RowSums};
use super::dropout::MultiplyAdd;
use super::layer::Layer;
use super::norm::{Backward as NormBackward, Rows};
use super::product::{Product, Start};
use super::trace::Trace;
use super::{gru, lstm, simple_rnn};

impl Layer<'_> {
    /// Writes this layer's part of `gradient`; `d_x` gets the gradient by the input.
    pub(super) fn backward(&self, x: &[f32], trace: &mut Trace, d_x: Option<&mut [f32]>, gradient: &mut [f32]) {
        trace.clear_sums();
        for step in (0..self.steps).rev() {
            self.step_back(step, trace);
            self.state_back(step, trace);
        }
        self.input_back(trace);
        if let Some(d_x) = d_x {
            let (from, stride) = self.by_input(trace);
            let out_stride = self.plan.inputs * self.lanes;
            self.level.run(Product {
                weights: &self.weights.input_turned,
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

    /// The element-wise part of a step: its gates become gradients.
    fn step_back(&self, step: usize, trace: &mut Trace) {
        let level = self.level;
        let (block, stride) = (self.block(), self.gates_stride());
        let gates = &mut trace.gates[step * stride..][..stride];
        let (activation, dilation) = (self.plan.activation, self.plan.dilation);
        let before = &trace.states[step * block..][..block];
        let out = &trace.states[(step + dilation) * block..][..block];
        let (earlier, later) = trace.d_states.split_at_mut(step * block);
        let d_out = &later[..block];
        match (self.plan.cell, self.plan.layer_norm) {
            (Cell::SimpleRnn, false) => level.run(simple_rnn::Backward { activation, out, d_out, d: gates }),
            (Cell::SimpleRnn, true) => {
                level.run(simple_rnn::Backward { activation, out, d_out, d: &mut trace.scratch });
                let inverse = &trace.norm_inverse[step * self.lanes..];
                let sums = (&mut trace.norm_gain_sums[..], &mut trace.norm_offset_sums[..]);
                self.norm_back(gates, inverse, &trace.scratch, sums);
            }
            (Cell::Gru, _) => {
                let d_before = step.checked_sub(dilation).map(|before| &mut earlier[before * block..][..block]);
                level.run(gru::Backward { gates, before, d_out, d_before });
            }
            (Cell::Lstm, layer_norm) => {
                let before = &trace.cells[step * block..][..block];
                let squashed = &trace.squashed[step * block..][..block];
                let d_cell = &mut trace.d_cell[step % dilation * block..][..block];
                if !layer_norm {
                    return level.run(lstm::Backward { gates, before, squashed, d_out, d_cell });
                }
                let d_normalised = &mut trace.scratch[..];
                level.run(lstm::EmitBackward { gates, squashed, d_out, d_normalised });
                let hat = &mut trace.cell_hat[step * block..][..block];
                let inverse = &trace.norm_inverse[step * self.lanes..];
                let sums = (&mut trace.norm_gain_sums[..], &mut trace.norm_offset_sums[..]);
                self.norm_back(hat, inverse, &trace.scratch, sums);
                level.run(lstm::UpdateBackward { gates, before, through_norm: hat, d_cell });
            }
        }
    }

    /// Back through one step of the norm of the simple RNN's pre-activation or the LSTM's cell.
    fn norm_back(&self, values: &mut [f32], inverse: &[f32], d: &[f32], sums: (&mut [f32], &mut [f32])) {
        self.level.run(NormBackward {
            rows: Rows { steps: 1, stride: 0, first: 0, count: self.plan.units, lanes: self.lanes },
            values,
            inverse,
            inverse_stride: 0,
            gain: &self.parameters[self.plan.norm_gain.clone()],
            d,
            d_stride: 0,
            gain_sums: sums.0,
            offset_sums: Some(sums.1),
        });
    }

    /// Through the recurrent product, into the gradient by the state before. What came before the
    /// first step is not learned.
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
        let weights = &self.weights.recurrent_turned;
        self.level.run(Product { weights, start, steps: 1, lanes, x: from, x_stride: 0, out, out_stride: 0 });
        if masked {
            self.level.run(MultiplyAdd { a: &trace.scratch, b: &trace.state_mask, out: d_before });
        }
    }

    /// Through the norm of the input's product, if there is one, all steps at once.
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

    /// The gradient by the input's product, and how far apart its steps are.
    fn by_input<'t>(&self, trace: &'t Trace) -> (&'t [f32], usize) {
        match self.plan.norms_products() {
            true => (&trace.input_hat, self.input_stride()),
            false => (&trace.gates, self.gates_stride()),
        }
    }

    /// The gradient by the recurrent product, and how far apart its steps are.
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
        // Not from the first steps, which read the zero state.
        let (from, stride) = self.by_state(trace);
        let block = self.block();
        let first = plan.dilation;
        let fed = if self.drops_state() { &trace.fed } else { &trace.states };
        self.level.run(Correlate {
            a: Factor { data: from.get(first * stride..).unwrap_or(&[]), stride, rows: plan.recurrent_rows().len() },
            b: Factor { data: fed.get(first * block..).unwrap_or(&[]), stride: block, rows: plan.units },
            steps: steps.saturating_sub(first),
            lanes,
            out: &mut gradient[plan.recurrent_kernel.clone()],
        });
        for (rows, first) in plan.bias_map() {
            let a = Factor { data: &trace.gates[rows.start * lanes..], stride: self.gates_stride(), rows: rows.len() };
            let out = &mut gradient[plan.bias.clone()][first..][..rows.len()];
            self.level.run(RowSums { a, steps, lanes, out });
        }
    }

    fn norm_gradients(&self, trace: &Trace, gradient: &mut [f32]) {
        let plan = self.plan;
        let mut add_up = |sums: &[f32], range: Range<usize>| {
            let a = Factor { data: sums, stride: 0, rows: range.len() };
            self.level.run(RowSums { a, steps: 1, lanes: self.lanes, out: &mut gradient[range] });
        };
        add_up(&trace.recurrent_gain_sums, plan.recurrent_gain.clone());
        add_up(&trace.norm_gain_sums, plan.norm_gain.clone());
        add_up(&trace.norm_offset_sums, plan.norm_offset.clone());
        if plan.norms_products() {
            for (rows, first) in plan.input_map() {
                let start = plan.input_gain.start + first;
                add_up(&trace.input_gain_sums[rows.start * self.lanes..], start..start + rows.len());
            }
        }
    }
}
