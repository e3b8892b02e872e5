//! The seasonal naive forecast, which is the scale of MASE and a baseline of every evaluation.

/// The forecast `ahead` points (from 0) after `history`: the value one season before. The last season is repeated as
/// often as needed.
///
/// An unknown value (NaN) is replaced by the last known value before it or, at the start of the history, by the first
/// known value. A season longer than the history counts as 1. NaN if no value is known.
pub fn seasonal_naive(history: &[f64], season: usize, ahead: usize) -> f64 {
    let season = if (1..=history.len()).contains(&season) { season } else { 1 };
    let at = history.len().saturating_sub(season) + ahead % season;
    let (before, after) = history.split_at((at + 1).min(history.len()));
    let is_known = |value: &&f64| !value.is_nan();
    before.iter().rev().find(is_known).or_else(|| after.iter().find(is_known)).copied().unwrap_or(f64::NAN)
}

/// The mean absolute error of the one-season-ahead naive forecast within `values`: the scale of MASE (Hyndman and
/// Koehler 2006).
///
/// Pairs with an unknown value (NaN) are ignored. NaN if no pair is left, or if the mean is 0 or not finite and
/// therefore unusable as a scale.
pub fn seasonal_error(values: &[f64], season: usize) -> f64 {
    let pairs = values.iter().zip(values.iter().skip(season.max(1)));
    let errors = pairs.map(|(before, value)| (value - before).abs()).filter(|error| !error.is_nan());
    let error = errors.clone().sum::<f64>() / errors.count() as f64;
    if error > 0.0 && error.is_finite() { error } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    fn forecast(history: &[f64], season: usize) -> [f64; 4] {
        [0, 1, 2, 3].map(|ahead| seasonal_naive(history, season, ahead))
    }

    #[test]
    fn the_last_season_repeats() {
        let history = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(forecast(&history, 3), [3.0, 4.0, 5.0, 3.0]);
        assert_eq!(forecast(&history, 1), [5.0; 4]);
        assert_eq!(forecast(&history, 9), [5.0; 4], "a season longer than the history");
        assert_eq!(forecast(&history, 0), [5.0; 4]);
    }

    #[test]
    fn an_unknown_value_is_the_last_known_before_it() {
        assert_eq!(forecast(&[9.0, 1.0, NAN, 3.0], 3), [1.0, 1.0, 3.0, 1.0]);
        assert_eq!(forecast(&[NAN, NAN, 3.0], 3), [3.0; 4], "nothing is known before");
        assert!(seasonal_naive(&[NAN], 1, 0).is_nan());
        assert!(seasonal_naive(&[], 1, 0).is_nan());
    }

    #[test]
    fn the_error_is_a_mean_over_known_pairs() {
        assert_eq!(seasonal_error(&[1.0, 2.0, 4.0, NAN, 9.0], 2), 4.0);
        for no_scale in [&[1.0, 1.0][..], &[1.0], &[], &[NAN, 1.0], &[0.0, f64::INFINITY]] {
            assert!(seasonal_error(no_scale, 1).is_nan(), "{no_scale:?}");
        }
    }
}
