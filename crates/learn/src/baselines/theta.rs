//! The Theta method, as it won the M3 competition.
//!
//! V. Assimakopoulos and K. Nikolopoulos, "The theta model: a decomposition approach to forecasting", International
//! Journal of Forecasting 16 (2000): the seasonally adjusted series is split into the line of its linear trend (θ =
//! 0) and the series with its curvature doubled (θ = 2). The first is extrapolated, the second is forecast by simple
//! exponential smoothing, and the forecast is the mean of both. If the autocorrelation at the season's lag is
//! significant (90 %), the season is removed by classical decomposition, multiplicative if all values are greater
//! than zero.

/// The number of candidates in each search for the smoothing weight: by tenths first, then by hundredths around the
/// best tenth.
const STEPS: usize = 9;

/// The 95 % quantile of the normal distribution, for a two-sided test at 90 %.
const SIGNIFICANT: f64 = 1.645;

/// Appends the forecast of the `horizon` values after `values`.
pub(super) fn forecast(values: &[f64], season: usize, horizon: usize, into: &mut Vec<f64>) {
    let length = values.len();
    let seasonal = season > 1 && length >= 3 * season && is_seasonal(values, season);
    let multiplicative = values.iter().all(|&value| value > 0.0);
    let figures = seasonal.then(|| decompose(values, season, multiplicative));
    let figure = |at: usize| match &figures {
        Some(figures) => figures[at % season],
        None if multiplicative => 1.0,
        None => 0.0,
    };
    let adjust = |(at, &value): (usize, &f64)| if multiplicative { value / figure(at) } else { value - figure(at) };
    let adjusted: Vec<f64> = values.iter().enumerate().map(adjust).collect();
    let (start, slope) = line(&adjusted);
    let doubled: Vec<f64> =
        adjusted.iter().enumerate().map(|(at, value)| 2.0 * value - (start + slope * at as f64)).collect();
    let level = smooth(&doubled);
    for ahead in 0..horizon {
        let at = length + ahead;
        let forecast = 0.5 * (start + slope * at as f64 + level);
        into.push(if multiplicative { forecast * figure(at) } else { forecast + figure(at) });
    }
}

/// Whether the autocorrelation at the season's lag is significantly different from zero (Bartlett's bound, as in the
/// M competitions).
fn is_seasonal(values: &[f64], season: usize) -> bool {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let total: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if total <= 0.0 {
        return false;
    }
    let correlation = |lag: usize| {
        let pairs = values.iter().zip(values.iter().skip(lag));
        pairs.map(|(before, after)| (before - mean) * (after - mean)).sum::<f64>() / total
    };
    let before: f64 = (1..season).map(|lag| correlation(lag).powi(2)).sum();
    let bound = SIGNIFICANT * ((1.0 + 2.0 * before) / values.len() as f64).sqrt();
    correlation(season).abs() > bound
}

/// The seasonal factors by classical decomposition: the values relative to the centred moving average, averaged by
/// position in the season and normalised to a mean of 1 (multiplicative) or 0 (additive).
fn decompose(values: &[f64], season: usize, multiplicative: bool) -> Vec<f64> {
    let half = season / 2;
    let mut sums = vec![(0.0, 0.0); season];
    for centre in half..values.len() - half {
        let trend = if season % 2 == 1 {
            values[centre - half..=centre + half].iter().sum::<f64>()
        } else {
            let ends = 0.5 * (values[centre - half] + values[centre + half]);
            ends + values[centre - half + 1..centre + half].iter().sum::<f64>()
        } / season as f64;
        let left = if multiplicative { values[centre] / trend } else { values[centre] - trend };
        let (sum, count) = &mut sums[centre % season];
        *sum += left;
        *count += 1.0;
    }
    let raw: Vec<f64> = sums.iter().map(|(sum, count)| sum / f64::max(*count, 1.0)).collect();
    let mean = raw.iter().sum::<f64>() / season as f64;
    raw.iter().map(|figure| if multiplicative { figure / mean } else { figure - mean }).collect()
}

/// The least squares line through (0, v₀), (1, v₁), …: intercept and slope.
fn line(values: &[f64]) -> (f64, f64) {
    let middle = (values.len().saturating_sub(1)) as f64 / 2.0;
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (mut across, mut square) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let from_middle = at as f64 - middle;
        across += from_middle * (value - mean);
        square += from_middle * from_middle;
    }
    let slope = if square > 0.0 { across / square } else { 0.0 };
    (mean - slope * middle, slope)
}

/// The last level of simple exponential smoothing with the weight that minimises the errors of one-step forecasts.
fn smooth(values: &[f64]) -> f64 {
    let better = |best: (f64, f64, f64), weight: f64| {
        let (error, level) = smoothed(values, weight);
        if error < best.0 { (error, level, weight) } else { best }
    };
    let tenths = (1..=STEPS).map(|step| step as f64 * 0.1);
    let coarse = tenths.fold((f64::INFINITY, values.last().copied().unwrap_or_default(), 0.5), better);
    let around = (1..=STEPS).flat_map(|step| [coarse.2 - step as f64 * 0.01, coarse.2 + step as f64 * 0.01]);
    around.filter(|weight| (0.01..=0.99).contains(weight)).fold(coarse, better).1
}

/// The sum of squared errors of the one-step forecasts, and the last level.
fn smoothed(values: &[f64], weight: f64) -> (f64, f64) {
    let mut level = values.first().copied().unwrap_or_default();
    let mut error = 0.0;
    for value in values.iter().skip(1) {
        let miss = value - level;
        error += miss * miss;
        level += weight * miss;
    }
    (error, level)
}

#[cfg(test)]
mod tests {
    fn next(values: &[f64], season: usize, horizon: usize) -> Vec<f64> {
        let mut forecast = Vec::new();
        super::forecast(values, season, horizon, &mut forecast);
        forecast
    }

    #[test]
    fn a_constant_is_continued_and_a_line_with_half_its_slope() {
        assert_eq!(next(&[5.0; 12], 4, 3), [5.0; 3]);
        let line: Vec<f64> = (0..40).map(|at| 10.0 + f64::from(at)).collect();
        // θ = 0 extrapolates the slope and θ = 2 smooths: with a weight of 0.99 its level lags slightly.
        let forecast = next(&line, 1, 2);
        assert!((forecast[1] - forecast[0] - 0.5).abs() < 1e-9, "{forecast:?}");
        assert!((forecast[0] - 49.5).abs() < 0.02, "{forecast:?}");
    }

    #[test]
    fn seasons_are_removed_and_restored() {
        let figures = [0.5, 1.0, 1.5, 1.0];
        let values: Vec<f64> = (0..40).map(|at| 100.0 * figures[at % 4]).collect();
        for (forecast, figure) in next(&values, 4, 8).iter().zip(figures.iter().cycle()) {
            assert!((forecast - 100.0 * figure).abs() < 1e-6, "{forecast} for {figure}");
        }
        let below: Vec<f64> = values.iter().map(|value| value - 100.0).collect();
        for (forecast, figure) in next(&below, 4, 8).iter().zip(figures.iter().cycle()) {
            assert!((forecast - 100.0 * (figure - 1.0)).abs() < 1e-6, "{forecast} for {figure}");
        }
    }

    #[test]
    fn forecasts_of_short_and_odd_histories_are_finite() {
        for values in [&[3.0][..], &[3.0, 4.0], &[0.0; 9], &[1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0]] {
            assert!(next(values, 3, 4).iter().all(|value| value.is_finite()), "{values:?}");
        }
    }
}
