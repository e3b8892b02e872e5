//! Which components a model has, and its parameters.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    Additive,
    /// The error is relative to the forecast. Only for values greater than zero.
    Multiplicative,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trend {
    None,
    Additive,
    /// Additive, shrinking by φ with each step.
    Damped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Season {
    None,
    Additive,
    /// Only for values greater than zero.
    Multiplicative,
}

/// The components of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) error: Error,
    pub(crate) trend: Trend,
    pub(crate) season: Season,
}

impl Form {
    pub(crate) const DAMPED: Self = Self::new(Error::Additive, Trend::Damped, Season::None);

    /// The forms to choose from. Left out are multiplicative trends, which forecast badly, and multiplicative seasons with additive
    /// errors, which are numerically unstable (Hyndman et al. 2008; the forecast package for R leaves out the same).
    pub(crate) const ALL: [Self; 15] = [
        Self::new(Error::Additive, Trend::None, Season::None),
        Self::new(Error::Additive, Trend::Additive, Season::None),
        Self::new(Error::Additive, Trend::Damped, Season::None),
        Self::new(Error::Additive, Trend::None, Season::Additive),
        Self::new(Error::Additive, Trend::Additive, Season::Additive),
        Self::new(Error::Additive, Trend::Damped, Season::Additive),
        Self::new(Error::Multiplicative, Trend::None, Season::None),
        Self::new(Error::Multiplicative, Trend::Additive, Season::None),
        Self::new(Error::Multiplicative, Trend::Damped, Season::None),
        Self::new(Error::Multiplicative, Trend::None, Season::Additive),
        Self::new(Error::Multiplicative, Trend::Additive, Season::Additive),
        Self::new(Error::Multiplicative, Trend::Damped, Season::Additive),
        Self::new(Error::Multiplicative, Trend::None, Season::Multiplicative),
        Self::new(Error::Multiplicative, Trend::Additive, Season::Multiplicative),
        Self::new(Error::Multiplicative, Trend::Damped, Season::Multiplicative),
    ];

    const fn new(error: Error, trend: Trend, season: Season) -> Self {
        Self { error, trend, season }
    }

    pub(crate) fn is_positive_only(self) -> bool {
        self.error == Error::Multiplicative || self.season == Season::Multiplicative
    }

    /// The number of estimated parameters for a season of `season` points: smoothing weights, initial states and the
    /// variance. The last of the initial seasonal states follows from the others.
    pub(crate) fn parameters(self, season: usize) -> usize {
        let trend = match self.trend {
            Trend::None => 0,
            Trend::Additive => 2,
            Trend::Damped => 3,
        };
        let seasonal = if self.season == Season::None { 0 } else { season };
        3 + trend + seasonal
    }
}

/// As in the literature: `ETS(M,Ad,M)`.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = if self.error == Error::Additive { "A" } else { "M" };
        let trend = match self.trend {
            Trend::None => "N",
            Trend::Additive => "A",
            Trend::Damped => "Ad",
        };
        let season = match self.season {
            Season::None => "N",
            Season::Additive => "A",
            Season::Multiplicative => "M",
        };
        write!(f, "ETS({error},{trend},{season})")
    }
}

/// The smoothing weights of level, slope and season, and the damping. What a form lacks is 0, and φ is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Weights {
    pub(crate) alpha: f64,
    pub(crate) beta: f64,
    pub(crate) gamma: f64,
    pub(crate) phi: f64,
}

/// The state at one point of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) level: f64,
    pub(crate) slope: f64,
    /// The latest seasonal state of each position in the season; the first position is that of the first value. Empty without a
    /// season.
    pub(crate) seasons: Vec<f64>,
}
