//! The linear head and the losses.

use crate::domain::order::Loss;

use super::correlate::{Correlate, Factor, RowSums};
use super::plan::HeadPlan;
use super::product::{Packed, Product, Start};
use super::simd::{Kernel, Level, Simd};

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
        turned: &Packed,
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
            weights: turned,
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

/// Puts the loss's gradient in the place of the predictions and answers the loss, summed over
/// elements. Both are `[element, lane]`.
pub(super) struct Residuals<'a> {
    pub loss: Loss,
    pub predictions: &'a mut [f32],
    pub targets: &'a [f32],
    /// `[lane]`: 1 for a series, 0 for padding, which must leave no trace.
    pub mask: &'a [f32],
    /// 1 / the number of elements in the whole batch, by which the loss is a mean.
    pub share: f32,
}

/// Elements after which the running sum goes over into `f64`.
const RUN: usize = 16;

impl Kernel for Residuals<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let lanes = self.mask.len();
        let mut total = 0.0;
        for (predictions, targets) in self.predictions.chunks_mut(RUN * lanes).zip(self.targets.chunks(RUN * lanes)) {
            let mut sum = simd.splat(0.0);
            for row in (0..predictions.len()).step_by(lanes) {
                for lane in (0..lanes).step_by(S::LANES) {
                    let at = row + lane;
                    let off = simd.sub(simd.load(predictions, at), simd.load(targets, at));
                    let off = simd.mul(off, simd.load(self.mask, lane));
                    let slope = match self.loss {
                        Loss::Mse => {
                            sum = simd.mul_add(off, off, sum);
                            simd.mul(off, simd.splat(2.0 * self.share))
                        }
                        Loss::Mae => {
                            sum = simd.add(sum, simd.max(simd.sub(simd.splat(0.0), off), off));
                            simd.mul(sign(simd, off), simd.splat(self.share))
                        }
                    };
                    simd.store(predictions, at, slope);
                }
            }
            total += f64::from(simd.sum(sum));
        }
        total
    }
}

/// −1, 0 or 1; in between for what is too small to be told from zero (under 3e-39).
#[inline(always)]
fn sign<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let huge = simd.mul(x, simd.splat(f32::MAX));
    simd.max(simd.splat(-1.0), simd.min(simd.splat(1.0), huge))
}
