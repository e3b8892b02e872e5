//! The theta method, and its optimised form.
//!
//! J. A. Fiorucci, T. R. Pellegrini, F. Louzada, F. Petropoulos and A. B. Koehler, "Models for optimising the theta method and
//! their relationship to state space models", International Journal of Forecasting 32 (2016). With the line `A + B t` of the
//! series' linear trend, the forecast of point `t` (from 1) is
//!
//! ```text
//! μ(t) = ℓ(t−1) + w (A (1−α)^(t−1) + B (1 − (1−α)^t) / α)
//! ℓ(t) = α y(t) + (1−α) ℓ(t−1)
//! ```
//!
//! where `w = 1 − 1/θ`. The theta method of 2000 has θ = 2, so `w` is a half.
//!
//! For a given α, every error is linear in `ℓ(0)` and `w`. So these two are found by least squares, and only α is
//! searched for: the optimum is the global one, at the cost of some thirty passes.

use crate::adjust::Adjustment;
use crate::fitted::Forecast;
use crate::series::Series;

/// The bounds of α, as in the authors' package forecTheta.
const ALPHAS: (f64, f64) = (0.1, 0.99);

/// The candidates of the first, coarse search.
const COARSE: usize = 12;

/// The narrowings of the second search, each by the golden ratio.
const NARROWINGS: usize = 14;

/// The first errors are left out of the sum, since the level has not settled (as in forecTheta and statsforecast).
const SKIPPED: usize = 3;

/// How the trend's weight `w` is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Weight {
    Half,
    Estimated,
}

#[derive(Clone, Debug)]
pub(crate) struct Theta {
    adjustment: Adjustment,
    parameters: Parameters,
    line: Line,
    level: f64,
    length: usize,
    sigma: f64,
}

#[derive(Clone, Copy, Debug)]
struct Parameters {
    alpha: f64,
    /// The level before the first point.
    start: f64,
    weight: f64,
}

/// The linear trend `intercept + slope t`, with `t` from 1.
#[derive(Clone, Copy, Debug)]
struct Line {
    intercept: f64,
    slope: f64,
}

impl Theta {
    /// `None` where fewer than five values are known.
    pub(crate) fn fit(series: &Series, weight: Weight) -> Option<Self> {
        let known = series.known().count();
        if known <= SKIPPED + 1 {
            return None;
        }
        let adjustment = Adjustment::fit(series);
        let adjusted = adjustment.remove(series);
        let line = Line::through(&adjusted)?;
        let solve = |alpha: f64| Sums::over(&adjusted.values, line, alpha).solve(alpha, weight);
        let (squares, parameters) = search(solve);
        let free = if weight == Weight::Half { 2 } else { 3 };
        let errors = known - SKIPPED;
        let sigma = (squares / errors.saturating_sub(free).max(1) as f64).sqrt();
        let level = parameters.filter(&adjusted.values, line);
        Some(Self { adjustment, parameters, line, level, length: series.len(), sigma })
    }

    /// Keeps the seasonal figures, α, the weight and the first level. The trend is that of the new history.
    pub(crate) fn refilter(&self, series: &Series) -> Option<Self> {
        let adjusted = self.adjustment.remove(series);
        let line = Line::through(&adjusted)?;
        let level = self.parameters.filter(&adjusted.values, line);
        Some(Self { line, level, length: series.len(), ..self.clone() })
    }

    /// The variance of step `h` is `(1 + (h−1) α²) σ²` (Fiorucci et al. 2016).
    pub(crate) fn forecast(&self, horizon: usize) -> Forecast {
        let Parameters { alpha, weight, .. } = self.parameters;
        let mut level = self.level;
        let mut pull = Pull::new(self.line, alpha, self.length);
        let mut mean = Vec::with_capacity(horizon);
        for _ in 0..horizon {
            let forecast = level + weight * pull.next();
            level += alpha * (forecast - level);
            mean.push(forecast);
        }
        let sigma = (0..horizon).map(|ahead| self.sigma * (1.0 + ahead as f64 * alpha * alpha).sqrt()).collect();
        self.adjustment.restore(Forecast { mean, sigma }, self.length)
    }
}

impl Parameters {
    /// The level after the last value. A missing value is taken to be its own forecast.
    fn filter(&self, values: &[f64], line: Line) -> f64 {
        let mut level = self.start;
        let mut pull = Pull::new(line, self.alpha, 0);
        for &value in values {
            let forecast = level + self.weight * pull.next();
            let value = if value.is_nan() { forecast } else { value };
            level += self.alpha * (value - level);
        }
        level
    }
}

