//! Kernels for one series, units across the lanes: the counterparts of `product` and `norm`.

use crate::network::LAYER_NORM_EPSILON;

use super::layout::{BLOCK, Buffer};
use super::simd::{Kernel, Simd};

/// A transposed matrix: column k is `data[k × height..]`, padding included.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub data: Buffer,
    pub height: usize,
}

impl Columns {
    /// Blocks of `units` rows, each padded to `width`; row r is taken from (r + rotate) mod rows.
    pub(super) fn load(&mut self, from: &[f32], columns: usize, units: usize, width: usize, rotate: usize) {
        let rows = from.len() / columns;
        self.height = rows / units * width;
        self.data.resize(self.height * columns);
        self.data.fill(0.0);
        // A block of rows at a time, so that writes are contiguous too.
        for row in (0..rows).step_by(BLOCK) {
            let count = BLOCK.min(rows - row);
            let places: [(usize, usize); BLOCK] = std::array::from_fn(|i| {
                let row = row + i.min(count - 1);
                ((row + rotate) % rows * columns, row / units * width + row % units)
            });
            for (k, column) in self.data.chunks_exact_mut(self.height).enumerate() {
                for (from_row, to) in places {
                    column[to] = from[from_row + k];
                }
            }
        }
    }
}

/// Spreads blocks of `units` numbers over blocks of `width`.
pub(super) fn spread(from: &[f32], units: usize, width: usize, to: &mut Buffer) {
    to.resize(from.len() / units * width);
    to.fill(0.0);
    for (from, to) in from.chunks_exact(units).zip(to.chunks_exact_mut(width)) {
        to[..units].copy_from_slice(from);
    }
}

/// The initial value of a sum.
#[derive(Debug, Clone, Copy)]
pub(super) enum Begin<'a> {
    Zero,
    /// The contents of `out`.
    Out,
    With(&'a [f32]),
}

impl Begin<'_> {
    #[inline(always)]
    fn load<S: Simd>(self, simd: S, out: &[f32], at: usize) -> S::Vector {
        match self {
            Begin::Zero => simd.splat(0.0),
            Begin::Out => simd.load(out, at),
            Begin::With(values) => simd.load(values, at),
        }
    }
}

/// `out = begin + Σ_k x[k] · column k`.
pub(super) struct Combine<'a> {
    pub columns: &'a Columns,
    pub x: &'a [f32],
    pub begin: Begin<'a>,
    pub out: &'a mut [f32],
}

/// Independent sums that run side by side, which hides the latency of the additions.
const ABREAST: usize = 8;

impl Kernel for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Combine { columns: Columns { data, height }, x, begin, out } = self;
        let mut at = 0;
        while at + ABREAST * S::LANES <= *height {
            sum::<S, ABREAST>(simd, data, *height, x, begin, out, at);
            at += ABREAST * S::LANES;
        }
        while at < *height {
            sum::<S, 1>(simd, data, *height, x, begin, out, at);
            at += S::LANES;
        }
    }
}

#[inline(always)]
fn sum<S: Simd, const N: usize>(
    simd: S,
    data: &[f32],
    height: usize,
    x: &[f32],
    begin: Begin<'_>,
    out: &mut [f32],
    at: usize,
) {
    let mut sums = [simd.splat(0.0); N];
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum = begin.load(simd, out, at + i * S::LANES);
    }
    for (column, &x) in data.chunks_exact(height).zip(x) {
        let x = simd.splat(x);
        let column = &column[at..at + N * S::LANES];
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = simd.mul_add(simd.load(column, i * S::LANES), x, *sum);
        }
    }
    for (i, sum) in sums.into_iter().enumerate() {
        simd.store(out, at + i * S::LANES, sum);
    }
}

/// Puts x̂ in the place of x: all of `values` where `mask` is 1, `count` of them, are one norm.
pub(super) struct Normalise<'a> {
    pub values: &'a mut [f32],
    pub mask: &'a [f32],
    pub count: usize,
}

impl Kernel for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Normalise { values, mask, count } = self;
        let share = 1.0 / count as f32;
        let mut sum = simd.splat(0.0);
        for at in (0..values.len()).step_by(S::LANES) {
            sum = simd.mul_add(simd.load(values, at), simd.load(mask, at), sum);
        }
        let mean = simd.splat(simd.sum(sum) * share);
        let mut squares = simd.splat(0.0);
        for at in (0..values.len()).step_by(S::LANES) {
            let off = simd.mul(simd.sub(simd.load(values, at), mean), simd.load(mask, at));
            simd.store(values, at, off);
            squares = simd.mul_add(off, off, squares);
        }
        let scale = simd.splat(1.0 / (simd.sum(squares) * share + LAYER_NORM_EPSILON).sqrt());
        for at in (0..values.len()).step_by(S::LANES) {
            let value = simd.mul(simd.load(values, at), scale);
            simd.store(values, at, value);
        }
    }
}

/// `out = begin + gain ⊙ values`.
pub(super) struct Scale<'a> {
    pub values: &'a [f32],
    pub gain: &'a [f32],
    pub begin: Begin<'a>,
    pub out: &'a mut [f32],
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for at in (0..self.out.len()).step_by(S::LANES) {
            let begin = self.begin.load(simd, self.out, at);
            let value = simd.mul_add(simd.load(self.gain, at), simd.load(self.values, at), begin);
            simd.store(self.out, at, value);
        }
    }
}
