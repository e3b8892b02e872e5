//! Seasonal adjustment: the test for a season, and classical decomposition.

use crate::fitted::Forecast;
use crate::series::Series;

/// The 95 % quantile of the normal distribution, for a two-sided test at 90 %.
const SIGNIFICANT: f64 = 1.645;

/// The smallest factor that a value is divided by. With a smaller one, the decomposition is additive.
const SMALLEST_FACTOR: f64 = 0.01;

/// The seasonal figures of a series, by position in the season; the first belongs to the first value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Adjustment {
    None,
    /// Subtracted; their mean is 0.
    Additive(Vec<f64>),
    /// Divided by; their mean is 1, and they are greater than 0.
    Multiplicative(Vec<f64>),
}

impl Adjustment {
    /// The adjustment that the M competitions use: if the autocorrelation at the season's lag is significant at 90 %, classical
    /// decomposition, multiplicative if all values are greater than zero (Assimakopoulos and Nikolopoulos 2000; Fiorucci et
    /// al. 2016).
    pub(crate) fn fit(series: &Series) -> Self {
        let season = series.season;
        // The test says little for seasons of two or three points; statsforecast draws the line here too.
        if season < 4 || series.len() < 2 * season {
            return Self::None;
        }
        let filled = series.filled();
        if !is_seasonal(&filled, season) {
            return Self::None;
        }
        if series.is_positive() {
            let factors = figures(&filled, season, true);
            if factors.iter().all(|&factor| factor >= SMALLEST_FACTOR) {
                return Self::Multiplicative(factors);
            }
        }
        Self::Additive(figures(&filled, season, false))
    }

    /// The series without its season. The result has season 1.
    pub(crate) fn remove(&self, series: &Series) -> Series {
        let values = series.values.iter().copied();
        let values = match self {
            Self::None => values.collect(),
            Self::Additive(figures) => {
                values.zip(figures.iter().cycle()).map(|(value, figure)| value - figure).collect()
            }
            Self::Multiplicative(figures) => {
                values.zip(figures.iter().cycle()).map(|(value, figure)| value / figure).collect()
            }
        };
        Series { values, season: 1, start: series.start, scale: series.scale }
    }

    /// The forecast after `length` values with the season put back.
    pub(crate) fn restore(&self, mut forecast: Forecast, length: usize) -> Forecast {
        let ahead = forecast.mean.iter_mut().zip(&mut forecast.sigma);
        match self {
            Self::None => {}
            Self::Additive(figures) => {
                let figures = figures.iter().cycle().skip(length % figures.len());
                ahead.zip(figures).for_each(|((mean, _), figure)| *mean += figure);
            }
            Self::Multiplicative(figures) => {
                let figures = figures.iter().cycle().skip(length % figures.len());
                ahead.zip(figures).for_each(|((mean, sigma), figure)| {
                    *mean *= figure;
                    *sigma *= figure;
                });
            }
        }
        forecast
    }
}

/// Whether the autocorrelation at the season's lag is significantly greater than zero (Bartlett's bound). The M competitions test
/// its absolute value, but a negative one is no season.
fn is_seasonal(values: &[f64], season: usize) -> bool {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let total: f64 = centred.iter().map(|value| value * value).sum();
    if total <= 0.0 {
        return false;
    }
    let correlation = |lag: usize| {
        let pairs = centred.iter().zip(centred.iter().skip(lag));
        pairs.map(|(before, after)| before * after).sum::<f64>() / total
    };
    let before: f64 = (1..season).map(|lag| correlation(lag).powi(2)).sum();
    let bound = SIGNIFICANT * ((1.0 + 2.0 * before) / values.len() as f64).sqrt();
    correlation(season) > bound
}

/// The seasonal figures of `values` (at least two seasons, none missing): relative to the centred moving average, averaged by
/// position, and normalised to a mean of 1 (`multiplicative`) or 0.
pub(crate) fn figures(values: &[f64], season: usize, multiplicative: bool) -> Vec<f64> {
    let half = season / 2;
    let mut sums = vec![0.0; season];
    let mut counts = vec![0.0; season];
    // The window of an even season is one point longer than the season, with half weights at its ends.
    let width = 2 * half + 1;
    for (from, window) in values.windows(width).enumerate() {
        let mut total: f64 = window.iter().sum();
        if season.is_multiple_of(2) {
            total -= 0.5 * (window[0] + window[width - 1]);
        }
        let level = total / season as f64;
        let at = (from + half) % season;
        sums[at] += if multiplicative { window[half] / level } else { window[half] - level };
        counts[at] += 1.0;
    }
    let neutral = if multiplicative { 1.0 } else { 0.0 };
    let mut figures: Vec<f64> =
        sums.iter().zip(&counts).map(|(sum, &count)| if count > 0.0 { sum / count } else { neutral }).collect();
    let mean = figures.iter().sum::<f64>() / season as f64;
    figures.iter_mut().for_each(|figure| if multiplicative { *figure /= mean } else { *figure -= mean });
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: Vec<f64>, season: usize) -> Series {
        Series { values, season, start: 0, scale: 1.0 }
    }

    fn wave(at: usize) -> f64 {
        [3.0, -1.0, -4.0, 2.0][at % 4]
    }

    #[test]
    fn a_season_around_a_line_is_found_and_put_back() {
        let sum = |at: usize| 10.0 + 0.5 * at as f64 + wave(at);
        // Values below zero make the decomposition additive.
        let values: Vec<f64> = (0..24).map(|at| sum(at) - 20.0).collect();
        let adjustment = Adjustment::fit(&series(values.clone(), 4));
        let Adjustment::Additive(figures) = &adjustment else { panic!("{adjustment:?}") };
        for (at, figure) in figures.iter().enumerate() {
            assert!((figure - wave(at)).abs() < 1e-12, "{figures:?}");
        }
        let line = adjustment.remove(&series(values, 4));
        let ahead = Forecast { mean: vec![0.0; 3], sigma: vec![1.0; 3] };
        assert!((line.values[7] - (-20.0 + 10.0 + 3.5)).abs() < 1e-12);
        let restored = adjustment.restore(ahead, 22);
        assert!((restored.mean[0] - wave(22)).abs() < 1e-12 && restored.sigma == [1.0; 3]);
    }

    #[test]
    fn positive_values_have_factors_and_a_line_has_no_season() {
        let values = (0..24).map(|at| 100.0 * (1.0 + 0.1 * wave(at))).collect();
        let Adjustment::Multiplicative(factors) = Adjustment::fit(&series(values, 4)) else { panic!() };
        assert!((factors[2] - 0.6).abs() < 1e-9, "{factors:?}");
        // A pattern of five points is none of four.
        let other = (0..40).map(|at| [3.0, 9.0, 4.0, 8.0, 1.0][at % 5]).collect();
        assert_eq!(Adjustment::fit(&series(other, 4)), Adjustment::None);
    }
}
