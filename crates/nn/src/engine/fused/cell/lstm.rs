//! The LSTM's element-wise part: everything but the products and the layer norms.
//!
//! The order of the gates is i, f, g, o, a block of `n` numbers each. i, f, o = σ, g = tanh; c = f ⊙ c₋₁ + i ⊙ g;
//! s = tanh(c), or tanh of the normalised cell; h = o ⊙ s.

use super::super::math::{sigmoid, tanh};
use super::super::simd::{Kernel, Simd};
use super::{CellKernels, CellState, CellStateBack, GateLayout, Group, Step, StepBack};

pub(super) const KERNELS: CellKernels = CellKernels {
    gates: GateLayout {
        blocks: 4,
        input: 4,
        recurrent: 0..4,
        rotate: 0,
        input_norms: &[Group { first: 0, count: 4 }],
        recurrent_norms: &[Group { first: 0, count: 4 }],
    },
    forward,
    backward,
};

fn forward(Step { level, gates, out, cell, norm, .. }: Step<'_>) {
    let CellState { before, after, squashed, normalised } = cell;
    let Some(norm) = norm else {
        return level.run(Forward { gates, before, cell: after, squashed, out });
    };
    level.run(Update { gates, before, cell: after });
    normalised.copy_from_slice(after);
    norm.apply(level, normalised, squashed);
    level.run(Emit { gates, squashed, out });
}

fn backward(StepBack { level, gates, d_out, cell, norm, scratch, .. }: StepBack<'_>) {
    let CellStateBack { before, squashed, normalised, d: d_cell } = cell;
    let Some(norm) = norm else {
        return level.run(Backward { gates, before, squashed, d_out, d_cell });
    };
    level.run(EmitBackward { gates, squashed, d_out, d_normalised: scratch });
    norm.apply(level, normalised, scratch);
    level.run(UpdateBackward { gates, before, through_norm: normalised, d_cell });
}

/// Activates the gates in place, and computes c, s and h.
struct Forward<'a> {
    gates: &'a mut [f32],
    before: &'a [f32],
    cell: &'a mut [f32],
    squashed: &'a mut [f32],
    out: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        update(simd, self.gates, self.before, self.cell);
        self.squashed.copy_from_slice(self.cell);
        emit(simd, self.gates, self.squashed, self.out);
    }
}

/// Activates i, f and g in place and computes c: the first half, where c is normalised.
struct Update<'a> {
    gates: &'a mut [f32],
    before: &'a [f32],
    cell: &'a mut [f32],
}

impl Kernel for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        update(simd, self.gates, self.before, self.cell);
    }
}

/// The second half: `squashed` holds the normalised c and gets its tanh; o, and h from both.
struct Emit<'a> {
    gates: &'a mut [f32],
    squashed: &'a mut [f32],
    out: &'a mut [f32],
}

impl Kernel for Emit<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        emit(simd, self.gates, self.squashed, self.out);
    }
}

// One loop per function, not one loop for all: σ and tanh are long chains of dependent instructions,
// and the processor overlaps only neighbours within its reorder window.
#[inline(always)]
fn update<S: Simd>(simd: S, gates: &mut [f32], before: &[f32], cell: &mut [f32]) {
    let n = cell.len();
    for at in (0..2 * n).step_by(S::LANES) {
        let activated = sigmoid(simd, simd.load(gates, at));
        simd.store(gates, at, activated);
    }
    for at in (0..n).step_by(S::LANES) {
        let g = tanh(simd, simd.load(gates, 2 * n + at));
        simd.store(gates, 2 * n + at, g);
        let kept = simd.mul(simd.load(gates, n + at), simd.load(before, at));
        simd.store(cell, at, simd.mul_add(simd.load(gates, at), g, kept));
    }
}

