//! Student's t, in the network's scale: a normal distribution with tails as heavy as it learns.

use std::f64::consts::PI;

use super::normal::scale;
use super::special::{beta_share, digamma, ln_gamma, normal_quantile, softplus, solve};

/// Degrees of freedom above 2, so that the variance is finite, and their slope by the raw output.
pub(super) fn freedom(raw: f64) -> (f64, f64) {
    let (value, slope) = softplus(raw);
    (2.0 + value, slope)
}

/// −ln Γ((ν + 1) / 2) + ln Γ(ν / 2) + ln(νπ) / 2 + ln σ + (ν + 1) / 2 · ln(1 + z² / ν) with
/// z = (y − μ) / σ.
pub(super) fn nll([mean, raw_scale, raw_freedom]: [f64; 3], value: f64) -> (f64, [f64; 3]) {
    let ((scale, by_scale), (freedom, by_freedom)) = (scale(raw_scale), freedom(raw_freedom));
    let z = (value - mean) / scale;
    let z2 = z * z;
    let (half, above) = (0.5 * freedom, 0.5 * (freedom + 1.0));
    let tail = (z2 / freedom).ln_1p();
    let loss = ln_gamma(half) - ln_gamma(above) + 0.5 * (freedom * PI).ln() + scale.ln() + above * tail;
    // (ν + 1) z² / (ν + z²)
    let pull = (freedom + 1.0) * z2 / (freedom + z2);
    let slope_mean = -(freedom + 1.0) * z / (scale * (freedom + z2));
    let slope_scale = (1.0 - pull) / scale * by_scale;
    let slope_freedom = 0.5 * (digamma(half) - digamma(above) + (1.0 - pull) / freedom + tail) * by_freedom;
    (loss, [slope_mean, slope_scale, slope_freedom])
}

/// Of the distribution with mean 0 and scale 1.
pub(super) fn quantile(freedom: f64, p: f64) -> f64 {
    if p > 0.5 {
        return -quantile(freedom, 1.0 - p);
    }
    let z = normal_quantile(p);
    // The first correction of the normal quantile (Abramowitz and Stegun 26.7.5).
    let start = z + (z * z * z + z) / (4.0 * freedom);
    // Above, the correction left out is under 1e-11, and ln Γ would lose more.
    if freedom > 1e6 {
        return start;
    }
    let constant = ln_gamma(0.5 * (freedom + 1.0)) - ln_gamma(0.5 * freedom) - 0.5 * (freedom * PI).ln();
    let density = |t: f64| (constant - 0.5 * (freedom + 1.0) * (t * t / freedom).ln_1p()).exp();
    solve(p, start, |t| share(freedom, t), density)
}

/// The share below t.
fn share(freedom: f64, t: f64) -> f64 {
    let whole = freedom + t * t;
    let tail = 0.5 * beta_share(0.5 * freedom, 0.5, freedom / whole, t * t / whole);
    if t > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_known_ones() {
        // Closed forms for 2 degrees of freedom: t = (2p − 1) / √(2p(1 − p)).
        for p in [0.01, 0.25, 0.5, 0.9, 0.999_f64] {
            let expected = (2.0 * p - 1.0) / (2.0 * p * (1.0 - p)).sqrt();
            let got = quantile(2.0, p);
            assert!((got - expected).abs() < 1e-11 * (1.0 + expected.abs()), "{p}: {got}, {expected}");
        }
        // As the normal distribution's for many.
        assert!((quantile(1e9, 0.975) - 1.959_963_984_540_054).abs() < 1e-7);
    }
}
