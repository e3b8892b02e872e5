//! Complex exponential smoothing, with automatic choice of its seasonal form.
//!
//! I. Svetunkov, N. Kourentzes and J. K. Ord, "Complex exponential smoothing", Naval Research Logistics 69 (2022). The smoothing
//! weight is a complex number, whose two parts let one model be level, trend, or something between. The first states come from
//! passes forward and back over the series (backcasting), so only the weights are searched for, and only they and the size of
//! the state count in AICc, as in the authors' package smooth and in statsforecast.

mod filter;

#[cfg(test)]
mod tests;

use filter::{Form, State, Weights};

use crate::adjust::figures;
use crate::fitted::{Forecast, linear_variances};
use crate::nelder_mead::{Bounds, minimise};
use crate::series::Series;

/// The bounds of α₀, α₁, β₀ and β₁, as in statsforecast.
const LOW: [f64; 4] = [0.01, 0.01, 0.01, 0.01];
const HIGH: [f64; 4] = [1.8, 1.9, 1.5, 1.5];

/// The most that a level may grow in a step (besides [`GROWTH_OF_SEASON`], shared out over the season's points). Without a bound, the
/// forecasts of short series explode.
const GROWTH: f64 = 0.1;
const GROWTH_OF_SEASON: f64 = 0.2;

/// Where the search starts: a level with some trend.
const ALPHA: [f64; 2] = [1.3, 1.0];
const BETA_OF_PARTIAL: f64 = 0.1;

/// The number of first values that a state without season is taken from.
const POINTS: usize = 10;

/// Added to the mean squared error, so that a perfect fit has a finite likelihood. Values are near 1 in size.
const FLOOR: f64 = 1e-18;

#[derive(Clone, Debug)]
pub(crate) struct Ces {
    form: Form,
    weights: Weights,
    /// Before the first value.
    first: State,
    /// After the last value.
    last: State,
    variance: f64,
}

impl Ces {
    /// The best form by AICc. `None` where the series is too short for any.
    pub(crate) fn fit(series: &Series) -> Option<Self> {
        let known = series.known().count();
        let is_seasonal = series.season > 1 && series.len() >= 2 * series.season;
        let filled = series.filled();
        let mut best: Option<(f64, Self)> = None;
        for form in Form::ALL {
            let parameters = form.components() + 1;
            if known <= parameters + 1 || (form != Form::None && !is_seasonal) {
                continue;
            }
            let start = start(form, &filled, series.season);
            let growth = GROWTH.min(GROWTH_OF_SEASON / series.season as f64);
            let (weights, deviance) = search(form, series, &start, known, growth);
            let aicc = deviance + 2.0 * (parameters * known) as f64 / (known - parameters - 1) as f64;
            if best.as_ref().is_none_or(|(least, _)| aicc < *least) && aicc.is_finite() {
                let (first, squares) = backcast(form, &weights, &series.values, &start);
                let variance = squares / (known - parameters).max(1) as f64;
                let empty = Self { form, weights, last: first.clone(), first, variance };
                best = empty.refilter(series).map(|fitted| (aicc, fitted)).or(best);
            }
        }
        best.map(|(_, fitted)| fitted)
    }

    /// The same weights and first state at the end of another history.
    pub(crate) fn refilter(&self, series: &Series) -> Option<Self> {
        let mut last = self.first.clone();
        let squares = last.pass(self.form, &self.weights, series.values.iter());
        squares.is_finite().then(|| Self { last, ..self.clone() })
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// The model is linear with additive errors, so its variance follows from its forecasts after a unit error.
    pub(crate) fn forecast(&self, horizon: usize) -> Forecast {
        let ahead = |mut state: State| {
            let mut next = move || state.step(self.form, &self.weights, f64::NAN);
            std::iter::repeat_with(move || next().forecast)
        };
        let mean = ahead(self.last.clone()).take(horizon).collect();
        let mut impulse = self.last.zeroed();
        impulse.step(self.form, &self.weights, 1.0);
        let responses = ahead(impulse).take(horizon);
        let sigma = linear_variances(self.variance, responses).map(f64::sqrt).collect();
        Forecast { mean, sigma }
    }
}

/// A first state by heuristics. Backcasting improves it.
fn start(form: Form, filled: &[f64], season: usize) -> State {
    let mean = |first: usize| {
        let first = filled.len().min(first);
        filled[..first].iter().sum::<f64>() / first as f64
    };
    // The ratio is that of the authors' package smooth.
    let pair = |real: f64| [real, real / 1.1];
    match form {
        Form::None => State::new(pair(mean(POINTS)), Vec::new()),
        Form::Simple => State::new([0.0; 2], filled[..season].iter().map(|&value| pair(value)).collect()),
        Form::Partial | Form::Full => {
            let seasons = figures(filled, season, false);
            State::new(pair(mean(season)), seasons.into_iter().map(pair).collect())
        }
    }
}

/// The weights with the smallest sum of squares, and −2 log-likelihood up to a constant.
fn search(form: Form, series: &Series, start: &State, known: usize, growth: f64) -> (Weights, f64) {
    let known = known as f64;
    let deviance = |weights: &Weights| {
        if form != Form::Simple && weights.growth() > growth {
            return f64::INFINITY;
        }
        let (_, squares) = backcast(form, weights, &series.values, start);
        known * (squares / known + FLOOR).ln()
    };
    fn within<const N: usize>() -> Bounds<N> {
        let part = |of: [f64; 4]| std::array::from_fn(|axis| of[axis]);
        Bounds { low: part(LOW), high: part(HIGH), step: 0.1, evaluations: 60 * N, tolerance: 1e-2 }
    }
    let [real, imaginary] = ALPHA;
    match form {
        Form::None | Form::Simple => {
            let weights = |at: &[f64; 2]| Weights { alpha: *at, beta: [0.0; 2] };
            let (at, value) = minimise(ALPHA, &within(), |at| deviance(&weights(at)));
            (weights(&at), value)
        }
        Form::Partial => {
            let weights = |at: &[f64; 3]| Weights { alpha: [at[0], at[1]], beta: [at[2], 0.0] };
            let (at, value) = minimise([real, imaginary, BETA_OF_PARTIAL], &within(), |at| deviance(&weights(at)));
            (weights(&at), value)
        }
        Form::Full => {
            let weights = |at: &[f64; 4]| Weights { alpha: [at[0], at[1]], beta: [at[2], at[3]] };
            let (at, value) = minimise([real, imaginary, real, imaginary], &within(), |at| deviance(&weights(at)));
            (weights(&at), value)
        }
    }
}

/// The first state after a pass forward and one back, and the sum of squared errors of the pass forward from there.
fn backcast(form: Form, weights: &Weights, values: &[f64], start: &State) -> (State, f64) {
    let mut state = start.clone();
    state.pass(form, weights, values.iter());
    state.turn(form, weights);
    state.pass(form, weights, values.iter().rev());
    state.turn(form, weights);
    let first = state.clone();
    (first, state.pass(form, weights, values.iter()))
}
