//! AVX-512 (foundation): 16 lanes, 32 registers.

use std::arch::x86_64::*;

use super::{Kernel, Simd};

/// Proof that the processor has AVX-512F.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx512f").then_some(Avx512(()))
    }
}

#[target_feature(enable = "avx512f")]
fn enter<K: Kernel>(simd: Avx512, kernel: K) -> K::Output {
    kernel.run(simd)
}

// SAFETY: the field is private and `detect` is the only constructor, so a value exists only where
// AVX-512F was detected. `enter` carries the target feature. This also argues for every block below; the two
// that touch memory rely on their caller's promise besides.
unsafe impl Simd for Avx512 {
    type Vector = __m512;
    const LANES: usize = 16;
    const TILE_ROWS: usize = 12;
    const TILE_BLOCKS: usize = 2;
    const CORRELATION: (usize, usize) = (6, 4);

    #[inline]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { enter(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn read(self, from: *const f32) -> __m512 {
        // SAFETY: AVX-512F was detected, see above; the caller guarantees that the memory is valid.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut f32, value: __m512) {
        // SAFETY: AVX-512F was detected, see above; the caller guarantees that the memory is valid.
        unsafe { _mm512_storeu_ps(to, value) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn neg_mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { _mm512_fnmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { _mm512_sqrt_ps(a) }
    }

    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn scale(self, a: __m512, n: __m512) -> __m512 {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { _mm512_scalef_ps(a, n) }
    }

    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        // SAFETY: AVX-512F was detected, see above.
        unsafe { _mm512_reduce_add_ps(a) }
    }

    /// Interleaves and adds, so that four sums take five additions in place of sixteen.
    #[inline(always)]
    fn sums(self, [a, b, c, d]: [__m512; 4]) -> [f32; 4] {
        // SAFETY: AVX-512F was detected, see above; four floats are a `__m128`'s size.
        unsafe {
            let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
            // In each quarter: a, b, c, d.
            let low = _mm512_shuffle_ps::<0b01_00_01_00>(ab, cd);
            let high = _mm512_shuffle_ps::<0b11_10_11_10>(ab, cd);
            let all = _mm512_add_ps(low, high);
            let half = _mm512_add_ps(all, _mm512_shuffle_f32x4::<0b11_10_11_10>(all, all));
            let quarter = _mm512_add_ps(half, _mm512_shuffle_f32x4::<0b01_01_01_01>(half, half));
            std::mem::transmute::<__m128, [f32; 4]>(_mm512_castps512_ps128(quarter))
        }
    }
}
