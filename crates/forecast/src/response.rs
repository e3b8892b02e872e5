//! From what the network said of each point to the answer, in the data's units.

use jiff::Timestamp;

use super::error::ForecastError;
use super::model::LocalModel;
use super::request_input::History;
use super::rollout::RawForecast;
use gatecast_core::forecast::{Forecast, Interval, QuantileForecast};
use gatecast_core::quantile_level::{interval_ends, intervals, same_level};
use gatecast_core::resolve::FieldError;
use gatecast_model::in_units;
use gatecast_nn::loss::{Criterion, PredictiveDistribution, ScaledOrRaw};

/// What a request wants of each series and target.
#[derive(Debug, Clone)]
pub struct ForecastOptions {
    pub(super) horizon: usize,
    pub(super) levels: Vec<Level>,
}

/// An interval: per cent, and the quantiles at its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    percent: f64,
    ends: [f64; 2],
}

impl Level {
    fn of(percent: f64) -> Self {
        Self { percent, ends: interval_ends(percent) }
    }
}

/// The intervals that a model can give, or which it cannot.
pub(super) fn levels(criterion: &Criterion, asked: &[f64]) -> Result<Vec<Level>, ForecastError> {
    if !asked.is_empty() && !criterion.head().is_probabilistic() {
        return Err(ForecastError::field(
            "/levels",
            "this model gives one number a point and does not say how sure it is: train one with a `quantile`, `normal`, `student_t` or `negative_binomial` head",
        ));
    }
    let trained = criterion.levels();
    let has = |end: f64| trained.is_empty() || trained.iter().any(|&level| same_level(level, end));
    let mut errors = Vec::new();
    for (at, &percent) in asked.iter().enumerate() {
        let pointer = format!("/levels/{at}");
        if asked[..at].contains(&percent) {
            errors.push(FieldError::new(pointer, "stands twice"));
        } else if !Level::of(percent).ends.into_iter().all(has) {
            errors.push(FieldError::new(pointer, untrained(trained, percent)));
        }
    }
    if errors.is_empty() {
        Ok(asked.iter().copied().map(Level::of).collect())
    } else {
        Err(ForecastError::Invalid(errors))
    }
}

/// The intervals that a model is judged by, per cent: those of its quantiles, or of a distribution
/// 80 and 95, and 0, whose ends are the median.
pub(super) fn judged(criterion: &Criterion) -> Vec<f64> {
    match criterion.levels() {
        _ if !criterion.head().is_probabilistic() => Vec::new(),
        [] => vec![0.0, 80.0, 95.0],
        trained => paired(trained),
    }
}

/// The levels of the intervals that pairs of quantiles make, per cent.
fn paired(trained: &[f64]) -> Vec<f64> {
    intervals(trained).into_iter().map(|pair| pair.percent).collect()
}

fn untrained(trained: &[f64], percent: f64) -> String {
    let list = |numbers: &mut dyn Iterator<Item = f64>| {
        numbers.map(|number| ((number * 1e6).round() / 1e6).to_string()).collect::<Vec<_>>().join(", ")
    };
    let available = match list(&mut paired(trained).into_iter()) {
        none if none.is_empty() => "which make no interval".to_owned(),
        levels => format!("which make the levels {levels}"),
    };
    let [low, high] = Level::of(percent).ends;
    format!(
        "needs the quantiles at {}; this model was trained at {}, {available}",
        list(&mut [low, high].into_iter()),
        list(&mut trained.iter().copied())
    )
}

/// Numbers the answer holds for each point.
pub(super) fn numbers(criterion: &Criterion, options: &ForecastOptions) -> usize {
    1 + 2 * options.levels.len() + criterion.levels().len()
}

