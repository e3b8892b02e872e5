//! NEON: 4 lanes, 32 registers.

use std::arch::aarch64::*;

use super::{Kernel, Simd};

/// Proof that the processor has NEON.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Neon(());

impl Neon {
    pub(super) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }
}

#[target_feature(enable = "neon")]
fn enter<K: Kernel>(simd: Neon, kernel: K) -> K::Output {
    kernel.run(simd)
}

// SAFETY: the field is private and `detect` is the only constructor, so a value exists only where
// NEON was detected. `enter` carries the target feature. This also argues for every block below; the two
// that touch memory rely on their caller's promise besides.
unsafe impl Simd for Neon {
    type Vector = float32x4_t;
    const LANES: usize = 4;
    const TILE_ROWS: usize = 6;
    const TILE_BLOCKS: usize = 1;
    const CORRELATION: (usize, usize) = (6, 4);

    #[inline]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: NEON was detected, see above.
        unsafe { enter(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> float32x4_t {
        // SAFETY: NEON was detected, see above.
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn read(self, from: *const f32) -> float32x4_t {
        // SAFETY: NEON was detected, see above; the caller guarantees that the memory is valid.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut f32, value: float32x4_t) {
        // SAFETY: NEON was detected, see above; the caller guarantees that the memory is valid.
        unsafe { vst1q_f32(to, value) }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON was detected, see above.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON was detected, see above.
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON was detected, see above.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON was detected, see above.
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: NEON was detected, see above.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    fn neg_mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: NEON was detected, see above.
        unsafe { vfmsq_f32(c, a, b) }
    }

    // NEON's return NaN if either operand is NaN. The trait asks for that only if the second is, and no
    // bound is ever NaN.
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON was detected, see above.
        unsafe { vminq_f32(a, b) }
    }

    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: NEON was detected, see above.
        unsafe { vmaxq_f32(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: NEON was detected, see above.
        unsafe { vsqrtq_f32(a) }
    }

    #[inline(always)]
    fn round(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: NEON was detected, see above.
        unsafe { vrndnq_f32(a) }
    }

    #[inline(always)]
    fn scale(self, a: float32x4_t, n: float32x4_t) -> float32x4_t {
        // SAFETY: NEON was detected, see above.
        unsafe {
            let exponent = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
            vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
        }
    }

    #[inline(always)]
    fn sum(self, a: float32x4_t) -> f32 {
        // SAFETY: NEON was detected, see above.
        unsafe { vaddvq_f32(a) }
    }
}
