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
//! where `w = 1 − 1/θ`. The theta method of 2000 has θ = 2, so `w` is a half, and one line for all points. In the optimised form, `w`
//! is estimated and the line is that of the points before `t` (the authors' dynamic model, DOTM, which forecasts better than
//! their static one).
//!
//! For a given α, every error is linear in `ℓ(0)` and `w`. So these two are found by least squares, and only α is searched for, in
//! forty passes.

use crate::adjust::Adjustment;
use crate::fitted::Forecast;
use crate::series::Series;

/// The bounds of α, as in statsforecast.
const ALPHAS: (f64, f64) = (0.1, 0.99);

/// The candidates of the first, coarse search.
const COARSE: usize = 12;

/// The narrowings of the second search, each by the golden ratio.
const NARROWINGS: usize = 14;

/// The first errors are left out of the sum, since the level has not settled (as in statsforecast).
const SKIPPED: usize = 3;

/// The standard deviation around a half that the estimated weight is expected to have. With errors of variance σ², least squares
/// has the term `σ² ((w − ½) / PRIOR)²`. Chosen on five origins of public competition series: without it, the forecasts of monthly
/// series of 30 to 130 points are 3 % worse.
const PRIOR: f64 = 0.7;

/// Makes the equations solvable where their columns are the same.
const RIDGE: f64 = 1e-9;

/// How the trend's weight `w` is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Weight {
    Half,
    Estimated,
}

#[derive(Clone, Debug)]
pub(crate) struct Theta {
    adjustment: Adjustment,
    weight: Weight,
    parameters: Parameters,
    end: End,
    sigma: f64,
}

/// The state after the last value.
#[derive(Clone, Debug)]
struct End {
    level: f64,
    trend: Trend,
    length: usize,
}

#[derive(Clone, Copy, Debug)]
struct Parameters {
    alpha: f64,
    /// The level before the first point.
    start: f64,
    weight: f64,
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
        let lines = lines(&adjusted, weight);
        let solve = |alpha: f64| Sums::over(&adjusted.values, &lines, alpha).solve(alpha, weight);
        let (squares, parameters) = search(solve);
        let free = if weight == Weight::Half { 2 } else { 3 };
        let errors = known - SKIPPED;
        let sigma = (squares / errors.saturating_sub(free).max(1) as f64).sqrt();
        Some(Self { adjustment, weight, parameters, end: parameters.filter(&adjusted, &lines), sigma })
    }

    /// Keeps the seasonal figures, α, the weight and the first level. The trend is that of the new history.
    pub(crate) fn refilter(&self, series: &Series) -> Option<Self> {
        let adjusted = self.adjustment.remove(series);
        let end = self.parameters.filter(&adjusted, &lines(&adjusted, self.weight));
        Some(Self { end, ..self.clone() })
    }

    /// The variance of step `h` is `(1 + (h−1) α²) σ²` (Fiorucci et al. 2016).
    pub(crate) fn forecast(&self, horizon: usize) -> Forecast {
        let Parameters { alpha, weight, .. } = self.parameters;
        let End { mut level, mut trend, length } = self.end.clone();
        let mut line = trend.line();
        let mut mean = Vec::with_capacity(horizon);
        let mut decay = Decay::new(alpha, length);
        for ahead in 0..horizon {
            let forecast = level + weight * decay.next(line);
            level += alpha * (forecast - level);
            mean.push(forecast);
            if self.weight == Weight::Estimated {
                trend.push(length + ahead, forecast);
                line = trend.line();
            }
        }
        let sigma = (0..horizon).map(|ahead| self.sigma * (1.0 + ahead as f64 * alpha * alpha).sqrt()).collect();
        self.adjustment.restore(Forecast { mean, sigma }, length)
    }
}

impl Parameters {
    /// The state after the last value. A missing value is taken to be its own forecast.
    fn filter(&self, series: &Series, lines: &[Line]) -> End {
        let mut level = self.start;
        let mut decay = Decay::new(self.alpha, 0);
        for (&value, &line) in series.values.iter().zip(lines) {
            let forecast = level + self.weight * decay.next(line);
            let value = if value.is_nan() { forecast } else { value };
            level += self.alpha * (value - level);
        }
        let mut trend = Trend::default();
        series.known().for_each(|(at, value)| trend.push(at, value));
        End { level, trend, length: series.len() }
    }
}

/// The line that each value is forecast with.
fn lines(series: &Series, weight: Weight) -> Vec<Line> {
    let mut trend = Trend::default();
    match weight {
        Weight::Half => {
            series.known().for_each(|(at, value)| trend.push(at, value));
            vec![trend.line(); series.len()]
        }
        Weight::Estimated => {
            let mut next = |(at, &value): (usize, &f64)| {
                // The first value has only itself to go by.
                let line = if at == 0 { Line { intercept: value, slope: 0.0 } } else { trend.line() };
                if !value.is_nan() {
                    trend.push(at, value);
                }
                line
            };
            series.values.iter().enumerate().map(&mut next).collect()
        }
    }
}

/// The linear trend `intercept + slope t`, with `t` from 1.
#[derive(Clone, Copy, Debug)]
struct Line {
    intercept: f64,
    slope: f64,
}