/// One series' forecasts, a target each; `said` gives what the network said of a step and target.
pub(super) fn forecasts<'f>(
    model: &LocalModel,
    history: &History,
    options: &ForecastOptions,
    said: impl Fn(usize, usize) -> RawForecast<'f>,
) -> Result<Vec<Forecast>, ForecastError> {
    let criterion = &model.criterion;
    let timestamps = timestamps(history, options.horizon)?;
    let mut forecasts = Vec::with_capacity(model.bundle.manifest.targets.len());
    for (target, name) in model.bundle.manifest.targets.iter().enumerate() {
        let of_step = |step| {
            let said = said(step, target);
            (criterion.distribution(said.raw, said.origin.unit()), said)
        };
        let distributions: Vec<(PredictiveDistribution, RawForecast<'_>)> = (0..options.horizon).map(of_step).collect();
        let row = |amount: &dyn Fn(&PredictiveDistribution) -> Option<ScaledOrRaw>| -> Result<Vec<f64>, ForecastError> {
            let values = distributions.iter().map(|(distribution, said)| {
                let value = amount(distribution).map(|amount| in_units(said.origin, said.ahead, amount));
                value.filter(|value| value.is_finite())
            });
            let values: Option<Vec<f64>> = values.collect();
            values.ok_or_else(|| {
                let id = history.id.as_deref();
                ForecastError::NotFinite(id.map_or("a series".to_owned(), |id| format!("series `{id}`")))
            })
        };
        let quantile = |level: f64| row(&|distribution| criterion.quantile(distribution, level));
        let interval = |level: &Level| {
            let [lower, upper] = level.ends;
            Ok(Interval { level: level.percent, lower: quantile(lower)?, upper: quantile(upper)? })
        };
        let trained = |&level: &f64| Ok(QuantileForecast { level, values: quantile(level)? });
        forecasts.push(Forecast {
            series: history.id.clone(),
            target: name.clone(),
            timestamps: timestamps.clone(),
            mean: row(&|distribution| Some(criterion.middle(distribution)))?,
            intervals: options.levels.iter().map(interval).collect::<Result<_, ForecastError>>()?,
            quantiles: criterion.levels().iter().map(trained).collect::<Result<_, ForecastError>>()?,
        });
    }
    Ok(forecasts)
}

fn timestamps(history: &History, horizon: usize) -> Result<Option<Vec<Timestamp>>, ForecastError> {
    let Some((last, frequency)) = history.last else { return Ok(None) };
    let at = |step| frequency.add(last, step).and_then(|at| Timestamp::from_microsecond(at).ok());
    let stamps: Option<Vec<Timestamp>> = (1..=horizon as i64).map(at).collect();
    stamps.map(Some).ok_or_else(|| ForecastError::field("/horizon", "reaches past the calendar's end"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::order::{Head, Loss};

    fn refused(criterion: &Criterion, asked: &[f64]) -> Vec<(String, String)> {
        match levels(criterion, asked) {
            Err(ForecastError::Invalid(errors)) => errors.into_iter().map(|e| (e.pointer, e.detail)).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_model_gives_the_intervals_it_learnt() {
        let quantile = Criterion::of_head(Head::Quantile { levels: vec![0.025, 0.1, 0.5, 0.9] });
        assert_eq!(levels(&quantile, &[80.0]).unwrap()[0].percent, 80.0);
        let [(pointer, detail)] = <[_; 1]>::try_from(refused(&quantile, &[80.0, 95.0])).unwrap();
        assert_eq!(pointer, "/levels/1");
        assert!(detail.contains("at 0.025, 0.975; this model was trained at 0.025, 0.1, 0.5, 0.9"), "{detail}");
        assert!(detail.contains("the levels 80"), "{detail}");
        assert_eq!(refused(&quantile, &[80.0, 80.0])[0].1, "stands twice");
        assert!(levels(&Criterion::of_head(Head::Normal {}), &[50.0, 99.9]).is_ok());
        let point = Criterion::of_points(Loss::Mse);
        assert!(levels(&point, &[]).unwrap().is_empty());
        assert_eq!(refused(&point, &[80.0])[0].0, "/levels");
    }
}
