//! Converts the network's outputs to forecasts in the data's units.

use jiff::Timestamp;

use gatecast_core::forecast::{Forecast, Interval, QuantileForecast};
use gatecast_core::quantile_level::{interval_ends, intervals, same_level};
use gatecast_core::resolve::FieldError;
use gatecast_model::in_units;
use gatecast_nn::loss::{Criterion, PredictiveDistribution, ScaledOrRaw};

use super::error::ForecastError;
use super::input_spec::past_calendar;
use super::rollout::RawForecast;
use super::series_input::SeriesInput;

/// The minimum and the maximum coverage of an interval, in per cent.
const COVERAGE: std::ops::RangeInclusive<f64> = 1.0..=99.9;

/// What to return for each series and target.
#[derive(Debug, Clone)]
pub struct ForecastOptions {
    /// The number of points to forecast.
    pub(super) horizon: usize,
    pub(super) levels: Vec<IntervalLevel>,
}

/// A central interval, given by its nominal coverage in per cent. 0 is the median.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct IntervalLevel {
    percent: f64,
}

impl IntervalLevel {
    const fn of_percent(percent: f64) -> Self {
        Self { percent }
    }

    /// The quantiles at its ends.
    fn quantiles(self) -> [f64; 2] {
        interval_ends(self.percent)
    }
}

impl ForecastOptions {
    /// The number of values per point in a forecast.
    fn numbers(&self, criterion: &Criterion) -> usize {
        1 + 2 * self.levels.len() + criterion.levels().len()
    }

    /// An upper bound on the size of one forecast as JSON, in bytes. `name_bytes` is the length of the series' id and
    /// the target's name, as JSON.
    pub(super) fn max_bytes(&self, criterion: &Criterion, name_bytes: usize) -> usize {
        // `-1.2345678901234567e-308,` and `"2024-03-31T02:00:00.123456Z",`.
        const NUMBER: usize = 25;
        const TIMESTAMP: usize = 32;
        // Field names, brackets and levels, once per forecast and once per interval or quantile.
        const FRAME: usize = 100;
        const ROW: usize = 80;
        let numbers = self.numbers(criterion);
        let points = self.horizon.saturating_mul(numbers * NUMBER + TIMESTAMP);
        points.saturating_add(name_bytes + FRAME + ROW * numbers)
    }
}

/// Returns the intervals with these coverages in per cent, or why the model has no such intervals.
pub(super) fn levels(criterion: &Criterion, percents: &[f64]) -> Result<Vec<IntervalLevel>, ForecastError> {
    if !percents.is_empty() && !criterion.head().is_probabilistic() {
        return Err(ForecastError::field(
            "/levels",
            "this model has a point head and gives no intervals: train one with a `quantile`, `normal`, `student_t` or `negative_binomial` head",
        ));
    }
    let trained = criterion.levels();
    let has = |end: f64| trained.is_empty() || trained.iter().any(|&level| same_level(level, end));
    let mut errors = Vec::new();
    for (at, &percent) in percents.iter().enumerate() {
        let detail = if !COVERAGE.contains(&percent) {
            outside(percent)
        } else if percents[..at].contains(&percent) {
            format!("duplicate level: {percent}")
        } else if !IntervalLevel::of_percent(percent).quantiles().into_iter().all(has) {
            untrained(trained, percent)
        } else {
            continue;
        };
        errors.push(FieldError::new(format!("/levels/{at}"), detail));
    }
    match errors.is_empty() {
        true => Ok(percents.iter().copied().map(IntervalLevel::of_percent).collect()),
        false => Err(ForecastError::Invalid(errors)),
    }
}

/// Explains why a number is not a valid coverage.
fn outside(percent: f64) -> String {
    let (low, high) = (COVERAGE.start(), COVERAGE.end());
    let expected = format!("is not a coverage in per cent, from {low} to {high}: {percent}");
    match percent > 0.0 && percent < 1.0 {
        true => format!("{expected}; for an interval of {0} %, send {0}", round(100.0 * percent)),
        false => expected,
    }
}

/// The intervals that a model is evaluated by: for a quantile head, those between its quantiles; for a distribution,
/// 80 and 95 %, and the median as 0 %.
pub(super) fn evaluated_levels(criterion: &Criterion) -> Vec<IntervalLevel> {
    match criterion.levels() {
        _ if !criterion.head().is_probabilistic() => Vec::new(),
        [] => [0.0, 80.0, 95.0].map(IntervalLevel::of_percent).to_vec(),
        trained => paired(trained),
    }
}

/// The intervals between pairs of quantiles.
fn paired(trained: &[f64]) -> Vec<IntervalLevel> {
    intervals(trained).into_iter().map(|pair| IntervalLevel::of_percent(pair.percent)).collect()
}

fn untrained(trained: &[f64], percent: f64) -> String {
    let list = |numbers: &[f64]| numbers.iter().map(|&number| round(number).to_string()).collect::<Vec<_>>().join(", ");
    let available: Vec<f64> = paired(trained).into_iter().map(|level| level.percent).collect();
    let available = match available.is_empty() {
        true => "which form no interval".to_owned(),
        false => format!("which form the levels {}", list(&available)),
    };
    format!(
        "needs the quantiles {}; this model was trained on the quantiles {}, {available}",
        list(&IntervalLevel::of_percent(percent).quantiles()),
        list(trained)
    )
}

