//! The simple RNN's element-wise part: h = tanh of the pre-activation, normalised or not.

use super::math::tanh;
use super::simd::{Kernel, Simd};

/// h = tanh(from).
pub(super) struct Forward<'a> {
    pub from: &'a [f32],
    pub out: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for at in (0..self.out.len()).step_by(S::LANES) {
            simd.store(self.out, at, tanh(simd, simd.load(self.from, at)));
        }
    }
}

/// The gradient by what tanh was taken of.
pub(super) struct Backward<'a> {
    pub out: &'a [f32],
    pub d_out: &'a [f32],
    pub d: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for at in (0..self.d.len()).step_by(S::LANES) {
            let h = simd.load(self.out, at);
            let slope = simd.neg_mul_add(h, h, simd.splat(1.0));
            simd.store(self.d, at, simd.mul(simd.load(self.d_out, at), slope));
        }
    }
}
