//! The coordinates in which a model's parameters are searched for: free of bounds, and near 1 in size.
//!
//! The weights have the usual bounds (Hyndman et al. 2008, chapter 2): α and γ / (1 − α) between 0 and 1, β less than α, and φ from
//! 0.8 to 0.98. Besides, β is at most [`STEEPEST`] over the season: a slope that follows the last points fits better than it
//! forecasts. Each ratio to its bound is a logistic function of its coordinate. States are coordinates in units of the start's spread; of the
//! seasonal ones, the last follows from the others, whose mean is 0 (additive) or 1 (multiplicative).

use super::filter::Slope;
use super::form::{Form, Season, State, Trend, Weights};
use super::start::Start;

/// The bounds of the weights and their ratios, and of φ, as in the forecast package for R.
const RATIO: (f64, f64) = (1e-4, 0.9999);
const DAMPING: (f64, f64) = (0.8, 0.98);

/// The largest β for a season of one point. statsforecast bounds β alike for seasonal forms; without it, the forecasts of
/// monthly and quarterly competition series are 9 % worse.
const STEEPEST: f64 = 0.2;

/// The unit of the first slope, in spreads: a slope acts on many points.
const SLOPE_UNIT: f64 = 0.2;

#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) form: Form,
    pub(crate) start: Start,
    /// Points per season of the series, also where the form has no season.
    pub(crate) season: usize,
}

/// Where the coordinates of the weights after α are.
struct Places {
    beta: Option<usize>,
    phi: Option<usize>,
    gamma: Option<usize>,
    level: usize,
    slope: Option<usize>,
    seasons: usize,
}

impl Layout {
    fn places(&self) -> Places {
        let mut next = 0;
        let mut place = |has: bool| {
            next += usize::from(has);
            has.then_some(next)
        };
        let sloped = self.form.trend != Trend::None;
        let beta = place(sloped);
        let phi = place(self.form.trend == Trend::Damped);
        let gamma = place(self.form.season != Season::None);
        let level = next + 1;
        let slope = sloped.then_some(level + 1);
        Places { beta, phi, gamma, level, slope, seasons: level + 1 + usize::from(sloped) }
    }

    /// The bound of β, and its slope by α.
    pub(super) fn steepest(&self, alpha: f64) -> (f64, f64) {
        let steepest = STEEPEST / self.season as f64;
        if alpha < steepest { (alpha, 1.0) } else { (steepest, 0.0) }
    }

    /// The coordinates of `weights` with the states of the start.
    pub(crate) fn coordinates(&self, weights: &Weights) -> Vec<f64> {
        let places = self.places();
        let mut at = vec![0.0; places.seasons + self.start.state.seasons.len().saturating_sub(1)];
        at[0] = inverse(weights.alpha, RATIO);
        let mut set = |place: Option<usize>, value: f64| {
            if let Some(place) = place {
                at[place] = value;
            }
        };
        set(places.beta, inverse(weights.beta / self.steepest(weights.alpha).0, RATIO));
        set(places.phi, inverse(weights.phi, DAMPING));
        set(places.gamma, inverse(weights.gamma / (1.0 - weights.alpha), RATIO));
        at
    }

    /// The parameters at a point. Writes the first state into `state`.
    pub(crate) fn parameters(&self, at: &[f64], state: &mut State) -> Weights {
        let places = self.places();
        let Start { state: start, spread } = &self.start;
        let alpha = logistic(at[0], RATIO);
        let of = |place: Option<usize>, bounds, otherwise| place.map_or(otherwise, |place| logistic(at[place], bounds));
        let weights = Weights {
            alpha,
            beta: self.steepest(alpha).0 * of(places.beta, RATIO, 0.0),
            gamma: (1.0 - alpha) * of(places.gamma, RATIO, 0.0),
            phi: of(places.phi, DAMPING, 1.0),
        };
        state.level = start.level + spread * at[places.level];
        state.slope = places.slope.map_or(0.0, |place| start.slope + SLOPE_UNIT * spread * at[place]);
        state.seasons.clone_from(&start.seasons);
        let mut moved = 0.0;
        for (season, coordinate) in state.seasons.iter_mut().zip(&at[places.seasons..]) {
            *season += spread * coordinate;
            moved += spread * coordinate;
        }
        if let Some(last) = state.seasons.last_mut() {
            *last -= moved;
        }
        weights
    }

    /// Turns the slope by parameters at a point into the slope by coordinates.
    pub(crate) fn chain(&self, at: &[f64], weights: &Weights, slope: &Slope, into: &mut [f64]) {
        let places = self.places();
        let spread = self.start.spread;
        let Weights { alpha, beta, gamma, .. } = *weights;
        let by = &slope.weights;
        // The bounds of β and γ depend on α.
        let (steepest, by_bound) = self.steepest(alpha);
        let by_alpha = by.alpha + by.beta * by_bound * beta / steepest - by.gamma * gamma / (1.0 - alpha);
        into[0] = by_alpha * derivative(at[0], RATIO);
        let mut set = |place: Option<usize>, factor: f64, bounds| {
            if let Some(place) = place {
                into[place] = factor * derivative(at[place], bounds);
            }
        };
        set(places.beta, by.beta * steepest, RATIO);
        set(places.gamma, by.gamma * (1.0 - alpha), RATIO);
        set(places.phi, by.phi, DAMPING);
        into[places.level] = spread * slope.state.level;
        if let Some(place) = places.slope {
            into[place] = SLOPE_UNIT * spread * slope.state.slope;
        }
        if let Some((last, others)) = slope.state.seasons.split_last() {
            into[places.seasons..].iter_mut().zip(others).for_each(|(into, by)| *into = spread * (by - last));
        }
    }
}

fn logistic(at: f64, (low, high): (f64, f64)) -> f64 {
    low + (high - low) / (1.0 + (-at).exp())
}

fn derivative(at: f64, (low, high): (f64, f64)) -> f64 {
    let part = 1.0 / (1.0 + (-at).exp());
    (high - low) * part * (1.0 - part)
}

fn inverse(value: f64, (low, high): (f64, f64)) -> f64 {
    let part = ((value - low) / (high - low)).clamp(1e-6, 1.0 - 1e-6);
    (part / (1.0 - part)).ln()
}
