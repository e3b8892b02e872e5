//! The negative binomial distribution, for counts, in the data's units.
//!
//! As DeepAR has it (Salinas et al. 2020): a mean μ and a dispersion α, the variance μ + α μ². The
//! mean is the unit's factor times a softplus, the dispersion a softplus over the factor's root; the
//! scale's term shifts the mean's raw output, so that a raw output of 0 is near a standardised series'
//! mean.

use super::TargetScale;
use super::special::{beta_share, digamma, ln_gamma, softplus};

/// The least dispersion: a variance a millionth of the mean's square above Poisson's.
const FLOOR: f64 = 1e-6;

/// The mean and its slope by the raw output.
pub(super) fn mean(raw: f64, unit: TargetScale) -> (f64, f64) {
    let (value, slope) = softplus(raw + unit.term / unit.factor);
    (unit.factor * value, unit.factor * slope)
}

/// The dispersion and its slope by the raw output.
pub(super) fn dispersion(raw: f64, unit: TargetScale) -> (f64, f64) {
    let (value, slope) = softplus(raw);
    let root = unit.factor.sqrt();
    (value / root + FLOOR, slope / root)
}

/// With r = 1 / α: ln Γ(r) + ln Γ(y + 1) − ln Γ(y + r) + (r + y) ln(1 + αμ) − y ln(αμ).
pub(super) fn nll([raw_mean, raw_dispersion]: [f64; 2], value: f64, unit: TargetScale) -> (f64, [f64; 2]) {
    let ((mean, by_mean), (dispersion, by_dispersion)) = (mean(raw_mean, unit), dispersion(raw_dispersion, unit));
    // Scaling there and back leaves a count next to itself.
    let count = unit.of(value).round().max(0.0);
    let r = 1.0 / dispersion;
    let product = dispersion * mean;
    let logarithm = product.ln_1p();
    let loss =
        ln_gamma(r) + ln_gamma(count + 1.0) - ln_gamma(count + r) + (r + count) * logarithm - count * product.ln();
    let slope_mean = (mean - count) / (mean * (1.0 + product));
    let curve = digamma(r) - digamma(count + r) + logarithm;
    let slope_dispersion = -r * r * curve + (r + count) * mean / (1.0 + product) - count * r;
    (loss, [slope_mean * by_mean, slope_dispersion * by_dispersion])
}

/// The least count below or at which a share of p lies.
pub(super) fn quantile(mean: f64, dispersion: f64, p: f64) -> f64 {
    const LARGEST: f64 = 9e15;
    let enough = |count: f64| share(mean, dispersion, count) >= p;
    if enough(0.0) {
        return 0.0;
    }
    // Too few at `low`, enough at `high`.
    let (mut low, mut high) = (0.0, mean.ceil().clamp(1.0, LARGEST));
    while high < LARGEST && !enough(high) {
        (low, high) = (high, 2.0 * high);
    }
    while high - low > 1.0 {
        let middle = (0.5 * (low + high)).floor();
        if enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// The share at or below a count.
fn share(mean: f64, dispersion: f64, count: f64) -> f64 {
    let product = dispersion * mean;
    beta_share(1.0 / dispersion, count + 1.0, 1.0 / (1.0 + product), product / (1.0 + product))
}
