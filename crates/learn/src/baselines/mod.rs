//! Simple forecasts that every model must beat. They are fitted little or not at all.

mod linear;
mod theta;

pub use linear::Linear;

use super::prepare::Prepared;
use super::window_metrics::WindowMetrics;
use super::windows::{WindowView, Windows};
use gatecast_core::metric_values::{Baselines, HoldoutMetrics, Metrics};
use gatecast_core::seasonal::seasonal_naive;
use gatecast_model::scaling::WindowScale;

/// A method that forecasts a series from its context.
#[derive(Debug, Clone, PartialEq)]
pub enum Baseline {
    /// The last known value, repeated.
    Naive,
    /// The last season, repeated; the same as naive if the season is longer than the context.
    SeasonalNaive,
    /// The straight line through the first and the last value, extrapolated.
    Drift,
    /// A linear map from context to horizon, fitted on the training windows.
    Linear(Linear),
}

impl Baseline {
    /// The baseline's errors on some windows; `None` if there are none.
    pub fn evaluate(&self, prepared: &Prepared, windows: &Windows) -> Option<Metrics> {
        let mut errors = WindowMetrics::default();
        let mut own = WindowScale::default();
        let (mut context, mut forecast) = (Vec::new(), Vec::new());
        for window in (0..windows.len()).filter_map(|number| windows.get(number)) {
            let view = WindowView::of(prepared, window, &mut own);
            for target in 0..prepared.targets {
                known(view.context(target), &mut context);
                self.forecast(&context, prepared.shape.season, prepared.shape.horizon, target, &mut forecast);
                for (ahead, &forecast) in forecast.iter().enumerate() {
                    errors.add_point(&view, target, ahead, forecast);
                }
            }
        }
        errors.metrics()
    }

    /// Forecasts the points after `context`, whose values are all known, in the data's units.
    fn forecast(&self, context: &[f64], season: usize, horizon: usize, target: usize, forecast: &mut Vec<f64>) {
        forecast.clear();
        let length = context.len();
        let last = context.last().copied().unwrap_or_default();
        match self {
            Self::Naive => forecast.resize(horizon, last),
            Self::SeasonalNaive => {
                forecast.extend((0..horizon).map(|ahead| seasonal_naive(context, season, ahead)));
            }
            Self::Drift => {
                let steps = length.saturating_sub(1).max(1) as f64;
                let slope = (last - context.first().copied().unwrap_or(last)) / steps;
                forecast.extend((1..=horizon).map(|ahead| last + slope * ahead as f64));
            }
            Self::Linear(linear) => linear.forecast(context, target, forecast),
        }
    }
}

/// The windows that baselines are fitted and evaluated on.
#[derive(Debug, Clone, Copy)]
pub struct EvaluatedWindows<'w> {
    pub training: &'w Windows,
    pub validation: &'w Windows,
    pub test: &'w Windows,
}

/// Evaluates the baselines, with or without the linear map, which costs as much as a small training.
pub fn evaluate_all(prepared: &Prepared, windows: EvaluatedWindows<'_>, all: bool) -> Baselines {
    let evaluate = |baseline: Baseline| HoldoutMetrics {
        validation: baseline.evaluate(prepared, windows.validation),
        test: baseline.evaluate(prepared, windows.test),
    };
    Baselines {
        naive: evaluate(Baseline::Naive),
        seasonal_naive: evaluate(Baseline::SeasonalNaive),
        drift: Some(evaluate(Baseline::Drift)),
        linear: all.then(|| evaluate(Baseline::Linear(Linear::fit(prepared, windows.training)))),
        theta: Some(HoldoutMetrics {
            validation: theta::evaluate(prepared, windows.validation),
            test: theta::evaluate(prepared, windows.test),
        }),
    }
}

/// Replaces each unknown value by the last known value before it. Values before the first known one are replaced by
/// that one.
fn known(values: &[f64], into: &mut Vec<f64>) {
    into.clear();
    let mut last = values.iter().copied().find(|value| !value.is_nan()).unwrap_or_default();
    into.extend(values.iter().map(|&value| {
        if !value.is_nan() {
            last = value;
        }
        last
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_repeat_the_last_known() {
        let mut filled = Vec::new();
        known(&[f64::NAN, 1.0, f64::NAN, 3.0], &mut filled);
        assert_eq!(filled, [1.0, 1.0, 1.0, 3.0]);
        known(&[f64::NAN], &mut filled);
        assert_eq!(filled, [0.0]);
    }

    #[test]
    fn drift_extrapolates_the_line() {
        let mut forecast = Vec::new();
        Baseline::Drift.forecast(&[1.0, 9.0, 5.0], 1, 2, 0, &mut forecast);
        assert_eq!(forecast, [7.0, 9.0]);
        Baseline::Drift.forecast(&[4.0], 1, 2, 0, &mut forecast);
        assert_eq!(forecast, [4.0, 4.0]);
    }
}
