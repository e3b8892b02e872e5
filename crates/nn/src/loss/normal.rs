//! The normal distribution, in the network's scale.

use std::f64::consts::PI;

use super::special::softplus;

/// Added to every scale: a thousandth of the network's unit. It bounds the loss of a network that is
/// very sure, and its gradient where that network is wrong.
const FLOOR: f64 = 1e-3;

/// A scale above zero, and its slope by the raw output.
pub(super) fn scale(raw: f64) -> (f64, f64) {
    let (value, slope) = softplus(raw);
    (value + FLOOR, slope)
}

/// ln σ + z² / 2 + ln(2π) / 2 with z = (y − μ) / σ.
pub(super) fn nll([mean, raw]: [f64; 2], value: f64) -> (f64, [f64; 2]) {
    let (scale, by_raw) = scale(raw);
    let z = (value - mean) / scale;
    let loss = scale.ln() + 0.5 * z * z + 0.5 * (2.0 * PI).ln();
    (loss, [-z / scale, (1.0 - z * z) / scale * by_raw])
}