/// Least squares over the points so far.
#[derive(Clone, Debug, Default)]
struct Trend {
    count: f64,
    time: f64,
    value: f64,
    /// Sums of squares and products around the means.
    spread: f64,
    product: f64,
}

impl Trend {
    /// Takes in the value at position `at` (from 0); the means are updated as they are in Welford's method.
    fn push(&mut self, at: usize, value: f64) {
        self.count += 1.0;
        let time = (at + 1) as f64 - self.time;
        self.time += time / self.count;
        self.spread += time * ((at + 1) as f64 - self.time);
        self.value += (value - self.value) / self.count;
        self.product += time * (value - self.value);
    }

    fn line(&self) -> Line {
        let slope = if self.spread > 0.0 { self.product / self.spread } else { 0.0 };
        Line { intercept: self.value - slope * self.time, slope }
    }
}

/// The sequence `A (1−α)^(t−1) + B (1 − (1−α)^t) / α`: what the weight multiplies.
struct Decay {
    alpha: f64,
    /// `(1−α)^(t−1)`.
    power: f64,
}

impl Decay {
    /// Starts after `length` points.
    fn new(alpha: f64, length: usize) -> Self {
        Self { alpha, power: (1.0 - alpha).powf(length as f64) }
    }

    fn next(&mut self, line: Line) -> f64 {
        let before = self.power;
        self.power *= 1.0 - self.alpha;
        line.intercept * before + line.slope * (1.0 - self.power) / self.alpha
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
    count: f64,
}

impl Sums {
    fn over(values: &[f64], lines: &[Line], alpha: f64) -> Self {
        let mut sums = Self::default();
        let mut decay = Decay::new(alpha, 0);
        // The level is `fixed + of_start ℓ(0) + of_weight w`.
        let (mut fixed, mut of_start, mut of_weight) = (0.0, 1.0, 0.0);
        for (at, (&value, &line)) in values.iter().zip(lines).enumerate() {
            let weighted = of_weight + decay.next(line);
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
                sums.count += 1.0;
            }
            fixed += alpha * (value - fixed);
            of_start *= 1.0 - alpha;
            of_weight *= 1.0 - alpha;
        }
        sums
    }

    /// The sum of squared errors, and the parameters that make it smallest with the weight from 0 to 1 (θ is at least 1).
    ///
    /// The estimated weight is drawn to a half by [`PRIOR`], which matters for short series.
    fn solve(&self, alpha: f64, weight: Weight) -> (f64, Parameters) {
        // Where the data do not tell the first level (α near 1 forgets it at once), it is near 0.
        let first = self.first * (1.0 + RIDGE) + f64::MIN_POSITIVE;
        let start = |weight: f64| (self.first_rest - weight * self.both) / first;
        let half = self.squares(start(0.5), 0.5);
        let weight = match weight {
            Weight::Half => 0.5,
            Weight::Estimated => {
                let prior = half / (self.count * PRIOR * PRIOR) + RIDGE * self.second + f64::MIN_POSITIVE;
                let determinant = first * (self.second + prior) - self.both * self.both;
                let numerator = first * (self.second_rest + 0.5 * prior) - self.both * self.first_rest;
                if determinant > 0.0 { (numerator / determinant).clamp(0.0, 1.0) } else { 0.5 }
            }
        };
        let start = start(weight);
        (self.squares(start, weight), Parameters { alpha, start, weight })
    }

    fn squares(&self, start: f64, weight: f64) -> f64 {
        let linear = start * self.first_rest + weight * self.second_rest;
        let quadratic = start * start * self.first + 2.0 * start * weight * self.both + weight * weight * self.second;
        (self.rest - 2.0 * linear + quadratic).max(0.0)
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

#[cfg(test)]
mod tests {
    use crate::Method;
    use crate::air_passengers::PASSENGERS;

    fn assert_near(method: Method, expected: [f64; 12], tolerance: f64) {
        for (mean, expected) in method.fit(&PASSENGERS, 12).forecast(12).mean.into_iter().zip(expected) {
            assert!((mean / expected - 1.0).abs() < tolerance, "{method:?}: {mean}, not {expected}");
        }
    }

    /// statsforecast 2.1.1: `Theta(season_length=12).forecast(y=AirPassengers, h=12)["mean"]`.
    #[test]
    fn the_theta_method_forecasts_what_statsforecast_does() {
        let expected = [
            440.969, 429.249, 490.693, 476.660, 480.631, 546.456, 603.953, 602.295, 524.990, 457.529, 398.738, 448.525,
        ];
        assert_near(Method::Theta, expected, 2e-4);
    }

    /// statsforecast 2.1.1: `DynamicOptimizedTheta(season_length=12).forecast(y=AirPassengers, h=12)["mean"]`. Its weight has no prior.
    #[test]
    fn the_optimised_form_forecasts_what_statsforecast_does() {
        let expected = [
            442.927, 432.298, 495.482, 482.575, 487.866, 556.122, 616.223, 616.110, 538.403, 470.411, 410.999, 463.477,
        ];
        assert_near(Method::OptimisedTheta, expected, 1e-3);
    }
}
