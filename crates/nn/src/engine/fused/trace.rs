//! What the forward pass of a layer keeps for the backward pass. All blocks are `[row, lane]`. One
//! trace serves shard after shard and call after call without allocating again.

use super::layout::Buffer;
use super::plan::LayerPlan;

#[derive(Debug, Default)]
pub(super) struct Trace {
    /// `[step, gate row]`: pre-activations, then activations, then gradients.
    pub gates: Buffer,
    /// h, `[dilation + step, unit]`: first the zero states before the first step.
    pub states: Buffer,
    /// The gradient by h, `[step, unit]`; sized by the backward pass alone.
    pub d_states: Buffer,
    /// c, laid out as the states.
    pub cells: Buffer,
    /// tanh of the (normalised) cell state, `[step, unit]`.
    pub squashed: Buffer,
    /// The gradient by c, as many steps as c is carried over at once: `[dilation, unit]`.
    pub d_cell: Buffer,
    /// x̂ of the input's and the recurrent product and 1 / √(variance + ε) by group.
    pub input_hat: Buffer,
    pub input_inverse: Buffer,
    pub recurrent_hat: Buffer,
    pub recurrent_inverse: Buffer,
    /// x̂ of the cell state.
    pub cell_hat: Buffer,
    /// 1 / √(variance + ε) of the norm within a step.
    pub norm_inverse: Buffer,
    /// Gradients by gains and offsets before they are added up over lanes, `[row, lane]`.
    pub input_gain_sums: Buffer,
    pub recurrent_gain_sums: Buffer,
    pub norm_gain_sums: Buffer,
    pub norm_offset_sums: Buffer,
    /// With recurrent dropout: the state's mask, `[unit]`, and the masked state that the recurrent
    /// products read, `[step, unit]`.
    pub state_mask: Buffer,
    pub fed: Buffer,
    /// One step's units.
    pub scratch: Buffer,
}

impl Trace {
    /// Sets the lengths for a sequence. The contents are unspecified.
    pub(super) fn resize(&mut self, plan: &LayerPlan, steps: usize, lanes: usize) {
        let block = plan.units * lanes;
        self.gates.resize(steps * plan.gate_rows() * lanes);
        self.states.resize((plan.dilation + steps) * block);
        self.scratch.resize(block);
        if plan.spec.cell_state {
            self.cells.resize((plan.dilation + steps) * block);
            self.squashed.resize(steps * block);
            self.d_cell.resize(plan.dilation * block);
        }
        if plan.norms_products() {
            let (input, recurrent) = (plan.input_rows().len() * lanes, plan.recurrent_rows().len() * lanes);
            self.input_hat.resize(steps * input);
            self.recurrent_hat.resize(steps * recurrent);
            self.input_inverse.resize(steps * plan.input_groups().len() * lanes);
            self.recurrent_inverse.resize(steps * plan.recurrent_groups().len() * lanes);
            self.input_gain_sums.resize(input);
            self.recurrent_gain_sums.resize(recurrent);
        }
        if plan.norms_state() {
            if plan.spec.cell_state {
                self.cell_hat.resize(steps * block);
            }
            self.norm_inverse.resize(steps * lanes);
            self.norm_gain_sums.resize(block);
            self.norm_offset_sums.resize(block);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let buffers = [
            [&self.gates, &self.states, &self.d_states, &self.cells, &self.squashed, &self.d_cell],
            [
                &self.input_hat,
                &self.input_inverse,
                &self.recurrent_hat,
                &self.recurrent_inverse,
                &self.cell_hat,
                &self.norm_inverse,
            ],
            [
                &self.input_gain_sums,
                &self.recurrent_gain_sums,
                &self.norm_gain_sums,
                &self.norm_offset_sums,
                &self.state_mask,
                &self.fed,
            ],
        ];
        self.scratch.bytes() + buffers.as_flattened().iter().map(|buffer| buffer.bytes()).sum::<usize>()
    }

    /// Sets the sums over the steps to zero.
    pub(super) fn clear_sums(&mut self) {
        for buffer in [
            &mut self.d_cell,
            &mut self.input_gain_sums,
            &mut self.recurrent_gain_sums,
            &mut self.norm_gain_sums,
            &mut self.norm_offset_sums,
        ] {
            buffer.fill(0.0);
        }
    }
}
