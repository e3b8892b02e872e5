//! minGRU (Feng et al. 2024, "Were RNNs All We Needed?"): a GRU whose gates read the input alone.
//!
//! z = σ(W_z x + b_z), h̃ = W_h x + b_h, h = (1 − z) ⊙ h₋₁ + z ⊙ h̃. There is no recurrent product: one
//! product covers all steps, and only the element-wise kernels here run step by step. The order of the
//! gates is z, h̃. With layer norm each of the two products is normalised by itself.

use super::super::math::sigmoid;
use super::super::simd::{Kernel, Simd};
use super::{CellKernels, GateLayout, Group, Step, StepBack};

pub(super) const KERNELS: CellKernels = CellKernels {
    gates: GateLayout {
        blocks: 2,
        input: 2,
        recurrent: 2..2,
        rotate: 0,
        input_norms: &[Group { first: 0, count: 1 }, Group { first: 1, count: 1 }],
        recurrent_norms: &[],
    },
    forward,
    backward,
};

fn forward(Step { level, gates, before, out, .. }: Step<'_>) {
    level.run(Forward { gates, before, out });
}

fn backward(StepBack { level, gates, before, d_out, d_before, .. }: StepBack<'_>) {
    level.run(Backward { gates, before, d_out, d_before });
}

/// Activates z in place (h̃ stays as it is) and computes h.
struct Forward<'a> {
    gates: &'a mut [f32],
    before: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Forward { gates, before, out } = self;
        let n = out.len();
        for at in (0..n).step_by(S::LANES) {
            let z = sigmoid(simd, simd.load(gates, at));
            simd.store(gates, at, z);
            let before = simd.load(before, at);
            let h = simd.mul_add(z, simd.sub(simd.load(gates, n + at), before), before);
            simd.store(out, at, h);
        }
    }
}

/// Turns z and h̃ into the gradients by their pre-activations.
struct Backward<'a> {
    gates: &'a mut [f32],
    before: &'a [f32],
    d_out: &'a [f32],
    /// Gets (1 − z) ⊙ `d_out` added.
    d_before: Option<&'a mut [f32]>,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Backward { gates, before, d_out, mut d_before } = self;
        let n = d_out.len();
        for at in (0..n).step_by(S::LANES) {
            let (z, candidate) = (simd.load(gates, at), simd.load(gates, n + at));
            let d = simd.load(d_out, at);
            let by_z = simd.mul(d, simd.sub(candidate, simd.load(before, at)));
            simd.store(gates, at, simd.mul(by_z, simd.neg_mul_add(z, z, z)));
            simd.store(gates, n + at, simd.mul(d, z));
            if let Some(d_before) = &mut d_before {
                let kept = simd.neg_mul_add(d, z, d);
                simd.store(d_before, at, simd.add(simd.load(d_before, at), kept));
            }
        }
    }
}
