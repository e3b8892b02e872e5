//! From predictions to the loss and its gradient, lane by lane.
//!
//! The squared and the absolute error have kernels of their own; all other losses are computed by
//! [`crate::loss`] on the lane layout.

use crate::loss::Layout;
use gatecast_core::order::{Head, Loss};

use super::layout::{Buffer, to_lanes};
use super::pass::ShardBatch;
use super::simd::{Kernel, Level, Simd};

/// A shard's predictions `[step, output, lane]` against what is known.
pub(super) struct LossOutput<'a> {
    pub level: Level,
    pub batch: ShardBatch<'a>,
    pub lanes: usize,
    pub steps: usize,
    /// Room for the targets and the weights of the lanes.
    pub targets: &'a mut Buffer,
    pub weights: &'a mut Buffer,
}

impl LossOutput<'_> {
    /// Replaces the predictions with the loss's gradient and returns the loss, summed over the known
    /// points of `series` lanes.
    pub(super) fn backward(self, outputs: &mut [f32], series: usize) -> f64 {
        let Self { level, batch: ShardBatch { truth, all_known, criterion, weight, .. }, lanes, steps, .. } = self;
        let share = if weight > 0.0 { 1.0 / weight } else { 0.0 };
        let absolute = match (criterion.head(), criterion.loss()) {
            (Head::Point {}, Loss::Mse) => false,
            (Head::Point {}, Loss::Mae) => true,
            _ => {
                let width = outputs.len() / steps;
                let layout = Layout { series, steps, strides: [1, width, lanes] };
                let total = criterion.backward(outputs, layout, truth, share);
                outputs.chunks_exact_mut(lanes).for_each(|row| row[series..].fill(0.0));
                return total;
            }
        };
        let (targets, weights) = (self.targets, self.weights);
        targets.resize(outputs.len());
        to_lanes(truth.targets, outputs.len() / lanes, lanes, targets);
        if !all_known {
            // An unknown value has no error.
            let unknown = targets.iter_mut().zip(outputs.iter());
            unknown.for_each(|(target, found)| *target = if target.is_nan() { *found } else { *target });
        }
        weights.resize(lanes);
        for (lane, weight) in weights.iter_mut().enumerate() {
            *weight = if lane < series { truth.weights.get(lane).copied().unwrap_or(1.0) } else { 0.0 };
        }
        level.run(Residuals {
            absolute,
            predictions: outputs,
            targets,
            weights,
            share: if weight > 0.0 { 1.0 / weight as f32 } else { 0.0 },
        })
    }
}

/// Replaces the predictions with the loss's gradient and returns the loss, summed over elements. Both are `[element, lane]`.
struct Residuals<'a> {
    /// The absolute error, not the squared one.
    absolute: bool,
    predictions: &'a mut [f32],
    targets: &'a [f32],
    /// `[lane]`: the weight of each series; 0 for padding.
    weights: &'a [f32],
    /// By which the loss is a mean over the whole batch.
    share: f32,
}

/// Elements after which the running sum goes over into `f64`.
const RUN: usize = 16;

impl Kernel for Residuals<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let lanes = self.weights.len();
        let mut total = 0.0;
        for (predictions, targets) in self.predictions.chunks_mut(RUN * lanes).zip(self.targets.chunks(RUN * lanes)) {
            let mut sum = simd.splat(0.0);
            for row in (0..predictions.len()).step_by(lanes) {
                for lane in (0..lanes).step_by(S::LANES) {
                    let at = row + lane;
                    let weight = simd.load(self.weights, lane);
                    let off = simd.sub(simd.load(predictions, at), simd.load(targets, at));
                    let weighted = simd.mul(off, weight);
                    let slope = if self.absolute {
                        sum = simd.add(sum, simd.max(simd.sub(simd.splat(0.0), weighted), weighted));
                        simd.mul(sign(simd, weighted), simd.mul(weight, simd.splat(self.share)))
                    } else {
                        sum = simd.mul_add(off, weighted, sum);
                        simd.mul(weighted, simd.splat(2.0 * self.share))
                    };
                    simd.store(predictions, at, slope);
                }
            }
            total += f64::from(simd.sum(sum));
        }
        total
    }
}

/// −1, 0 or 1; a value in between for |x| under 3e-39.
#[inline(always)]
fn sign<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let huge = simd.mul(x, simd.splat(f32::MAX));
    simd.max(simd.splat(-1.0), simd.min(simd.splat(1.0), huge))
}
