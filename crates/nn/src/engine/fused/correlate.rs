//! Weight gradients: `out[row, column] = Σ_step Σ_lane a[step, row, lane] · b[step, column, lane]`.
//!
//! Both factors have the lanes innermost, so a product of two vectors is 16 terms of the sum at
//! once; a tile holds its sums as whole vectors over all steps, and only at the end is each added
//! up across its lanes. Steps are the outermost loop of a tile, so this is one long product over
//! steps × lanes, not one a step.
//!
//! If a layer's width is a power of two, so is the distance between steps, and a tile's rows would all
//! map to the same few cache sets. So if many columns pass over a tile's rows, the rows are first copied
//! together.

use super::layout::BLOCK;
use super::simd::{Kernel, Simd};

/// Floats of one tile's rows that stay in the first-level cache while all columns pass.
const PANEL: usize = 4096;

/// From this many columns on, a tile's rows are copied together.
const MANY: usize = 48;

/// Floats of a tile's rows in one step, at most: 6 rows of two blocks.
const STEP: usize = 6 * 2 * BLOCK;

/// One factor: step t's rows begin at `data[t × stride]`, `lanes` apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factor<'a> {
    pub data: &'a [f32],
    pub stride: usize,
    pub rows: usize,
}

/// Writes `[a.rows, b.rows]`, row-major.
pub(super) struct Correlate<'a> {
    pub a: Factor<'a>,
    pub b: Factor<'a>,
    pub steps: usize,
    pub lanes: usize,
    pub out: &'a mut [f32],
}

impl Kernel for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Correlate { a, b, steps, lanes, out } = self;
        let (rows, columns) = (a.rows, b.rows);
        assert!(out.len() == rows * columns && lanes.is_multiple_of(BLOCK));
        if steps == 0 {
            out.fill(0.0);
            return;
        }
        assert!(a.data.len() >= (steps - 1) * a.stride + rows * lanes);
        assert!(b.data.len() >= (steps - 1) * b.stride + columns * lanes);
        let (tile_rows, tile_columns) = S::CORRELATION;
        let chunks = (steps * tile_rows * lanes).div_ceil(PANEL).min(steps);
        let together = columns >= MANY && tile_rows * lanes <= STEP;
        // A chunk has at most one step more than a panel has room for.
        let mut copy = [0.0; PANEL + STEP];
        for chunk in 0..chunks {
            let first = chunk * steps / chunks;
            let steps = (chunk + 1) * steps / chunks - first;
            for row in (0..rows).step_by(tile_rows) {
                let height = tile_rows.min(rows - row);
                let (mut from, mut from_stride) = (&a.data[first * a.stride + row * lanes..], a.stride);
                if together {
                    let room = &mut copy[..steps * height * lanes];
                    for (step, to) in room.chunks_exact_mut(height * lanes).enumerate() {
                        to.copy_from_slice(&from[step * a.stride..][..height * lanes]);
                    }
                    (from, from_stride) = (&copy, height * lanes);
                }
                for column in (0..columns).step_by(tile_columns) {
                    let width = tile_columns.min(columns - column);
                    // SAFETY: rows below `row + height` and columns below `column + width` exist, and
                    // the asserts above keep both factors good for them at every step; a copy of the
                    // rows holds all the chunk's steps.
                    unsafe {
                        let tile = Tile {
                            a: from.as_ptr(),
                            a_stride: from_stride,
                            b: b.data.as_ptr().add(first * b.stride + column * lanes),
                            b_stride: b.stride,
                            steps,
                            lanes,
                            height,
                            out: &mut out[row * columns + column..],
                            out_stride: columns,
                            add: chunk > 0,
                        };
                        match (tile_rows, width) {
                            (6, 4) => tile.sum::<S, 6, 4>(simd),
                            (6, 3) => tile.sum::<S, 6, 3>(simd),
                            (6, 2) => tile.sum::<S, 6, 2>(simd),
                            (6, _) => tile.sum::<S, 6, 1>(simd),
                            (4, 3) => tile.sum::<S, 4, 3>(simd),
                            (4, 2) => tile.sum::<S, 4, 2>(simd),
                            (4, _) => tile.sum::<S, 4, 1>(simd),
                            (_, 4) => tile.sum::<S, 2, 4>(simd),
                            (_, 3) => tile.sum::<S, 2, 3>(simd),
                            (_, 2) => tile.sum::<S, 2, 2>(simd),
                            _ => tile.sum::<S, 2, 1>(simd),
                        }
                    }
                }
            }
        }
    }
}