impl Line {
    /// Least squares over the known values. `None` for fewer than two.
    fn through(series: &Series) -> Option<Self> {
        let points = || series.known().map(|(at, value)| ((at + 1) as f64, value));
        let count = points().count() as f64;
        let (time, level) = points().fold((0.0, 0.0), |(time, level), (t, value)| (time + t, level + value));
        let (time, level) = (time / count, level / count);
        let spread: f64 = points().map(|(t, _)| (t - time).powi(2)).sum();
        let slope = points().map(|(t, value)| (t - time) * (value - level)).sum::<f64>() / spread;
        (spread > 0.0).then_some(Self { intercept: level - slope * time, slope })
    }
}

/// The sequence `A (1−α)^(t−1) + B (1 − (1−α)^t) / α`: what the weight multiplies.
struct Pull {
    line: Line,
    alpha: f64,
    /// `(1−α)^(t−1)`.
    decay: f64,
}

impl Pull {
    /// Starts after `length` points.
    fn new(line: Line, alpha: f64, length: usize) -> Self {
        Self { line, alpha, decay: (1.0 - alpha).powf(length as f64) }
    }

    fn next(&mut self) -> f64 {
        let before = self.decay;
        self.decay *= 1.0 - self.alpha;
        self.line.intercept * before + self.line.slope * (1.0 - self.decay) / self.alpha
    }
}

/// The sums of the normal equations for `ℓ(0)` (first) and `w` (second).
#[derive(Default)]
struct Sums {
    first: f64,
    both: f64,
    second: f64,
    first_rest: f64,
    second_rest: f64,
    rest: f64,
}

impl Sums {
    fn over(values: &[f64], line: Line, alpha: f64) -> Self {
        let mut sums = Self::default();
        let mut pull = Pull::new(line, alpha, 0);
        // The level is `fixed + of_start ℓ(0) + of_weight w`.
        let (mut fixed, mut of_start, mut of_weight) = (0.0, 1.0, 0.0);
        for (at, &value) in values.iter().enumerate() {
            let weighted = of_weight + pull.next();
            if value.is_nan() {
                of_weight += alpha * (weighted - of_weight);
                continue;
            }
            if at >= SKIPPED {
                let rest = value - fixed;
                sums.first += of_start * of_start;
                sums.both += of_start * weighted;
                sums.second += weighted * weighted;
                sums.first_rest += of_start * rest;
                sums.second_rest += weighted * rest;
                sums.rest += rest * rest;
            }
            fixed += alpha * (value - fixed);
            of_start *= 1.0 - alpha;
            of_weight *= 1.0 - alpha;
        }
        sums
    }

    /// The sum of squared errors, and the parameters that make it smallest with the weight from 0 to 1 (θ is at least 1).
    fn solve(&self, alpha: f64, weight: Weight) -> (f64, Parameters) {
        // Where the data do not tell (α near 1 forgets the first level at once), these decide: a weight of a half, a level of 0.
        let ridge = 1e-9 * (self.first + self.second) + f64::MIN_POSITIVE;
        let start = |weight: f64| (self.first_rest - weight * self.both) / (self.first + ridge);
        let found = match weight {
            Weight::Half => 0.5,
            Weight::Estimated => {
                let (first, second) = (self.first + ridge, self.second + ridge);
                let determinant = first * second - self.both * self.both;
                let numerator = first * (self.second_rest + 0.5 * ridge) - self.both * self.first_rest;
                if determinant > 0.0 { (numerator / determinant).clamp(0.0, 1.0) } else { 0.5 }
            }
        };
        let start = start(found);
        let squares = self.rest - 2.0 * (start * self.first_rest + found * self.second_rest)
            + start * start * self.first
            + 2.0 * start * found * self.both
            + found * found * self.second;
        (squares.max(0.0), Parameters { alpha, start, weight: found })
    }
}

/// The best α: a coarse grid, then golden sections around its best point.
fn search(solve: impl Fn(f64) -> (f64, Parameters)) -> (f64, Parameters) {
    let (low, high) = ALPHAS;
    let width = (high - low) / (COARSE - 1) as f64;
    let better = |a: (f64, Parameters), b: (f64, Parameters)| if b.0 < a.0 { b } else { a };
    let mut best = solve(low);
    for at in 1..COARSE {
        best = better(best, solve(low + width * at as f64));
    }
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut left, mut right) = ((best.1.alpha - width).max(low), (best.1.alpha + width).min(high));
    for _ in 0..NARROWINGS {
        let (first, second) = (right - golden * (right - left), left + golden * (right - left));
        let (a, b) = (solve(first), solve(second));
        if a.0 < b.0 {
            right = second
        } else {
            left = first
        }
        best = better(best, better(a, b));
    }
    best
}
