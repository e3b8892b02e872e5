//! σ and tanh over vectors.
//!
//! Both use the same reduction: e^x = 2ⁿ (1 + q), n whole, q = e^r − 1, |r| ≤ ½ ln 2. Keeping
//! q apart from the 1 is what keeps tanh exact near zero: with s = 2ⁿ,
//! tanh(x/2) = (s q + (s − 1)) / (s q + (s + 1)), and no digits are lost in the difference.
//!
//! Stated errors, held by a test over the whole range against `f64`: σ within 2.5e-7 of the value
//! (relative, down to σ = 1e-37, where it flattens out), tanh within 3e-7 relative, 1 exactly from
//! 9.1 on. A NaN comes through as one.

use super::simd::Simd;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts; the first has few enough digits that n × LN2_HIGH is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -0.000_212_194_44;

/// (e^r − 1) / r as a polynomial of r, lowest power first: the best one in the relative error
/// over |r| ≤ ½ ln 2 (Remez), its first coefficient then set to 1; 2.3e-8 off at most.
const EXPM1: [f32; 6] = [1.0, 0.499_999_97, 0.166_665_06, 0.041_667_137, 0.008_369_14, 0.001_388_887_3];

/// 2ⁿ and e^r − 1 of e^x. |x| must be at most 87.
#[inline(always)]
fn reduce<S: Simd>(simd: S, x: S::Vector) -> (S::Vector, S::Vector) {
    let n = simd.round(simd.mul(x, simd.splat(LOG2_E)));
    let r = simd.neg_mul_add(n, simd.splat(LN2_HIGH), x);
    let r = simd.neg_mul_add(n, simd.splat(LN2_LOW), r);
    let [first, rest @ .., last] = EXPM1;
    let mut sum = simd.splat(last);
    for coefficient in rest.into_iter().rev() {
        sum = simd.mul_add(sum, r, simd.splat(coefficient));
    }
    sum = simd.mul_add(sum, r, simd.splat(first));
    (simd.scale(simd.splat(1.0), n), simd.mul(sum, r))
}

#[inline(always)]
fn clamp<S: Simd>(simd: S, x: S::Vector, bound: f32) -> S::Vector {
    simd.max(simd.splat(-bound), simd.min(simd.splat(bound), x))
}

/// 1 / (1 + e^−x)
#[inline(always)]
pub(super) fn sigmoid<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let one = simd.splat(1.0);
    let minus = simd.sub(simd.splat(0.0), clamp(simd, x, 87.0));
    let (s, q) = reduce(simd, minus);
    simd.div(one, simd.add(one, simd.mul_add(s, q, s)))
}

#[inline(always)]
pub(super) fn tanh<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let one = simd.splat(1.0);
    let x = clamp(simd, x, 9.5);
    let (s, q) = reduce(simd, simd.add(x, x));
    let above = simd.mul_add(s, q, simd.sub(s, one));
    let below = simd.mul_add(s, q, simd.add(s, one));
    simd.div(above, below)
}

#[cfg(test)]
mod tests {
    use super::super::simd::{Kernel, Level};
    use super::*;

    /// `[σ, tanh]` of 16 values.
    struct Both<'a>(&'a [f32]);

    impl Kernel for Both<'_> {
        type Output = [[f32; 16]; 2];

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> [[f32; 16]; 2] {
            let mut out = [[0.0; 16]; 2];
            for at in (0..16).step_by(S::LANES) {
                let x = simd.load(self.0, at);
                simd.store(&mut out[0], at, sigmoid(simd, x));
                simd.store(&mut out[1], at, tanh(simd, x));
            }
            out
        }
    }

    fn worst(level: Level) -> (f64, f64) {
        let mut worst = (0.0, 0.0);
        let mut check = |values: &[f32]| {
            let [sigmoids, tanhs] = level.run(Both(values));
            for ((&x, s), t) in values.iter().zip(sigmoids).zip(tanhs) {
                let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
                if exact > 1e-37 {
                    worst.0 = f64::max(worst.0, (f64::from(s) - exact).abs() / exact);
                }
                let exact = f64::from(x).tanh();
                if exact.abs() > 1e-37 {
                    worst.1 = f64::max(worst.1, (f64::from(t) - exact).abs() / exact.abs());
                }
            }
        };
        // Every 1,009th float there is, both signs, from 1e-38 to 100.
        let bits: Vec<u32> = (1e-38_f32.to_bits()..100.0_f32.to_bits()).step_by(1009).collect();
        for chunk in bits.chunks_exact(8) {
            let mut values = [0.0; 16];
            for (i, &bits) in chunk.iter().enumerate() {
                values[i] = f32::from_bits(bits);
                values[i + 8] = -f32::from_bits(bits);
            }
            check(&values);
        }
        worst
    }

    #[test]
    fn errors_are_as_stated_over_the_whole_range() {
        for level in Level::available() {
            let (sigmoid, tanh) = worst(level);
            println!("{}: σ {sigmoid:.2e}, tanh {tanh:.2e}", level.name());
            assert!(sigmoid < 2.5e-7, "{}: σ is off by {sigmoid:e}", level.name());
            assert!(tanh < 3e-7, "{}: tanh is off by {tanh:e}", level.name());
        }
    }

    #[test]
    fn ends_are_exact_and_a_nan_comes_through() {
        for level in Level::available() {
            let values =
                [0.0, -0.0, 9.1, -9.1, 1e30, -1e30, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN];
            let mut padded = [0.0; 16];
            padded[..values.len()].copy_from_slice(&values);
            let [sigmoid, tanh] = level.run(Both(&padded));
            assert_eq!(sigmoid[..2], [0.5, 0.5]);
            assert_eq!(tanh[..8], [0.0, 0.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0]);
            assert_eq!((sigmoid[4], sigmoid[6], sigmoid[9]), (1.0, 1.0, 1.0));
            assert!(sigmoid[5] < 1e-37 && sigmoid[7] < 1e-37 && sigmoid[10] < 1e-37);
            assert!(sigmoid[8].is_nan() && tanh[8].is_nan());
            assert_eq!(tanh[9..11], [1.0, -1.0]);
        }
    }
}
