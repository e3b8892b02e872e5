//! Quantile levels, the intervals between pairs of them, and the pinball loss.

/// The levels at which a distribution is evaluated: the median and the ends of the 80 % and 95 % intervals.
/// Ascending.
pub const DISTRIBUTION_LEVELS: [f64; 5] = [0.025, 0.1, 0.5, 0.9, 0.975];

/// An interval between two levels of a list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelPair {
    /// The percentage of values expected within: 80 for the levels 0.1 and 0.9.
    pub percent: f64,
    /// The indices of the two ends in the list.
    pub lower: usize,
    pub upper: usize,
}

/// Whether two levels are equal, up to the rounding of a conversion to per cent and back.
#[inline]
pub fn same_level(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

/// The levels at the ends of a central interval, given its coverage in per cent.
pub fn interval_ends(percent: f64) -> [f64; 2] {
    let tail = 0.5 - percent / 200.0;
    [tail, 1.0 - tail]
}

/// The central intervals between ascending levels, widest first.
pub fn intervals(levels: &[f64]) -> Vec<LevelPair> {
    let below_median = levels.iter().enumerate().filter(|(_, level)| **level < 0.5);
    let pair = |(lower, &level): (usize, &f64)| {
        let upper = levels.iter().position(|&other| same_level(other, 1.0 - level))?;
        // 100 (1 − 2 · 0.1) differs from 80 in the last digits.
        let percent = (1e6 * 100.0 * (1.0 - 2.0 * level)).round() / 1e6;
        Some(LevelPair { percent, lower, upper })
    };
    below_median.filter_map(pair).collect()
}

/// The pinball loss of one quantile (Koenker and Bassett 1978), in the unit of the values.
#[inline]
pub fn pinball(level: f64, quantile: f64, actual: f64) -> f64 {
    let error = actual - quantile;
    if error == 0.0 {
        0.0
    } else if error < 0.0 {
        (level - 1.0) * error
    } else {
        level * error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_pair_up_around_the_median() {
        let percents = |levels: &[f64]| intervals(levels).iter().map(|pair| pair.percent).collect::<Vec<_>>();
        assert_eq!(percents(&DISTRIBUTION_LEVELS), [95.0, 80.0]);
        assert_eq!(percents(&[0.1, 0.3, 0.5, 0.9]), [80.0]);
        assert!(percents(&[0.5]).is_empty());
        for pair in intervals(&DISTRIBUTION_LEVELS) {
            let [lower, upper] = interval_ends(pair.percent);
            assert!(same_level(lower, DISTRIBUTION_LEVELS[pair.lower]));
            assert!(same_level(upper, DISTRIBUTION_LEVELS[pair.upper]));
        }
    }

    #[test]
    fn pinball_loss_is_asymmetric() {
        assert_eq!(pinball(0.9, 1.0, 3.0), 0.9 * 2.0);
        assert_eq!(pinball(0.9, 3.0, 1.0), (0.9 - 1.0) * -2.0);
        assert_eq!(pinball(0.3, 2.0, 2.0), 0.0);
        assert!(pinball(0.3, f64::NAN, 2.0).is_nan());
    }
}
