//! The GRU's element-wise part, in the `reset_after` form.
//!
//! The engine's order of the gates is n, r, z, m, a block each: m = U_n h₋₁ + b′ is the recurrent part
//! of the candidate, separate because r multiplies it. So the rows that the input feeds (n, r, z) and
//! those that the state feeds (r, z, m) are each contiguous. r, z = σ; n = tanh(n + r ⊙ m);
//! h = z ⊙ h₋₁ + (1 − z) ⊙ n.

use super::super::math::{sigmoid, tanh};
use super::super::simd::{Kernel, Simd};
use super::{CellKernels, GateLayout, Group, Step, StepBack};

pub(super) const KERNELS: CellKernels = CellKernels {
    gates: GateLayout {
        blocks: 4,
        input: 3,
        recurrent: 1..4,
        // n, r, z inside; r, z, n in the parameters.
        rotate: 2,
        // n by itself, r and z together; then r and z together, m by itself.
        input_norms: &[Group { first: 0, count: 1 }, Group { first: 1, count: 2 }],
        recurrent_norms: &[Group { first: 0, count: 2 }, Group { first: 2, count: 1 }],
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

/// Activates n, r and z in place (m stays as it is) and computes h.
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
        for at in (n..3 * n).step_by(S::LANES) {
            let activated = sigmoid(simd, simd.load(gates, at));
            simd.store(gates, at, activated);
        }
        for at in (0..n).step_by(S::LANES) {
            let (r, z) = (simd.load(gates, n + at), simd.load(gates, 2 * n + at));
            let m = simd.load(gates, 3 * n + at);
            let candidate = tanh(simd, simd.mul_add(r, m, simd.load(gates, at)));
            simd.store(gates, at, candidate);
            let h = simd.mul_add(z, simd.sub(simd.load(before, at), candidate), candidate);
            simd.store(out, at, h);
        }
    }
}

/// Turns the gates into the gradients by their pre-activations (m's by m).
struct Backward<'a> {
    gates: &'a mut [f32],
    before: &'a [f32],
    d_out: &'a [f32],
    /// Gets z ⊙ `d_out` added: the part of the gradient by h₋₁ that takes no product.
    d_before: Option<&'a mut [f32]>,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Backward { gates, before, d_out, mut d_before } = self;
        let n = d_out.len();
        let one = simd.splat(1.0);
        for at in (0..n).step_by(S::LANES) {
            let (candidate, r) = (simd.load(gates, at), simd.load(gates, n + at));
            let (z, m) = (simd.load(gates, 2 * n + at), simd.load(gates, 3 * n + at));
            let d = simd.load(d_out, at);
            let slope = simd.neg_mul_add(candidate, candidate, one);
            let by_n = simd.mul(simd.neg_mul_add(d, z, d), slope);
            let by_r = simd.mul(simd.mul(by_n, m), simd.neg_mul_add(r, r, r));
            let reach = simd.mul(d, simd.sub(simd.load(before, at), candidate));
            simd.store(gates, at, by_n);
            simd.store(gates, n + at, by_r);
            simd.store(gates, 2 * n + at, simd.mul(reach, simd.neg_mul_add(z, z, z)));
            simd.store(gates, 3 * n + at, simd.mul(by_n, r));
            if let Some(d_before) = &mut d_before {
                simd.store(d_before, at, simd.mul_add(d, z, simd.load(d_before, at)));
            }
        }
    }
}
