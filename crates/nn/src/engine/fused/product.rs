//! Weights times lanes: `out[row, lane] = Σ_k weights[row, k] · x[k, lane]`, for many steps.
//!
//! Each weight is broadcast over a vector of lanes, so nothing is ever summed across a vector. A
//! *tile* is up to 12 rows by one or two registers of lanes, its sums held in registers over all
//! of k. [`Packed`] stores the weights in the order in which the tiles read them, `[tile][k][row]`,
//! so they come as one stream: a tile of 12 rows and 32 lanes does 24 vector multiply-adds for 12
//! broadcast weights and two loads of x. Rows are split evenly over tiles (20 rows are 10 + 10,
//! not 12 + 8), and each height has its own compiled tile, so no row is wasted.

use super::layout::{BLOCK, Buffer};
use super::simd::{Kernel, Level, Simd};

/// Floats of one step's x that a tile reads before the next tile does: they stay in the
/// first-level cache, beside the tile's weights, while all tiles pass.
const PANEL: usize = 4096;

/// Steps that use one tile of weights before the next tile.
const GROUP: usize = 8;

/// Most rows any level's tile has.
const MOST_ROWS: usize = 12;

/// A matrix in the order of the tiles. A matrix and its transpose are packed separately.
#[derive(Debug, Default)]
pub(super) struct Packed {
    rows: usize,
    depth: usize,
    /// The first row and the number of rows of each tile.
    tiles: Vec<(usize, usize)>,
    data: Buffer,
}

/// A row-major matrix to pack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub data: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    /// Row r is taken from row (r + rotate) mod rows of the data: so the GRU's gates lie n, r, z
    /// inside and r, z, n in the parameters.
    pub rotate: usize,
}

impl Packed {
    pub(super) fn bytes(&self) -> usize {
        self.data.bytes() + self.tiles.capacity() * size_of::<(usize, usize)>()
    }

    /// Packs the matrix itself.
    pub(super) fn pack(&mut self, level: Level, matrix: Matrix<'_>) {
        let Matrix { data, rows, columns, rotate } = matrix;
        self.fill(level, rows, columns, data, |row| (row + rotate) % rows * columns, |k| k);
    }

    /// Packs the transpose: the matrix's columns are the rows of the product.
    pub(super) fn pack_transposed(&mut self, level: Level, matrix: Matrix<'_>) {
        let Matrix { data, rows, columns, rotate } = matrix;
        self.fill(level, columns, rows, data, |row| row, |k| (k + rotate) % rows * columns);
    }

    /// The weight of a row and k is at `row_at(row) + k_at(k)`.
    fn fill(
        &mut self,
        level: Level,
        rows: usize,
        depth: usize,
        from: &[f32],
        row_at: impl Fn(usize) -> usize,
        k_at: impl Fn(usize) -> usize,
    ) {
        (self.rows, self.depth) = (rows, depth);
        self.tiles.clear();
        let count = rows.div_ceil(level.tile_rows());
        self.tiles.extend((0..count).map(|tile| {
            let start = tile * rows / count;
            (start, (tile + 1) * rows / count - start)
        }));
        self.data.resize(rows * depth);
        let mut to = &mut self.data[..];
        for &(start, height) in &self.tiles {
            let at: [usize; MOST_ROWS] = std::array::from_fn(|i| if i < height { row_at(start + i) } else { 0 });
            let (tile, rest) = to.split_at_mut(height * depth);
            for (k, to) in tile.chunks_exact_mut(height).enumerate() {
                let from = &from[k_at(k)..];
                for (to, &at) in to.iter_mut().zip(&at) {
                    *to = from[at];
                }
            }
            to = rest;
        }
    }
}

/// The initial value of the sums.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start<'a> {
    Zero,
    /// The contents of `out`.
    Out,
    /// One number per row.
    Bias(&'a [f32]),
}

