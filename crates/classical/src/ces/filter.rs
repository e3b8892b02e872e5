//! One pass of complex exponential smoothing.
//!
//! A complex state `ℓ + i c` and an error `e` give, with the weight `α₀ + i α₁`,
//!
//! ```text
//! ℓ' = ℓ − (1 − α₁) c + (α₀ − α₁) e
//! c' = ℓ + (1 − α₀) c + (α₀ + α₁) e
//! ```
//!
//! The forecast is the real part, `ℓ`. The simple seasonal form has such a state for each position in the season and no other. The
//! partial one adds a real seasonal state, `s' = s + β e`, and the full one a complex state for each position, with weights of its
//! own; their forecast is the sum of both real parts (Svetunkov et al. 2022).

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    None,
    Simple,
    Partial,
    Full,
}

impl Form {
    pub(crate) const ALL: [Self; 4] = [Self::None, Self::Simple, Self::Partial, Self::Full];

    /// The number of state components: what AICc counts.
    pub(crate) fn components(self) -> usize {
        match self {
            Self::None | Self::Simple => 2,
            Self::Partial => 3,
            Self::Full => 4,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "CES(none)",
            Self::Simple => "CES(simple)",
            Self::Partial => "CES(partial)",
            Self::Full => "CES(full)",
        })
    }
}

/// Real and imaginary part of the weights of the level and of the season.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weights {
    pub(crate) alpha: [f64; 2],
    pub(crate) beta: [f64; 2],
}

impl Weights {
    /// By how much the level grows in a step without errors, in the long run: the size of the largest eigenvalue of
    /// `[[1, α₁ − 1], [1, 1 − α₀]]`, less 1.
    pub(crate) fn growth(&self) -> f64 {
        let [real, imaginary] = self.alpha;
        let (half_trace, determinant) = (1.0 - 0.5 * real, 2.0 - real - imaginary);
        let square = half_trace * half_trace - determinant;
        if square < 0.0 { determinant.sqrt() - 1.0 } else { half_trace.abs() + square.sqrt() - 1.0 }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    level: [f64; 2],
    /// By position in the season.
    seasons: Vec<[f64; 2]>,
    /// The position of the next value.
    slot: usize,
}

/// One step's forecast, and its error (0 for a missing value).
pub(crate) struct Step {
    pub(crate) forecast: f64,
    pub(crate) error: f64,
}

impl State {
    pub(crate) fn new(level: [f64; 2], seasons: Vec<[f64; 2]>) -> Self {
        Self { level, seasons, slot: 0 }
    }

    /// A state of the same form with all parts 0.
    pub(crate) fn zeroed(&self) -> Self {
        Self { level: [0.0; 2], seasons: vec![[0.0; 2]; self.seasons.len()], slot: self.slot }
    }

    /// Moves over one value. A missing one counts as its own forecast.
    #[inline]
    pub(crate) fn step(&mut self, form: Form, weights: &Weights, value: f64) -> Step {
        let season = self.seasons.get(self.slot).copied().unwrap_or_default();
        let forecast = match form {
            Form::None => self.level[0],
            Form::Simple => season[0],
            Form::Partial | Form::Full => self.level[0] + season[0],
        };
        let error = if value.is_nan() { 0.0 } else { value - forecast };
        if form != Form::Simple {
            self.level = moved(self.level, weights.alpha, error);
        }
        if let Some(place) = self.seasons.get_mut(self.slot) {
            *place = season_moved(form, season, weights, error);
            self.slot = if self.slot + 1 == self.seasons.len() { 0 } else { self.slot + 1 };
        }
        Step { forecast, error }
    }

    /// Moves over `values` and returns the sum of squared errors.
    pub(crate) fn pass<'a>(&mut self, form: Form, weights: &Weights, values: impl Iterator<Item = &'a f64>) -> f64 {
        let mut squares = 0.0;
        for &value in values {
            let error = self.step(form, weights, value).error;
            squares += error * error;
        }
        squares
    }

    /// Turns round after a pass over `length` values, for a pass over the same values the other way: the state that lies ahead
    /// becomes the state behind.
    pub(crate) fn turn(&mut self, form: Form, weights: &Weights) {
        if form != Form::Simple {
            self.level = moved(self.level, weights.alpha, 0.0);
        }
        for season in &mut self.seasons {
            *season = season_moved(form, *season, weights, 0.0);
        }
        // The last position that was seen is the first one on the way back.
        self.seasons.rotate_left(self.slot);
        self.seasons.reverse();
        self.slot = 0;
    }
}

fn season_moved(form: Form, season: [f64; 2], weights: &Weights, error: f64) -> [f64; 2] {
    match form {
        Form::None => season,
        Form::Simple => moved(season, weights.alpha, error),
        Form::Partial => [season[0] + weights.beta[0] * error, 0.0],
        Form::Full => moved(season, weights.beta, error),
    }
}

#[inline]
fn moved([real, imaginary]: [f64; 2], weight: [f64; 2], error: f64) -> [f64; 2] {
    [
        real - (1.0 - weight[1]) * imaginary + (weight[0] - weight[1]) * error,
        real + (1.0 - weight[0]) * imaginary + (weight[0] + weight[1]) * error,
    ]
}
