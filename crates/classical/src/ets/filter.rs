//! One pass of a model over a series, and the slope of its likelihood by a pass back.
//!
//! With `q = ℓ + φ b`, the forecast is `q`, `q + s` or `q s`, and an error `u` (the value less the forecast) updates the state:
//!
//! | season | level | slope | season |
//! |---|---|---|---|
//! | none, additive | `q + α u` | `φ b + β u` | `s + γ u` |
//! | multiplicative | `q + α u / s` | `φ b + β u / s` | `s + γ u / q` |
//!
//! This is the same for additive and multiplicative errors (Hyndman et al. 2008, table 2.2 and 2.3, with the relative error
//! written out). Only the likelihood differs. A missing value has the error 0.

use super::form::{Error, Form, Season, State, Trend, Weights};

/// Added to the mean squared error, so that a perfect fit has a finite likelihood. Values are near 1 in size.
const FLOOR: f64 = 1e-18;

/// Forecasts, levels and seasonal states of multiplicative models must be greater.
const SMALLEST: f64 = 1e-9;

/// What the pass back needs of one step.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    slope: f64,
    season: f64,
    /// The level and the damped slope together.
    trend: f64,
    forecast: f64,
    /// NaN for a missing value.
    error: f64,
}

/// A model's criterion on a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    /// −2 log-likelihood, up to a constant that all models share.
    pub(crate) deviance: f64,
    /// The sum of squared errors, relative ones for multiplicative errors.
    pub(crate) squares: f64,
}

/// The slope of the deviance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slope {
    pub(crate) weights: Weights,
    pub(crate) state: State,
}

/// The steps of the last pass. Kept between passes, so that a fit does not allocate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    steps: Vec<Step>,
}

impl Filter {
    /// Moves `state` over `values`. `None` where the model diverges, or a multiplicative one leaves its domain.
    pub(crate) fn forward(&mut self, form: Form, values: &[f64], weights: &Weights, state: &mut State) -> Option<Fit> {
        self.steps.clear();
        self.steps.reserve(values.len());
        let relative = form.error == Error::Multiplicative;
        let sums = match (form.trend == Trend::None, form.season, relative) {
            (true, Season::None, false) => self.pass::<false, 0, false>(values, weights, state),
            (false, Season::None, false) => self.pass::<true, 0, false>(values, weights, state),
            (true, Season::Additive, false) => self.pass::<false, 1, false>(values, weights, state),
            (false, Season::Additive, false) => self.pass::<true, 1, false>(values, weights, state),
            (true, Season::None, true) => self.pass::<false, 0, true>(values, weights, state),
            (false, Season::None, true) => self.pass::<true, 0, true>(values, weights, state),
            (true, Season::Additive, true) => self.pass::<false, 1, true>(values, weights, state),
            (false, Season::Additive, true) => self.pass::<true, 1, true>(values, weights, state),
            (true, Season::Multiplicative, _) => self.pass::<false, 2, true>(values, weights, state),
            (false, Season::Multiplicative, _) => self.pass::<true, 2, true>(values, weights, state),
        }?;
        let known = sums.known as f64;
        let deviance = known * (sums.squares / known + FLOOR).ln() + 2.0 * sums.logs;
        deviance.is_finite().then_some(Fit { deviance, squares: sums.squares })
    }

    #[inline]
    fn pass<const TREND: bool, const SEASON: u8, const RELATIVE: bool>(
        &mut self,
        values: &[f64],
        weights: &Weights,
        state: &mut State,
    ) -> Option<Sums> {
        let Weights { alpha, beta, gamma, phi } = *weights;
        let (mut level, mut slope) = (state.level, state.slope);
        let mut sums = Sums::default();
        let mut product = 1.0;
        let mut slot = 0;
        for &value in values {
            let damped = if TREND { phi * slope } else { 0.0 };
            let trend = level + damped;
            let season = if SEASON == 0 { 0.0 } else { state.seasons[slot] };
            let forecast = match SEASON {
                0 => trend,
                1 => trend + season,
                _ => trend * season,
            };
            let error = value - forecast;
            self.steps.push(Step { slope, season, trend, forecast, error });
            if RELATIVE && !(forecast > SMALLEST && (SEASON != 2 || trend > SMALLEST)) {
                return None;
            }
            if error.is_nan() {
                (level, slope) = (trend, damped);
            } else {
                sums.known += 1;
                let seasonless = if SEASON == 2 { error / season } else { error };
                level = trend + alpha * seasonless;
                if TREND {
                    slope = damped + beta * seasonless;
                }
                if SEASON == 1 {
                    state.seasons[slot] = season + gamma * error;
                } else if SEASON == 2 {
                    state.seasons[slot] = season + gamma * error / trend;
                }
                if RELATIVE {
                    let relative = error / forecast;
                    sums.squares += relative * relative;
                    // One logarithm of a product is cheaper than many; the product stays within range.
                    product *= forecast;
                    if !(1e-100..1e100).contains(&product) {
                        sums.logs += product.ln();
                        product = 1.0;
                    }
                } else {
                    sums.squares += error * error;
                }
            }
            if SEASON != 0 {
                slot = if slot + 1 == state.seasons.len() { 0 } else { slot + 1 };
            }
        }
        if RELATIVE {
            sums.logs += product.ln();
        }
        (state.level, state.slope) = (level, slope);
        (level.is_finite() && slope.is_finite()).then_some(sums)
    }