#[inline(always)]
fn emit<S: Simd>(simd: S, gates: &mut [f32], squashed: &mut [f32], out: &mut [f32]) {
    let n = out.len();
    for at in (0..n).step_by(S::LANES) {
        let o = sigmoid(simd, simd.load(gates, 3 * n + at));
        simd.store(gates, 3 * n + at, o);
        let s = tanh(simd, simd.load(squashed, at));
        simd.store(squashed, at, s);
        simd.store(out, at, simd.mul(o, s));
    }
}

/// Turns the activated gates into the gradients by their pre-activations, and moves the gradient
/// by c one step back.
struct Backward<'a> {
    gates: &'a mut [f32],
    before: &'a [f32],
    squashed: &'a [f32],
    /// The whole gradient by h.
    d_out: &'a [f32],
    /// In: by c, from later steps. Out: by c₋₁.
    d_cell: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let n = self.d_cell.len();
        for at in (0..n).step_by(S::LANES) {
            let by_squashed = emit_backward(simd, self.gates, self.squashed, self.d_out, n, at);
            let d_cell = simd.add(simd.load(self.d_cell, at), by_squashed);
            let earlier = update_backward(simd, self.gates, self.before, d_cell, n, at);
            simd.store(self.d_cell, at, earlier);
        }
    }
}

/// The second half's gradient: by o's pre-activation in its place, by the normalised c in
/// `d_normalised`.
struct EmitBackward<'a> {
    gates: &'a mut [f32],
    squashed: &'a [f32],
    d_out: &'a [f32],
    d_normalised: &'a mut [f32],
}

impl Kernel for EmitBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let n = self.d_normalised.len();
        for at in (0..n).step_by(S::LANES) {
            let by_squashed = emit_backward(simd, self.gates, self.squashed, self.d_out, n, at);
            simd.store(self.d_normalised, at, by_squashed);
        }
    }
}

/// The first half's: as [`Backward`], with the part of c's gradient that came through its norm.
struct UpdateBackward<'a> {
    gates: &'a mut [f32],
    before: &'a [f32],
    through_norm: &'a [f32],
    d_cell: &'a mut [f32],
}

impl Kernel for UpdateBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let n = self.d_cell.len();
        for at in (0..n).step_by(S::LANES) {
            let d_cell = simd.add(simd.load(self.d_cell, at), simd.load(self.through_norm, at));
            let earlier = update_backward(simd, self.gates, self.before, d_cell, n, at);
            simd.store(self.d_cell, at, earlier);
        }
    }
}

/// The gradient by what tanh was taken of; o's becomes the one by its pre-activation.
#[inline(always)]
fn emit_backward<S: Simd>(
    simd: S,
    gates: &mut [f32],
    squashed: &[f32],
    d_out: &[f32],
    n: usize,
    at: usize,
) -> S::Vector {
    let (o, s, d) = (simd.load(gates, 3 * n + at), simd.load(squashed, at), simd.load(d_out, at));
    let slope = simd.neg_mul_add(o, o, o);
    simd.store(gates, 3 * n + at, simd.mul(simd.mul(d, s), slope));
    simd.mul(simd.mul(d, o), simd.neg_mul_add(s, s, simd.splat(1.0)))
}

/// Replaces i, f and g with the gradients by their pre-activations; returns the gradient by c₋₁.
#[inline(always)]
fn update_backward<S: Simd>(
    simd: S,
    gates: &mut [f32],
    before: &[f32],
    d_cell: S::Vector,
    n: usize,
    at: usize,
) -> S::Vector {
    let (i, f, g) = (simd.load(gates, at), simd.load(gates, n + at), simd.load(gates, 2 * n + at));
    let by_i = simd.mul(simd.mul(d_cell, g), simd.neg_mul_add(i, i, i));
    let by_f = simd.mul(simd.mul(d_cell, simd.load(before, at)), simd.neg_mul_add(f, f, f));
    let by_g = simd.mul(simd.mul(d_cell, i), simd.neg_mul_add(g, g, simd.splat(1.0)));
    simd.store(gates, at, by_i);
    simd.store(gates, n + at, by_f);
    simd.store(gates, 2 * n + at, by_g);
    simd.mul(d_cell, f)
}
