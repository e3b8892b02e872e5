//! Plain Rust: 4 lanes, which every compiler target can hold in some register.

use std::array::from_fn;

use super::{Kernel, Simd};

/// Needs nothing of the processor.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Portable;

type Four = [f32; 4];

/// Adding it to a float under 2²² and taking it away again rounds to the nearest whole number.
const ROUNDER: f32 = 12_582_912.0; // 1.5 × 2²³

// SAFETY: the arithmetic is plain Rust, which every processor has; `read` and `write` touch four
// floats.
unsafe impl Simd for Portable {
    type Vector = Four;
    const LANES: usize = 4;
    const TILE_ROWS: usize = 2;
    const TILE_BLOCKS: usize = 1;
    const CORRELATION: (usize, usize) = (2, 4);

    #[inline]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Four {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn read(self, from: *const f32) -> Four {
        // SAFETY: the caller guarantees that the memory is valid.
        unsafe { from.cast::<Four>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut f32, value: Four) {
        // SAFETY: the caller guarantees that the memory is valid.
        unsafe { to.cast::<Four>().write_unaligned(value) }
    }

    #[inline(always)]
    fn add(self, a: Four, b: Four) -> Four {
        from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Four, b: Four) -> Four {
        from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: Four, b: Four) -> Four {
        from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn div(self, a: Four, b: Four) -> Four {
        from_fn(|i| a[i] / b[i])
    }

    // Two roundings: `f32::mul_add` is a slow library call where the processor has no FMA.
    #[inline(always)]
    fn mul_add(self, a: Four, b: Four, c: Four) -> Four {
        from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn neg_mul_add(self, a: Four, b: Four, c: Four) -> Four {
        from_fn(|i| c[i] - a[i] * b[i])
    }

    #[inline(always)]
    fn min(self, a: Four, b: Four) -> Four {
        from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn max(self, a: Four, b: Four) -> Four {
        from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn sqrt(self, a: Four) -> Four {
        a.map(f32::sqrt)
    }

    #[inline(always)]
    fn round(self, a: Four) -> Four {
        a.map(|a| (a + ROUNDER) - ROUNDER)
    }

    #[inline(always)]
    fn scale(self, a: Four, n: Four) -> Four {
        from_fn(|i| a[i] * f32::from_bits((127 + n[i] as i32) as u32 * (1 << 23)))
    }

    #[inline(always)]
    fn sum(self, a: Four) -> f32 {
        (a[0] + a[2]) + (a[1] + a[3])
    }
}
