//! Vectors of floats, whatever the processor calls them.
//!
//! A kernel is written once, as a [`Kernel`] that is generic over [`Simd`], and is compiled once
//! for every instruction set. [`Level::run`] enters the copy for the level at hand through a
//! function that carries the `#[target_feature]`; everything below it is `#[inline(always)]`, so
//! the vector instructions end up inside that function and values stay in registers.
//!
//! A [`Simd`] token is the proof that the processor has the instructions: the only way to one is
//! through [`Level::detect`] or [`Level::available`]. That is why its arithmetic is safe to call.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use portable::Portable;

/// Vector arithmetic of one instruction set.
///
/// # Safety
/// A value of the type must exist only where the processor has the instructions: safe code calls the
/// arithmetic on the strength of it. `run` must enter `kernel.run` with them enabled, `read` and
/// `write` must touch exactly `LANES` floats, and `LANES` must divide
/// [`BLOCK`](super::layout::BLOCK), which the pointer arithmetic of the tiles relies on.
///
/// `min` and `max` give the second operand where either is not a number, so a bound goes first
/// and the value second wherever a NaN must come through.
pub(super) unsafe trait Simd: Copy {
    /// `LANES` floats.
    type Vector: Copy;
    const LANES: usize;
    /// Rows a product tile may have over [`super::layout::BLOCK`] lanes (a multiple of `LANES`)
    /// before its sums no longer fit the registers. At most 12.
    const TILE_ROWS: usize;
    /// Blocks of lanes a product tile may span: 2 where a block is one register.
    const TILE_BLOCKS: usize;
    /// Rows and columns of a correlation tile: rows × columns sums, the columns' vectors and one of
    /// a row's must fit the registers. One of the shapes that `correlate` has compiled tiles for.
    const CORRELATION: (usize, usize);

    /// Runs the kernel compiled for this instruction set.
    fn run<K: Kernel>(self, kernel: K) -> K::Output;

    fn splat(self, value: f32) -> Self::Vector;

    /// Reads `LANES` floats.
    ///
    /// # Safety
    /// `from` must be valid for reading them; it need not be aligned.
    unsafe fn read(self, from: *const f32) -> Self::Vector;

    /// Writes `LANES` floats.
    ///
    /// # Safety
    /// `to` must be valid for writing them; it need not be aligned.
    unsafe fn write(self, to: *mut f32, value: Self::Vector);

    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a × b + c
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// c − a × b
    fn neg_mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn sqrt(self, a: Self::Vector) -> Self::Vector;
    /// To the nearest whole number, halves to the even one; |a| under 2²².
    fn round(self, a: Self::Vector) -> Self::Vector;
    /// a × 2ⁿ for whole n from −126 to 127.
    fn scale(self, a: Self::Vector, n: Self::Vector) -> Self::Vector;
    /// The sum over the lanes, always in the same order.
    fn sum(self, a: Self::Vector) -> f32;

    /// Four such sums; an instruction set may have a shorter way to them together, whose order
    /// may be another.
    #[inline(always)]
    fn sums(self, vectors: [Self::Vector; 4]) -> [f32; 4] {
        vectors.map(|vector| self.sum(vector))
    }

    /// Reads the vector that begins at `at`.
    #[inline(always)]
    fn load(self, from: &[f32], at: usize) -> Self::Vector {
        let part = &from[at..at + Self::LANES];
        // SAFETY: `part` is LANES floats long.
        unsafe { self.read(part.as_ptr()) }
    }

    /// Writes the vector that begins at `at`.
    #[inline(always)]
    fn store(self, to: &mut [f32], at: usize, value: Self::Vector) {
        let part = &mut to[at..at + Self::LANES];
        // SAFETY: `part` is LANES floats long.
        unsafe { self.write(part.as_mut_ptr(), value) }
    }
}

/// Work over vectors, to be compiled for every level.
pub(super) trait Kernel {
    type Output;
    /// Must be `#[inline(always)]`, as must be all that it calls with `simd`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// An instruction set that this processor has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
    Portable(Portable),
}

impl Level {
    /// The widest level of this processor.
    pub(super) fn detect() -> Self {
        Self::available().next().unwrap_or(Level::Portable(Portable))
    }

    /// All levels of this processor, the widest first.
    pub(super) fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let wide =
            [avx512::Avx512::detect().map(Level::Avx512), avx2::Avx2::detect().map(Level::Avx2)].into_iter().flatten();
        #[cfg(target_arch = "aarch64")]
        let wide = neon::Neon::detect().map(Level::Neon).into_iter();
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let wide = std::iter::empty();
        // Miri knows no vector instructions.
        wide.filter(|_| !cfg!(miri)).chain([Level::Portable(Portable)])
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Level::Neon(_) => "neon",
            Level::Portable(_) => "portable",
        }
    }

    /// [`Simd::TILE_ROWS`] of the level.
    pub(super) fn tile_rows(self) -> usize {
        struct TileRows;
        impl Kernel for TileRows {
            type Output = usize;
            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> usize {
                S::TILE_ROWS
            }
        }
        self.run(TileRows)
    }

    #[inline]
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(simd) => simd.run(kernel),
            #[cfg(target_arch = "aarch64")]
            Level::Neon(simd) => simd.run(kernel),
            Level::Portable(simd) => simd.run(kernel),
        }
    }
}
