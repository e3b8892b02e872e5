//! The simple RNN's element-wise part: h = activation of the pre-activation, normalised or not.

use gatecast_core::order::Activation;

use super::super::math::{sigmoid, tanh};
use super::super::simd::{Kernel, Simd};
use super::{CellKernels, GateLayout, Step, StepBack};

pub(super) const KERNELS: CellKernels = CellKernels {
    gates: GateLayout { blocks: 1, input: 1, recurrent: 0..1, rotate: 0, input_norms: &[], recurrent_norms: &[] },
    forward,
    backward,
};

fn forward(Step { level, activation, gates, out, norm, scratch, .. }: Step<'_>) {
    let Some(norm) = norm else {
        return level.run(Forward { activation, from: gates, out });
    };
    norm.apply(level, gates, scratch);
    level.run(Forward { activation, from: scratch, out });
}

fn backward(StepBack { level, activation, gates, out, d_out, norm, scratch, .. }: StepBack<'_>) {
    let Some(norm) = norm else {
        return level.run(Backward { activation, out, d_out, d: gates });
    };
    level.run(Backward { activation, out, d_out, d: scratch });
    norm.apply(level, gates, scratch);
}

/// h = activation(from).
struct Forward<'a> {
    activation: Activation,
    from: &'a [f32],
    out: &'a mut [f32],
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

/// The gradient by the argument of the activation. The slope of each activation follows from h
/// alone.
struct Backward<'a> {
    activation: Activation,
    out: &'a [f32],
    d_out: &'a [f32],
    d: &'a mut [f32],
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
                // 1 above 0, 0 at 0; a value in between for h under 3e-39.
                Activation::Relu => simd.min(one, simd.mul(h, simd.splat(f32::MAX))),
                Activation::Linear => one,
            };
            simd.store(self.d, at, simd.mul(simd.load(self.d_out, at), slope));
        }
    }
}