struct Tile<'a> {
    a: *const f32,
    a_stride: usize,
    b: *const f32,
    b_stride: usize,
    steps: usize,
    lanes: usize,
    /// Rows that exist, 1 to H: the tile computes the last of them again in place of the rest.
    height: usize,
    out: &'a mut [f32],
    out_stride: usize,
    /// Onto what `out` holds.
    add: bool,
}

impl Tile<'_> {
    /// # Safety
    /// At every step there must be `height` rows of `a` and W rows of `b`, `lanes` floats each.
    #[inline(always)]
    unsafe fn sum<S: Simd, const H: usize, const W: usize>(self, simd: S) {
        let rows: [usize; H] = std::array::from_fn(|row| row.min(self.height - 1) * self.lanes);
        let mut sums = [[simd.splat(0.0); W]; H];
        for step in 0..self.steps {
            for lane in (0..self.lanes).step_by(S::LANES) {
                // SAFETY: the caller's promise; rows are under `height`, columns under W, and
                // `lane` is a whole vector before the row's end, lanes being a multiple of it.
                unsafe {
                    let a = self.a.add(step * self.a_stride + lane);
                    let b = self.b.add(step * self.b_stride + lane);
                    let mut right = [simd.splat(0.0); W];
                    for (column, right) in right.iter_mut().enumerate() {
                        *right = simd.read(b.add(column * self.lanes));
                    }
                    for (sums, &row) in sums.iter_mut().zip(&rows) {
                        let left = simd.read(a.add(row));
                        for (sum, right) in sums.iter_mut().zip(right) {
                            *sum = simd.mul_add(left, right, *sum);
                        }
                    }
                }
            }
        }
        for (row, sums) in sums.into_iter().take(self.height).enumerate() {
            let filled = std::array::from_fn(|column| sums[column.min(W - 1)]);
            let out = &mut self.out[row * self.out_stride..][..W];
            for (out, sum) in out.iter_mut().zip(simd.sums(filled)) {
                *out = if self.add { *out + sum } else { sum };
            }
        }
    }
}

/// `out[row] = Σ_step Σ_lane a[step, row, lane]`: a bias's gradient.
pub(super) struct RowSums<'a> {
    pub a: Factor<'a>,
    pub steps: usize,
    pub lanes: usize,
    pub out: &'a mut [f32],
}

impl Kernel for RowSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let RowSums { a, steps, lanes, out } = self;
        for (row, out) in out.iter_mut().take(a.rows).enumerate() {
            let mut sum = simd.splat(0.0);
            for step in 0..steps {
                let values = &a.data[step * a.stride + row * lanes..][..lanes];
                for lane in (0..lanes).step_by(S::LANES) {
                    sum = simd.add(sum, simd.load(values, lane));
                }
            }
            *out = simd.sum(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::simd::Level;
    use super::super::testing::{close, numbers};
    use super::*;

    proptest! {
        #[test]
        fn equals_a_plain_loop(rows in 1_usize..20, columns in prop_oneof![1_usize..12, 46..70_usize], steps in 0_usize..50, blocks in 1_usize..3,
            gap in 0_usize..3, seed: u64) {
            let lanes = blocks * BLOCK;
            let tolerance = 1e-5 + 1e-7 * (steps * lanes) as f64;
            let strides = ((rows + gap) * lanes, (columns + gap) * lanes);
            let (a, b) = (numbers(seed, steps * strides.0), numbers(seed + 1, steps * strides.1));
            let term = |data: &[f32], at: usize| f64::from(data[at]);
            for level in Level::available() {
                let mut out = vec![f32::NAN; rows * columns];
                let mut sums = vec![f32::NAN; rows];
                let factor = Factor { data: &a, stride: strides.0, rows };
                let other = Factor { data: &b, stride: strides.1, rows: columns };
                level.run(Correlate { a: factor, b: other, steps, lanes, out: &mut out });
                level.run(RowSums { a: factor, steps, lanes, out: &mut sums });
                for row in 0..rows {
                    let mut sum = 0.0;
                    for i in 0..steps * lanes {
                        sum += term(&a, i / lanes * strides.0 + row * lanes + i % lanes);
                    }
                    prop_assert!(close(sums[row], sum, tolerance));
                    for column in 0..columns {
                        let mut want = 0.0;
                        for i in 0..steps * lanes {
                            let (step, lane) = (i / lanes, i % lanes);
                            want += term(&a, step * strides.0 + row * lanes + lane)
                                * term(&b, step * strides.1 + column * lanes + lane);
                        }
                        prop_assert!(close(out[row * columns + column], want, tolerance), "{}", level.name());
                    }
                }
            }
        }
    }
}
