//! The simple RNN's element-wise part: h = activation of the pre-activation, normalised or not.

use super::math::{sigmoid, tanh};
use super::simd::{Kernel, Simd};
use gatecast_core::order::Activation;

/// h = activation(from).
pub(super) struct Forward<'a> {
    pub activation: Activation,
    pub from: &'a [f32],
    pub out: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for at in (0..self.out.len()).step_by(S::LANES) {
            let x = simd.load(self.from, at);
            let h = match self.activation {
                Activation::Tanh => tanh(simd, x),
                Activation::Sigmoid => sigmoid(simd, x),
                Activation::Relu => simd.max(simd.splat(0.0), x),
                Activation::Linear => x,
            };
            simd.store(self.out, at, h);
        }
    }
}

/// The gradient by what the activation was taken of; every one's slope is told by h alone.
pub(super) struct Backward<'a> {
    pub activation: Activation,
    pub out: &'a [f32],
    pub d_out: &'a [f32],
    pub d: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let one = simd.splat(1.0);
        for at in (0..self.d.len()).step_by(S::LANES) {
            let h = simd.load(self.out, at);
            let slope = match self.activation {
                Activation::Tanh => simd.neg_mul_add(h, h, one),
                Activation::Sigmoid => simd.neg_mul_add(h, h, h),
                // 1 above 0; in between for what is too small to be told from it (under 3e-39).
                Activation::Relu => simd.min(one, simd.mul(h, simd.splat(f32::MAX))),
                Activation::Linear => one,
            };
            simd.store(self.d, at, simd.mul(simd.load(self.d_out, at), slope));
        }
    }
}
