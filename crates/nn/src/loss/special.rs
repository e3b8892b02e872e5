//! The functions that likelihoods are made of, each safe over its whole range.

use std::f64::consts::{PI, SQRT_2};

/// ln Γ(x) for x > 0.
pub(super) fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// ψ(x) = d ln Γ(x) / dx for x > 0: by ψ(x) = ψ(x + 1) − 1 / x up to 10, from there by its
/// asymptotic series (Abramowitz and Stegun 6.3.18), whose first term left out is under 1e-16.
pub(super) fn digamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < 10.0 {
        below += 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let tail = 1.0 / 240.0 - y * (1.0 / 132.0 - y * (691.0 / 32_760.0 - y / 12.0));
    let series = y * (1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y * tail)));
    x.ln() - 0.5 / x - series - below
}

/// Softplus is constant below this argument. So it and its slope stay above 1e-22: the argument of a logarithm
/// never reaches zero, and the gradient never vanishes.
const LOWEST: f64 = -50.0;

/// ln(1 + eˣ) > 0, and its slope.
pub(super) fn softplus(x: f64) -> (f64, f64) {
    // Not `max`, which would turn what is not a number into a bound.
    let x = if x < LOWEST { LOWEST } else { x };
    let decay = (-x.abs()).exp();
    let slope = if x > 0.0 { 1.0 / (1.0 + decay) } else { decay / (1.0 + decay) };
    (x.max(0.0) + decay.ln_1p(), slope)
}

/// The share of the beta distribution below x, where y = 1 − x is given apart so that neither end
/// loses its digits: I_x(a, b), by its continued fraction (Lentz's method).
pub(super) fn beta_share(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 || y <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * y.ln()).exp();
    if x < (a + 1.0) / (a + b + 2.0) { front * fraction(a, b, x) / a } else { 1.0 - front * fraction(b, a, y) / b }
}

/// It settles after some √max(a, b) terms.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    const MOST_TERMS: u32 = 100_000;
    let kept = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / kept(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for term in 1..MOST_TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for numerator in [even, odd] {
            d = 1.0 / kept(1.0 + numerator * d);
            c = kept(1.0 + numerator / c);
            change = d * c;
            value *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

/// The standard normal distribution: Φ(x).
pub(super) fn normal_share(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

/// Φ⁻¹(p) for 0 < p < 1.
pub(super) fn normal_quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    // Within 5e-4 (Abramowitz and Stegun 26.2.23).
    let t = (-2.0 * p.ln()).sqrt();
    let start =
        -t + (2.515_517 + t * (0.802_853 + t * 0.010_328)) / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)));
    let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    solve(p, start, normal_share, density)
}

/// Where a distribution's share is p: Newton's method, kept within ends that close in on it.
pub(super) fn solve(p: f64, start: f64, share: impl Fn(f64) -> f64, density: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let mut x = start;
    for _ in 0..200 {
        let off = share(x) - p;
        if off < 0.0 {
            low = x;
        } else {
            high = x;
        }
        let mut next = x - off / density(x);
        if !(low < next && next < high) {
            next = match (low.is_finite(), high.is_finite()) {
                (true, true) => 0.5 * (low + high),
                (true, false) => 2.0 * low.max(0.5),
                _ => 2.0 * high.min(-0.5),
            };
        }
        if (next - x).abs() <= 1e-14 * (1.0 + x.abs()) {
            return next;
        }
        x = next;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(got: f64, expected: f64, relative: f64) {
        assert!((got - expected).abs() <= relative * expected.abs().max(1e-300), "{got} is not {expected}");
    }

    #[test]
    fn digamma_is_the_slope_of_ln_gamma() {
        near(digamma(1.0), -0.577_215_664_901_532_9, 5e-15);
        near(digamma(0.5), -1.963_510_026_021_423_5, 1e-14);
        near(digamma(1e6), 13.815_510_057_964_191, 1e-14);
        for x in [0.01, 0.3, 2.5, 9.9, 10.1, 300.0] {
            let h = 1e-5 * x;
            near(digamma(x), (ln_gamma(x + h) - ln_gamma(x - h)) / (2.0 * h), 1e-7);
        }
    }

    #[test]
    fn softplus_holds_over_the_whole_range() {
        near(softplus(0.0).0, 2.0_f64.ln(), 1e-15);
        assert_eq!(softplus(800.0), (800.0, 1.0));
        for x in [-1e30, -800.0, -50.0] {
            let (value, slope) = softplus(x);
            near(value, (-50.0_f64).exp(), 1e-12);
            near(slope, (-50.0_f64).exp(), 1e-12);
        }
        assert!(softplus(f64::NAN).0.is_nan() && softplus(f64::NAN).1.is_nan());
    }

    #[test]
    fn shares_of_the_beta_distribution_are_the_known_ones() {
        // a = 1: 1 − (1 − x)ᵇ; a = b: one half in the middle.
        near(beta_share(1.0, 3.0, 0.2, 0.8), 1.0 - 0.8_f64.powi(3), 1e-14);
        near(beta_share(4.5, 4.5, 0.5, 0.5), 0.5, 1e-14);
        near(beta_share(1e6, 1e6, 0.5, 0.5), 0.5, 1e-8);
        assert_eq!((beta_share(2.0, 3.0, 0.0, 1.0), beta_share(2.0, 3.0, 1.0, 0.0)), (0.0, 1.0));
    }

    #[test]
    fn normal_quantiles_are_the_known_ones() {
        near(normal_quantile(0.975), 1.959_963_984_540_054, 1e-13);
        near(normal_quantile(0.9), 1.281_551_565_544_600_4, 1e-13);
        near(normal_quantile(1e-9), -5.997_807_015_007_686_5, 1e-12);
        assert!(normal_quantile(0.5).abs() < 1e-14);
    }
}
