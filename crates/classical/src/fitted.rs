//! A method estimated on one series, and its forecasts.

use crate::Method;
use crate::adjust::Adjustment;
use crate::ces::Ces;
use crate::drift::Drift;
use crate::ets::{Ets, Form};
use crate::naive::Naive;
use crate::series::Series;
use crate::theta::{Theta, Weight};

/// A forecast of one series, in its units. Both parts have the length of the horizon.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// The point forecast of each step.
    pub mean: Vec<f64>,
    /// The standard deviation of each step's error, by the method's own formula. It is 0 where the history tells nothing about
    /// errors: a constant series, or a single point.
    pub sigma: Vec<f64>,
}

/// The variance of each step's error for a linear model with additive errors: `σ² (1 + c(1)² + … + c(h−1)²)`, where `c(j)` is how
/// much a unit error moves the forecast `j` steps after it.
pub(crate) fn linear_variances(variance: f64, responses: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
    responses.scan(variance, move |total, response| {
        let now = *total;
        *total += variance * response * response;
        Some(now)
    })
}

/// A method with its parameters for one series, at the end of one history.
#[derive(Clone, Debug)]
pub struct Fitted {
    method: Method,
    season: usize,
    /// Where the window that the parameters were estimated on starts in the history.
    start: usize,
    scale: f64,
    /// `None` where the method could not be estimated.
    model: Option<Model>,
    /// The forecast where the model is missing or diverges. `None` where no value of the history is known.
    naive: Option<Naive>,
}

#[derive(Clone, Debug)]
enum Model {
    Naive,
    Drift(Drift),
    Theta(Theta),
    Damped(Adjustment, Ets),
    Ets(Ets),
    Ces(Ces),
}

impl Fitted {
    pub(crate) fn new(method: Method, history: &[f64], season: usize) -> Self {
        let season = season.max(1);
        let Some(series) = Series::latest(history, season) else {
            return Self { method, season, start: 0, scale: 1.0, model: None, naive: None };
        };
        let model = Model::fit(method, &series);
        Self { method, season, start: series.start, scale: series.scale, model, naive: Some(Naive::fit(&series)) }
    }

    /// The method that was asked for.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Whether the method could not be estimated, so that the forecasts are the seasonal naive ones.
    pub fn is_fallback(&self) -> bool {
        self.model.is_none()
    }

    /// The form that was chosen, such as `ETS(M,Ad,M)`; empty for methods with one form.
    pub fn form(&self) -> String {
        match &self.model {
            Some(Model::Ets(ets) | Model::Damped(_, ets)) => ets.form().to_string(),
            Some(Model::Ces(ces)) => ces.form().to_string(),
            _ => String::new(),
        }
    }

    /// The same parameters at the end of another history of the same series: one with more points at its end, or fewer. The
    /// first point must be the same as in the history that the method was fitted on.
    ///
    /// This costs one pass over the series. Parameters that were estimated on points after the new end know of the future: to
    /// judge a method on several origins, fit it on the earliest one and move it forward. A method is estimated anew where
    /// it was a fallback, or where the new history ends before the window that it was estimated on has enough points.
    #[must_use]
    pub fn refilter(&self, history: &[f64]) -> Self {
        let moved = || {
            let series = Series::from(history, self.season, self.start, self.scale)?;
            let model = self.model.as_ref()?.refilter(&series)?;
            // The naive forecast has no parameters; it is taken from the same window as when it is fitted.
            let latest = Series::from(history, self.season, Series::latest(history, self.season)?.start, self.scale)?;
            Some(Self { model: Some(model), naive: Some(Naive::fit(&latest)), ..self.clone() })
        };
        moved().unwrap_or_else(|| Self::new(self.method, history, self.season))
    }

    /// The forecast of the `horizon` steps after the history.
    ///
    /// Finite if one value of the history is, else NaN.
    pub fn forecast(&self, horizon: usize) -> Forecast {
        let Some(naive) = &self.naive else {
            return Forecast { mean: vec![f64::NAN; horizon], sigma: vec![f64::NAN; horizon] };
        };
        let model = self.model.as_ref().map(|model| self.in_units(model.forecast(horizon, naive)));
        model
            .filter(|forecast| forecast.mean.iter().chain(&forecast.sigma).all(|value| value.is_finite()))
            .unwrap_or_else(|| self.in_units(naive.forecast(horizon)))
    }

    fn in_units(&self, forecast: Forecast) -> Forecast {
        let mean = forecast.mean.iter().map(|value| value * self.scale).collect();
        let sigma = forecast.sigma.iter().map(|value| (value * self.scale).min(f64::MAX)).collect();
        Forecast { mean, sigma }
    }
}

impl Model {
    fn fit(method: Method, series: &Series) -> Option<Self> {
        if method == Method::SeasonalNaive {
            return Some(Self::Naive);
        }
        if series.is_constant() {
            return None;
        }
        match method {
            Method::SeasonalNaive => Some(Self::Naive),
            Method::Drift => Drift::fit(series).map(Self::Drift),
            Method::Theta => Theta::fit(series, Weight::Half).map(Self::Theta),
            Method::OptimisedTheta => Theta::fit(series, Weight::Estimated).map(Self::Theta),
            Method::DampedTrend => {
                let adjustment = Adjustment::fit(series);
                let ets = Ets::fit(&adjustment.remove(series), &[Form::DAMPED])?;
                Some(Self::Damped(adjustment, ets))
            }
            Method::Ets => Ets::fit(series, &Form::ALL).map(Self::Ets),
            Method::Ces => Ces::fit(series).map(Self::Ces),
        }
    }

    fn refilter(&self, series: &Series) -> Option<Self> {
        match self {
            Self::Naive => Some(Self::Naive),
            Self::Drift(_) => Drift::fit(series).map(Self::Drift),
            Self::Theta(theta) => theta.refilter(series).map(Self::Theta),
            Self::Damped(adjustment, ets) => {
                let ets = ets.refilter(&adjustment.remove(series))?;
                Some(Self::Damped(adjustment.clone(), ets))
            }
            Self::Ets(ets) => ets.refilter(series).map(Self::Ets),
            Self::Ces(ces) => ces.refilter(series).map(Self::Ces),
        }
    }

    fn forecast(&self, horizon: usize, naive: &Naive) -> Forecast {
        match self {
            Self::Naive => naive.forecast(horizon),
            Self::Drift(drift) => drift.forecast(horizon),
            Self::Theta(theta) => theta.forecast(horizon),
            Self::Damped(adjustment, ets) => adjustment.restore(ets.forecast(horizon), ets.len()),
            Self::Ets(ets) => ets.forecast(horizon),
            Self::Ces(ces) => ces.forecast(horizon),
        }
    }
}
