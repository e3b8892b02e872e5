//! Layer norm over lanes: each lane is a series, so its mean and variance are sums down the rows,
//! and nothing crosses a vector.
//!
//! x̂ = (x − mean) / √(variance + ε), variance biased. With d the gradient by gain ⊙ x̂ + offset and
//! e = gain ⊙ d, the gradient by x is (e − mean(e) − x̂ mean(e ⊙ x̂)) / √(variance + ε).

use crate::network::LAYER_NORM_EPSILON;

use super::simd::{Kernel, Simd};

/// Some rows of every step: step t's begin at `t × stride + first × lanes`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    pub steps: usize,
    pub stride: usize,
    pub first: usize,
    pub count: usize,
    pub lanes: usize,
}

impl Rows {
    #[inline(always)]
    fn at(&self, step: usize, row: usize) -> usize {
        step * self.stride + (self.first + row) * self.lanes
    }
}

/// Puts x̂ in the place of x and 1 / √(variance + ε) into `inverse` (`[step, lane]`, the steps
/// `inverse_stride` apart).
pub(super) struct Normalise<'a> {
    pub rows: Rows,
    pub values: &'a mut [f32],
    pub inverse: &'a mut [f32],
    pub inverse_stride: usize,
}

impl Kernel for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Normalise { rows, values, inverse, inverse_stride } = self;
        let share = simd.splat(1.0 / rows.count as f32);
        for step in 0..rows.steps {
            for lane in (0..rows.lanes).step_by(S::LANES) {
                let mut sum = simd.splat(0.0);
                for row in 0..rows.count {
                    sum = simd.add(sum, simd.load(values, rows.at(step, row) + lane));
                }
                let mean = simd.mul(sum, share);
                let mut squares = simd.splat(0.0);
                for row in 0..rows.count {
                    let off = simd.sub(simd.load(values, rows.at(step, row) + lane), mean);
                    squares = simd.mul_add(off, off, squares);
                }
                let variance = simd.mul_add(squares, share, simd.splat(LAYER_NORM_EPSILON));
                let scale = simd.div(simd.splat(1.0), simd.sqrt(variance));
                for row in 0..rows.count {
                    let at = rows.at(step, row) + lane;
                    let value = simd.mul(simd.sub(simd.load(values, at), mean), scale);
                    simd.store(values, at, value);
                }
                simd.store(inverse, step * inverse_stride + lane, scale);
            }
        }
    }
}

/// Puts the gradient by x in the place of x̂, and adds the gradients by the gain (and the offset,
/// which has the same `d`) to sums `[row, lane]`.
pub(super) struct Backward<'a> {
    /// Of x̂.
    pub rows: Rows,
    pub values: &'a mut [f32],
    pub inverse: &'a [f32],
    pub inverse_stride: usize,
    /// A number a row.
    pub gain: &'a [f32],
    /// The gradient by gain ⊙ x̂ + offset: step t's rows begin at `t × d_stride`.
    pub d: &'a [f32],
    pub d_stride: usize,
    pub gain_sums: &'a mut [f32],
    pub offset_sums: Option<&'a mut [f32]>,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let rows = self.rows;
        let share = simd.splat(1.0 / rows.count as f32);
        for step in 0..rows.steps {
            for lane in (0..rows.lanes).step_by(S::LANES) {
                let (mut sum, mut dot) = (simd.splat(0.0), simd.splat(0.0));
                for (row, &gain) in self.gain[..rows.count].iter().enumerate() {
                    let within = row * rows.lanes + lane;
                    let d = simd.load(self.d, step * self.d_stride + within);
                    let x = simd.load(self.values, rows.at(step, row) + lane);
                    let by_gain = simd.mul(d, x);
                    simd.store(self.gain_sums, within, simd.add(simd.load(self.gain_sums, within), by_gain));
                    if let Some(sums) = &mut self.offset_sums {
                        simd.store(sums, within, simd.add(simd.load(sums, within), d));
                    }
                    sum = simd.mul_add(simd.splat(gain), d, sum);
                    dot = simd.mul_add(simd.splat(gain), by_gain, dot);
                }
                let (mean, slope) = (simd.mul(sum, share), simd.mul(dot, share));
                let scale = simd.load(self.inverse, step * self.inverse_stride + lane);
                for (row, &gain) in self.gain[..rows.count].iter().enumerate() {
                    let at = rows.at(step, row) + lane;
                    let d = simd.load(self.d, step * self.d_stride + row * rows.lanes + lane);
                    let off = simd.sub(simd.mul(simd.splat(gain), d), mean);
                    let off = simd.neg_mul_add(simd.load(self.values, at), slope, off);
                    simd.store(self.values, at, simd.mul(off, scale));
                }
            }
        }
    }
}

/// What [`Scale`] adds to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Onto<'a> {
    /// What `out` holds.
    Out,
    /// A number a row.
    Offset(&'a [f32]),
}

/// `out = onto + gain ⊙ x̂`, rows to rows; step t's of `out` begin at `t × out_stride`.
pub(super) struct Scale<'a> {
    pub rows: Rows,
    pub values: &'a [f32],
    /// A number a row.
    pub gain: &'a [f32],
    pub onto: Onto<'a>,
    pub out: &'a mut [f32],
    pub out_stride: usize,
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Scale { rows, values, gain, onto, out, out_stride } = self;
        for step in 0..rows.steps {
            for (row, &gain) in gain[..rows.count].iter().enumerate() {
                for lane in (0..rows.lanes).step_by(S::LANES) {
                    let to = step * out_stride + row * rows.lanes + lane;
                    let start = match onto {
                        Onto::Out => simd.load(out, to),
                        Onto::Offset(offset) => simd.splat(offset[row]),
                    };
                    let x = simd.load(values, rows.at(step, row) + lane);
                    simd.store(out, to, simd.mul_add(simd.splat(gain), x, start));
                }
            }
        }
    }
}