    /// The slope of the deviance of the last pass with respect to the weights and the state before the first value.
    pub(crate) fn backward(&self, form: Form, weights: &Weights, fit: &Fit, slots: usize, into: &mut Slope) {
        into.weights = Weights::default();
        into.state.level = 0.0;
        into.state.slope = 0.0;
        into.state.seasons.clear();
        into.state.seasons.resize(slots, 0.0);
        let relative = form.error == Error::Multiplicative;
        match (form.trend == Trend::None, form.season, relative) {
            (true, Season::None, false) => self.back::<false, 0, false>(weights, fit, into),
            (false, Season::None, false) => self.back::<true, 0, false>(weights, fit, into),
            (true, Season::Additive, false) => self.back::<false, 1, false>(weights, fit, into),
            (false, Season::Additive, false) => self.back::<true, 1, false>(weights, fit, into),
            (true, Season::None, true) => self.back::<false, 0, true>(weights, fit, into),
            (false, Season::None, true) => self.back::<true, 0, true>(weights, fit, into),
            (true, Season::Additive, true) => self.back::<false, 1, true>(weights, fit, into),
            (false, Season::Additive, true) => self.back::<true, 1, true>(weights, fit, into),
            (true, Season::Multiplicative, _) => self.back::<false, 2, true>(weights, fit, into),
            (false, Season::Multiplicative, _) => self.back::<true, 2, true>(weights, fit, into),
        }
    }

    /// The chain rule from the last step to the first. `level`, `slope` and `seasons` are the slopes by the state after the step.
    #[inline]
    fn back<const TREND: bool, const SEASON: u8, const RELATIVE: bool>(
        &self,
        weights: &Weights,
        fit: &Fit,
        into: &mut Slope,
    ) {
        let Weights { alpha, beta, gamma, phi } = *weights;
        let known = self.steps.iter().filter(|step| !step.error.is_nan()).count() as f64;
        // The deviance by the sum of squares, times two.
        let factor = 2.0 / (fit.squares / known + FLOOR);
        let slots = into.state.seasons.len();
        let seasons = &mut into.state.seasons;
        let (mut level, mut slope) = (0.0, 0.0);
        let mut by = Weights::default();
        let mut slot = if slots == 0 { 0 } else { self.steps.len() % slots };
        for step in self.steps.iter().rev() {
            if SEASON != 0 {
                slot = if slot == 0 { slots - 1 } else { slot - 1 };
            }
            if step.error.is_nan() {
                if TREND {
                    by.phi += step.slope * (level + slope);
                    slope = phi * (level + slope);
                }
                continue;
            }
            let (mut by_error, mut by_forecast) = if RELATIVE {
                let relative = step.error / step.forecast;
                let by_error = factor * relative / step.forecast;
                (by_error, 2.0 / step.forecast - by_error * relative)
            } else {
                (factor * step.error, 0.0)
            };
            let season = if SEASON == 0 { 0.0 } else { seasons[slot] };
            let seasonless = if SEASON == 2 { step.error / step.season } else { step.error };
            by.alpha += level * seasonless;
            let mut by_seasonless = alpha * level;
            if TREND {
                by.beta += slope * seasonless;
                by_seasonless += beta * slope;
            }
            let mut by_trend = level;
            match SEASON {
                0 => by_error += by_seasonless,
                1 => {
                    by.gamma += season * step.error;
                    by_error += by_seasonless + gamma * season;
                }
                _ => {
                    let detrended = step.error / step.trend;
                    by.gamma += season * detrended;
                    by_error += by_seasonless / step.season + gamma * season / step.trend;
                    by_trend -= gamma * season * detrended / step.trend;
                }
            }
            by_forecast -= by_error;
            match SEASON {
                0 => by_trend += by_forecast,
                1 => {
                    by_trend += by_forecast;
                    seasons[slot] = season + by_forecast;
                }
                _ => {
                    by_trend += by_forecast * step.season;
                    seasons[slot] = season - by_seasonless * seasonless / step.season + by_forecast * step.trend;
                }
            }
            level = by_trend;
            if TREND {
                by.phi += step.slope * (by_trend + slope);
                slope = phi * (by_trend + slope);
            }
        }
        into.weights = by;
        (into.state.level, into.state.slope) = (level, slope);
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    known: usize,
    squares: f64,
    /// The sum of the forecasts' logarithms, for multiplicative errors.
    logs: f64,
}
