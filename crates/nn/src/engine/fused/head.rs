//! The linear head.

use super::correlate::{Correlate, Factor, RowSums};
use super::plan::HeadPlan;
use super::product::{Packed, Product, Start};
use super::simd::Level;

/// The head at some steps of the last layer's state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub level: Level,
    pub plan: &'a HeadPlan,
    pub steps: usize,
    pub lanes: usize,
}

impl Head<'_> {
    /// `[step, output, lane]` from `[step, unit, lane]`.
    pub(super) fn forward(&self, weights: &Packed, parameters: &[f32], states: &[f32], out: &mut [f32]) {
        let Head { level, plan, steps, lanes } = *self;
        let start = Start::Bias(&parameters[plan.bias.clone()]);
        let (x_stride, out_stride) = (plan.units * lanes, plan.outputs * lanes);
        level.run(Product { weights, start, steps, lanes, x: states, x_stride, out, out_stride });
    }

    /// From the gradient by the outputs to the head's part of `gradient` and the one by the states.
    pub(super) fn backward(
        &self,
        transposed: &Packed,
        states: &[f32],
        d_out: &[f32],
        d_states: &mut [f32],
        gradient: &mut [f32],
    ) {
        let Head { level, plan, steps, lanes } = *self;
        let a = Factor { data: d_out, stride: plan.outputs * lanes, rows: plan.outputs };
        let b = Factor { data: states, stride: plan.units * lanes, rows: plan.units };
        level.run(Correlate { a, b, steps, lanes, out: &mut gradient[plan.kernel.clone()] });
        level.run(RowSums { a, steps, lanes, out: &mut gradient[plan.bias.clone()] });
        level.run(Product {
            weights: transposed,
            start: Start::Zero,
            steps,
            lanes,
            x: d_out,
            x_stride: a.stride,
            out: d_states,
            out_stride: b.stride,
        });
    }
}