/// The product, step by step: step t reads `x[t × x_stride..]` and writes `out[t × out_stride..]`.
pub(super) struct Product<'a> {
    pub weights: &'a Packed,
    pub start: Start<'a>,
    pub steps: usize,
    pub lanes: usize,
    pub x: &'a [f32],
    pub x_stride: usize,
    pub out: &'a mut [f32],
    pub out_stride: usize,
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Product { weights, start, steps, lanes, x, x_stride, out, out_stride } = self;
        if steps == 0 {
            return;
        }
        assert!(lanes.is_multiple_of(BLOCK) && weights.data.len() == weights.rows * weights.depth);
        assert!(x.len() >= (steps - 1) * x_stride + weights.depth * lanes);
        assert!(out.len() >= (steps - 1) * out_stride + weights.rows * lanes);
        if let Start::Bias(bias) = start {
            assert!(bias.len() >= weights.rows);
        }
        let panels = (weights.depth * lanes).div_ceil(PANEL).clamp(1, weights.depth.max(1));
        for group in (0..steps).step_by(GROUP) {
            for panel in 0..panels {
                let first = panel * weights.depth / panels;
                let depth = (panel + 1) * weights.depth / panels - first;
                for &(row, height) in &weights.tiles {
                    for step in group..steps.min(group + GROUP) {
                        let mut lane = 0;
                        while lane < lanes {
                            let blocks = if S::TILE_BLOCKS == 2 && lanes - lane >= 2 * BLOCK { 2 } else { 1 };
                            // SAFETY: the weights of the tiles before this one are `row` × the whole
                            // depth, so `packed` points at height × `depth` weights of this tile, the
                            // tiles' heights adding up to `rows`. The asserts above keep `x` good for
                            // all of the depth's rows of `lanes` from this step's start, `out` for
                            // `rows` rows, the bias for `rows` numbers; the panel's and the tile's
                            // rows and the blocks from `lane` on are within those.
                            unsafe {
                                let start = match start {
                                    // The panels before this one have begun the sums.
                                    _ if panel > 0 => TileStart::Out,
                                    Start::Zero => TileStart::Zero,
                                    Start::Out => TileStart::Out,
                                    Start::Bias(bias) => TileStart::Bias(bias.as_ptr().add(row)),
                                };
                                let packed = weights.data.as_ptr().add(row * weights.depth + first * height);
                                let x = x.as_ptr().add(step * x_stride + first * lanes + lane);
                                let out = out.as_mut_ptr().add(step * out_stride + row * lanes + lane);
                                let tile = Tile { packed, depth, x, out, lanes, start };
                                tile.run(simd, height, blocks * BLOCK / S::LANES);
                            }
                            lane += blocks * BLOCK;
                        }
                    }
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
enum TileStart {
    Zero,
    Out,
    Bias(*const f32),
}

/// One tile: `height` rows by some vectors.
#[derive(Clone, Copy)]
struct Tile {
    packed: *const f32,
    depth: usize,
    x: *const f32,
    out: *mut f32,
    lanes: usize,
    start: TileStart,
}

impl Tile {
    /// Takes the tile compiled for this height and width.
    ///
    /// # Safety
    /// `packed` must hold height × depth weights, `x` depth rows and `out` height rows of
    /// `vectors` vectors, each row `lanes` floats after the one before; a bias `height` numbers.
    #[inline(always)]
    unsafe fn run<S: Simd>(self, simd: S, height: usize, vectors: usize) {
        macro_rules! heights {
            ($vectors:literal: $($height:literal)*) => {
                match height {
                    // SAFETY: the caller's promise, passed on.
                    $($height => unsafe { self.sum::<S, $height, $vectors>(simd) },)*
                    _ => unreachable!("a tile has at most TILE_ROWS rows"),
                }
            };
        }
        match (S::LANES, vectors) {
            (16, 2) => heights!(2: 1 2 3 4 5 6 7 8 9 10 11 12),
            (16, _) => heights!(1: 1 2 3 4 5 6 7 8 9 10 11 12),
            (8, _) => heights!(2: 1 2 3 4 5 6),
            _ => heights!(4: 1 2 3 4 5 6),
        }
    }

    /// # Safety
    /// As for [`Tile::run`], with H for the height and V for the vectors.
    #[inline(always)]
    unsafe fn sum<S: Simd, const H: usize, const V: usize>(self, simd: S) {
        let Tile { packed, depth, x, out, lanes, start } = self;
        let mut sums = [[simd.splat(0.0); V]; H];
        // SAFETY: every access is within what the caller promises: rows under H, k under depth,
        // vectors under V.
        unsafe {
            match start {
                TileStart::Zero => {}
                TileStart::Out => {
                    for (row, sums) in sums.iter_mut().enumerate() {
                        for (v, sum) in sums.iter_mut().enumerate() {
                            *sum = simd.read(out.add(row * lanes + v * S::LANES));
                        }
                    }
                }
                TileStart::Bias(bias) => {
                    for (row, sums) in sums.iter_mut().enumerate() {
                        *sums = [simd.splat(*bias.add(row)); V];
                    }
                }
            }
            for k in 0..depth {
                let mut values = [simd.splat(0.0); V];
                for (v, value) in values.iter_mut().enumerate() {
                    *value = simd.read(x.add(k * lanes + v * S::LANES));
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let weight = simd.splat(*packed.add(k * H + row));
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = simd.mul_add(weight, value, *sum);
                    }
                }
            }
            for (row, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    simd.write(out.add(row * lanes + v * S::LANES), sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{close, numbers};
    use super::*;

    proptest! {
        #[test]
        fn equals_a_plain_loop(rows in 1_usize..40, depth in prop_oneof![1_usize..30, 80..400_usize], steps in 0_usize..11, blocks in 1_usize..4,
            rotate in 0_usize..40, transposed: bool, start in 0_usize..3, seed: u64) {
            let lanes = blocks * BLOCK;
            let rotate = rotate % if transposed { depth } else { rows };
            let (data, x) = (numbers(seed, rows * depth), numbers(seed + 1, steps * depth * lanes));
            let (bias, before) = (numbers(seed + 2, rows), numbers(seed + 3, steps * rows * lanes));
            let at = |row: usize, k: usize| match transposed {
                false => data[(row + rotate) % rows * depth + k],
                true => data[(k + rotate) % depth * rows + row],
            };
            let start = [Start::Zero, Start::Out, Start::Bias(&bias)][start];
            for level in Level::available() {
                let mut weights = Packed::default();
                match transposed {
                    false => weights.pack(level, Matrix { data: &data, rows, columns: depth, rotate }),
                    true => weights.pack_transposed(level, Matrix { data: &data, rows: depth, columns: rows, rotate }),
                }
                let mut out = before.clone();
                level.run(Product { weights: &weights, start, steps, lanes, x: &x, x_stride: depth * lanes,
                    out: &mut out, out_stride: rows * lanes });
                for (i, &got) in out.iter().enumerate() {
                    let (step, row, lane) = (i / (rows * lanes), i / lanes % rows, i % lanes);
                    let begin = match start {
                        Start::Zero => 0.0,
                        Start::Out => f64::from(before[i]),
                        Start::Bias(bias) => f64::from(bias[row]),
                    };
                    let want = (0..depth).fold(begin, |sum, k| {
                        sum + f64::from(at(row, k)) * f64::from(x[(step * depth + k) * lanes + lane])
                    });
                    prop_assert!(close(got, want, 1e-5 + 1e-7 * depth as f64), "{}: {got} for {want}", level.name());
                }
            }
        }
    }
}
