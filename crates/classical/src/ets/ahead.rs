//! Forecasts from a state, and their variance (Hyndman et al. 2008, chapter 6).
//!
//! The variances are exact but for multiplicative seasons more than one season ahead, where they are an approximation.

use super::Ets;
use super::form::{Error, Season};
use crate::fitted::{Forecast, linear_variances};

pub(super) fn forecast(ets: &Ets, horizon: usize) -> Forecast {
    let trends = trends(ets, horizon);
    let seasons = &ets.last.seasons;
    let season = |ahead: usize| seasons[(ets.length + ahead) % seasons.len()];
    let mean: Vec<f64> = match ets.form.season {
        Season::None => trends.clone(),
        Season::Additive => (0..horizon).map(|ahead| trends[ahead] + season(ahead)).collect(),
        Season::Multiplicative => (0..horizon).map(|ahead| trends[ahead] * season(ahead)).collect(),
    };
    let responses = responses(ets, horizon);
    let variance = ets.variance;
    let variances: Vec<f64> = match (ets.form.error, ets.form.season) {
        (Error::Additive, _) => linear_variances(variance, responses.into_iter()).collect(),
        (Error::Multiplicative, Season::Multiplicative) => {
            let squares = second_moments(&trends, &responses, variance);
            (0..horizon)
                .map(|ahead| season(ahead).powi(2) * ((1.0 + variance) * squares[ahead] - trends[ahead].powi(2)))
                .collect()
        }
        (Error::Multiplicative, _) => {
            let squares = second_moments(&mean, &responses, variance);
            squares.iter().zip(&mean).map(|(square, mean)| (1.0 + variance) * square - mean * mean).collect()
        }
    };
    Forecast { mean, sigma: variances.into_iter().map(|variance| variance.max(0.0).sqrt()).collect() }
}

/// Level and damped slopes, by step.
fn trends(ets: &Ets, horizon: usize) -> Vec<f64> {
    let (mut level, mut slope) = (ets.last.level, ets.last.slope);
    let next = || {
        slope *= ets.weights.phi;
        level += slope;
        level
    };
    std::iter::repeat_with(next).take(horizon).collect()
}

/// How much a unit error moves the forecast 1, 2, … steps after it: `c(j) = α + β (φ + … + φ^j) + γ [j is a multiple of m]`.
///
/// For multiplicative seasons, the move is relative to the seasonal factor, and this is the first order of the errors. One error
/// moves level and season together, so their answers are added before they are squared.
fn responses(ets: &Ets, horizon: usize) -> Vec<f64> {
    let weights = &ets.weights;
    let season = ets.last.seasons.len();
    let mut power = 1.0;
    let mut slopes = 0.0;
    (1..=horizon)
        .map(|step| {
            power *= weights.phi;
            slopes += power;
            let seasonal = if season > 0 && step % season == 0 { weights.gamma } else { 0.0 };
            weights.alpha + weights.beta * slopes + seasonal
        })
        .collect()
}

/// `θ(h) = μ(h)² + σ² Σ c(j)² θ(h−j)`: the expected squares of the forecasts made one step ahead.
fn second_moments(means: &[f64], responses: &[f64], variance: f64) -> Vec<f64> {
    let mut moments: Vec<f64> = Vec::with_capacity(means.len());
    for mean in means {
        let earlier = moments.iter().rev().zip(responses);
        let spread: f64 = earlier.map(|(moment, response)| response * response * moment).sum();
        moments.push(mean * mean + variance * spread);
    }
    moments
}
