//! Exponential smoothing in state-space form, with automatic choice.
//!
//! R. J. Hyndman, A. B. Koehler, J. K. Ord and R. D. Snyder, "Forecasting with Exponential Smoothing: The State Space Approach"
//! (2008). The smoothing weights and the initial states maximise the likelihood; the form is the one with the smallest AICc.
//! The likelihood's slope comes from a pass back through the filter, so the search costs as much for a season of 168
//! points as for none.

mod ahead;
mod filter;
mod form;
mod layout;
mod start;

#[cfg(test)]
mod tests;

use filter::{Filter, Slope};
pub(crate) use form::Form;
use form::{Season, State, Weights};
use layout::Layout;
use start::{Start, grid};

use crate::fitted::Forecast;
use crate::lbfgs::{Limits, minimise};
use crate::series::Series;

/// Differences in AICc that matter are near 1.
const LIMITS: Limits = Limits { iterations: 60, decrease: 2e-3 };

#[derive(Clone, Debug)]
pub(crate) struct Ets {
    form: Form,
    weights: Weights,
    /// Before the first value.
    first: State,
    /// After the last value.
    last: State,
    length: usize,
    /// The variance of the errors, relative ones for multiplicative errors.
    variance: f64,
}

/// A fitted form, while the best one is looked for.
struct Candidate {
    layout: Layout,
    at: Vec<f64>,
    squares: f64,
    known: usize,
    /// The corrected Akaike information criterion.
    aicc: f64,
}

impl Ets {
    /// The best of `forms`. `None` where the series is too short for any.
    pub(crate) fn fit(series: &Series, forms: &[Form]) -> Option<Self> {
        let known = series.known().count();
        let is_positive = series.is_positive();
        let is_seasonal = series.season > 1 && series.len() >= 2 * series.season;
        let filled = series.filled();
        let mut filter = Filter::default();
        let mut best: Option<Candidate> = None;
        for &form in forms {
            let parameters = form.parameters(series.season);
            if known <= parameters + 1
                || (form.is_positive_only() && !is_positive)
                || (form.season != Season::None && !is_seasonal)
            {
                continue;
            }
            let start = Start::new(series, &filled, form.trend, form.season);
            let layout = Layout { form, start, season: series.season };
            for at in grid(&layout, &series.values, &mut filter) {
                let candidate = Candidate::fit(&layout, at, series, known, &mut filter);
                best = candidate.filter(|new| best.as_ref().is_none_or(|best| new.aicc < best.aicc)).or(best);
            }
        }
        Self::new(&best?, series)
    }

    fn new(best: &Candidate, series: &Series) -> Option<Self> {
        let form = best.layout.form;
        let mut first = State::default();
        let weights = best.layout.parameters(&best.at, &mut first);
        let free = best.known.saturating_sub(form.parameters(series.season) - 1).max(1);
        let variance = best.squares / free as f64;
        let empty = Self { form, weights, last: first.clone(), first, length: 0, variance };
        empty.refilter(series)
    }

    /// The same parameters and first state at the end of another history. `None` where the model diverges on it.
    pub(crate) fn refilter(&self, series: &Series) -> Option<Self> {
        let mut last = self.first.clone();
        Filter::default().forward(self.form, &series.values, &self.weights, &mut last)?;
        Some(Self { last, length: series.len(), ..self.clone() })
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// The number of values up to the end of the history.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn forecast(&self, horizon: usize) -> Forecast {
        ahead::forecast(self, horizon)
    }
}

impl Candidate {
    fn fit(layout: &Layout, mut at: Vec<f64>, series: &Series, known: usize, filter: &mut Filter) -> Option<Self> {
        let (mut state, mut slope) = (State::default(), Slope::default());
        let mut squares = f64::NAN;
        let deviance = minimise(&mut at, LIMITS, |at, into| {
            let weights = layout.parameters(at, &mut state);
            let Some(fit) = filter.forward(layout.form, &series.values, &weights, &mut state) else {
                return f64::INFINITY;
            };
            filter.backward(layout.form, &weights, &fit, state.seasons.len(), &mut slope);
            layout.chain(at, &weights, &slope, into);
            fit.deviance
        });
        if deviance.is_finite() {
            let weights = layout.parameters(&at, &mut state);
            squares = filter.forward(layout.form, &series.values, &weights, &mut state)?.squares;
        }
        let parameters = layout.form.parameters(series.season) as f64;
        let aicc = deviance + 2.0 * parameters * known as f64 / (known as f64 - parameters - 1.0);
        aicc.is_finite().then(|| Self { layout: layout.clone(), at, squares, known, aicc })
    }
}