/// Rounds a number for a message.
fn round(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

/// Builds the forecasts of one series, one per target. `raw` returns the network's output for a step and a target.
pub(super) fn forecasts<'f>(
    criterion: &Criterion,
    targets: &[String],
    options: &ForecastOptions,
    series: &SeriesInput,
    raw: impl Fn(usize, usize) -> RawForecast<'f>,
) -> Result<Vec<Forecast>, ForecastError> {
    let timestamps = timestamps(series, options.horizon)?;
    let mut forecasts = Vec::with_capacity(targets.len());
    for (target, name) in targets.iter().enumerate() {
        let at_step = |step| {
            let raw = raw(step, target);
            (criterion.distribution(raw.outputs, raw.origin.unit()), raw)
        };
        let points: Vec<(PredictiveDistribution, RawForecast<'_>)> = (0..options.horizon).map(at_step).collect();
        let row = |amount: &dyn Fn(&PredictiveDistribution) -> Option<ScaledOrRaw>| {
            let values = points.iter().map(|(distribution, raw)| {
                let value = amount(distribution).map(|amount| in_units(raw.origin, raw.ahead, amount));
                value.filter(|value| value.is_finite())
            });
            values.collect::<Option<Vec<f64>>>().ok_or_else(|| ForecastError::NotFinite(series.name()))
        };
        let quantile = |level: f64| row(&|distribution| criterion.quantile(distribution, level));
        let interval = |level: &IntervalLevel| {
            let [lower, upper] = level.quantiles();
            Ok(Interval { level: level.percent, lower: quantile(lower)?, upper: quantile(upper)? })
        };
        let trained = |&level: &f64| Ok(QuantileForecast { level, values: quantile(level)? });
        forecasts.push(Forecast {
            series: series.id.clone(),
            target: name.clone(),
            timestamps: timestamps.clone(),
            mean: row(&|distribution| Some(criterion.middle(distribution)))?,
            intervals: options.levels.iter().map(interval).collect::<Result<_, ForecastError>>()?,
            quantiles: criterion.levels().iter().map(trained).collect::<Result<_, ForecastError>>()?,
        });
    }
    Ok(forecasts)
}

fn timestamps(series: &SeriesInput, horizon: usize) -> Result<Option<Vec<Timestamp>>, ForecastError> {
    let Some(last) = series.last else { return Ok(None) };
    let at = |step| last.frequency.add(last.time, step).and_then(|at| Timestamp::from_microsecond(at).ok());
    let stamps: Option<Vec<Timestamp>> = (1..=horizon as i64).map(at).collect();
    stamps.map(Some).ok_or_else(past_calendar)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::order::{Head, Loss};

    fn refused(criterion: &Criterion, percents: &[f64]) -> Vec<(String, String)> {
        match levels(criterion, percents) {
            Err(ForecastError::Invalid(errors)) => errors.into_iter().map(|e| (e.pointer, e.detail)).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_model_has_the_intervals_it_was_trained_on() {
        let quantile = Criterion::of_head(Head::Quantile { levels: vec![0.025, 0.1, 0.5, 0.9] });
        assert_eq!(levels(&quantile, &[80.0]).unwrap()[0].percent, 80.0);
        let [(pointer, detail)] = <[_; 1]>::try_from(refused(&quantile, &[80.0, 95.0])).unwrap();
        assert_eq!(pointer, "/levels/1");
        assert!(
            detail.contains("0.025, 0.975; this model was trained on the quantiles 0.025, 0.1, 0.5, 0.9"),
            "{detail}"
        );
        assert!(detail.contains("the levels 80"), "{detail}");
        assert_eq!(refused(&quantile, &[80.0, 80.0])[0].1, "duplicate level: 80");
        assert!(levels(&Criterion::of_head(Head::Normal {}), &[50.0, 99.9]).is_ok());
        let point = Criterion::of_points(Loss::Mse);
        assert!(levels(&point, &[]).unwrap().is_empty());
        assert_eq!(refused(&point, &[80.0])[0].0, "/levels");
    }

    #[test]
    fn levels_are_per_cent_and_fractions_are_rejected() {
        let normal = Criterion::of_head(Head::Normal {});
        let errors = refused(&normal, &[0.8, 80.0, 100.0, -5.0]);
        assert_eq!(errors[0].0, "/levels/0");
        assert!(errors[0].1.contains("per cent, from 1 to 99.9: 0.8; for an interval of 80 %, send 80"), "{errors:?}");
        assert!(errors[1].1.ends_with("per cent, from 1 to 99.9: 100"), "{errors:?}");
        assert_eq!(errors.len(), 3);
    }

    #[test]
    fn no_forecast_is_longer_than_its_bound() {
        let criterion = Criterion::of_head(Head::Quantile { levels: vec![0.1, 0.5, 0.9] });
        let options = ForecastOptions { horizon: 3, levels: levels(&criterion, &[80.0]).unwrap() };
        let row = vec![-f64::MIN_POSITIVE * 1.234_567_890_123; 3];
        let quantile = |level| QuantileForecast { level, values: row.clone() };
        let id = "\u{1}".repeat(50);
        let time: Timestamp = "-009999-01-02T03:04:05.123456Z".parse().unwrap();
        let forecast = Forecast {
            series: Some(id.clone()),
            target: "sales".to_owned(),
            timestamps: Some(vec![time; 3]),
            mean: row.clone(),
            intervals: vec![Interval { level: 80.0, lower: row.clone(), upper: row.clone() }],
            quantiles: [0.1, 0.5, 0.9].map(quantile).to_vec(),
        };
        let names = serde_json::to_string(&id).unwrap().len() + "\"sales\"".len();
        let bytes = serde_json::to_vec(&forecast).unwrap().len();
        assert!(bytes <= options.max_bytes(&criterion, names), "{bytes}");
    }
}
