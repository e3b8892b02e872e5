//! Rolling-origin evaluation of a stored model, in the trainer's process.
//!
//! The forecasts are made by the code that answers `POST /v1/models/{id}/forecast`, from histories
//! that end at the origin: what a user would have been told then. A gap in a history is filled from
//! what lies before the origin alone.

mod errors;
mod points;

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use serde_json::{Value, json};

use crate::source;
use errors::Sums;
use gatecast_core::backtest::{BacktestResult, FoldErrors, SeriesErrors, StepErrors};
use gatecast_core::forecast::{Forecast, SeriesRequest};
use gatecast_core::frequency::Frequency;
use gatecast_core::model::Manifest;
use gatecast_core::trainer::{BacktestTask, Fault, TrainerEvent};
use gatecast_data::frame::{Frame, FrameSeries};
use gatecast_forecast::{ForecastError, LocalModel};
use gatecast_model::features::{future_window, input_columns, reach};
use gatecast_model::{LearnError, missing};
use points::{Point, Points};

/// Histories forecast at once.
const BATCH: usize = 128;
/// Series whose errors the result lists.
const LISTED: usize = 1_000;

/// Hears events; breaks where nobody waits for the rest.
type EventSink<'e> = dyn FnMut(TrainerEvent) -> ControlFlow<()> + 'e;

/// Why a backtest ended without a result.
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error("nobody waits for it")]
    Stopped,
    #[error(transparent)]
    Learn(#[from] LearnError),
    #[error("{0}")]
    Forecast(#[from] ForecastError),
    #[error("the model could not be read: {0}")]
    Model(String),
    #[error("writing the points failed: {0}")]
    Points(String),
    #[error("{0}")]
    Nothing(String),
}

/// Runs one backtest. The last event is `backtested` or `failed`, unless `sink` breaks.
pub fn run(task: &BacktestTask, sink: &mut EventSink<'_>) {
    let last = match judge(task, sink) {
        Ok(finished) => finished,
        Err(Halt::Stopped) => return,
        Err(halt) => failure(&halt),
    };
    // The last event: whether anyone still listens changes nothing.
    let _ = sink(last);
}

fn failure(halt: &Halt) -> TrainerEvent {
    let (fault, code, detail) = match halt {
        Halt::Learn(error) => (error.fault(), error.code(), error.to_string()),
        Halt::Forecast(ForecastError::Invalid(errors)) => {
            let first = errors.first().map(|error| error.detail.clone()).unwrap_or_default();
            (Fault::Order, "model_does_not_fit", format!("the model cannot forecast this data: {first}"))
        }
        Halt::Forecast(error @ ForecastError::NotFinite(_)) => (Fault::Order, error.code(), error.to_string()),
        Halt::Nothing(detail) => (Fault::Order, "series_too_short", detail.clone()),
        Halt::Forecast(_) | Halt::Model(_) | Halt::Points(_) | Halt::Stopped => {
            (Fault::Machine, "backtest_failed", halt.to_string())
        }
    };
    TrainerEvent::Failed { fault, code: code.to_owned(), detail }
}

/// One forecast to make: a series up to an origin.
struct Origin {
    fold: usize,
    series: usize,
    /// Within the series: the first point that is forecast.
    at: usize,
    /// The seasonal naive error before the origin, a target each; NaN where there is none.
    scales: Vec<f64>,
}

struct Judge {
    overall: Sums,
    naive: Sums,
    folds: Vec<Sums>,
    steps: Vec<Sums>,
    series: Vec<Sums>,
}

fn judge(task: &BacktestTask, sink: &mut EventSink<'_>) -> Result<TrainerEvent, Halt> {
    let model = LocalModel::read(&task.model).map_err(|error| Halt::Model(error.to_string()))?;
    let manifest = model.manifest();
    let horizon = task.horizon.max(1);
    let step = task.step.max(1);
    let frame = missing::on_grid(source::read(&task.dataset, &input_columns(&manifest.order.data))?)?;
    let frame = match task.until {
        Some(until) => cut(frame, until.as_microsecond()),
        None => frame,
    };
    let mut judge = Judge {
        overall: Sums::default(),
        naive: Sums::default(),
        folds: vec![Sums::default(); task.folds],
        steps: vec![Sums::default(); horizon],
        series: vec![Sums::default(); frame.series.len()],
    };
    let mut points = Points::create(&task.points, frame.times.is_some()).map_err(Halt::Points)?;
    let mut skipped = 0;
    for fold in 0..task.folds {
        let back = (task.folds - 1 - fold) * step + horizon;
        let (mut origins, mut requests) = (Vec::new(), Vec::new());
        for series in 0..frame.series.len() {
            match history(&frame, manifest, series, (back, horizon)) {
                Some((at, scales, request)) => {
                    origins.push(Origin { fold, series, at, scales });
                    requests.push(request);
                }
                None => skipped += 1,
            }
        }
        for (origins, requests) in origins.chunks(BATCH).zip(requests.chunks(BATCH)) {
            let forecasts = model.forecast(requests.to_vec(), horizon)?;
            for (origin, forecasts) in origins.iter().zip(forecasts.chunks(manifest.targets.len().max(1))) {
                for (target, forecast) in forecasts.iter().enumerate() {
                    judge.take(&frame, manifest, task.gap, origin, target, forecast, &mut points)?;
                }
            }
        }
        let fraction = (fold + 1) as f64 / task.folds as f64;
        if sink(TrainerEvent::Progress { fraction, eta_seconds: None }).is_break() {
            return Err(Halt::Stopped);
        }
    }
    if judge.overall.is_empty() {
        return Err(Halt::Nothing(format!(
            "no series has the {} points before an origin that the model reads, and {horizon} behind it: ask for fewer folds or a smaller step",
            manifest.context
        )));
    }
    let file = points.finish().map_err(Halt::Points)?;
    let numbered = |sums: &[Sums]| sums.iter().map(Sums::errors).enumerate().collect::<Vec<_>>();
    let listed = frame.series.iter().zip(&judge.series).filter(|(_, sums)| !sums.is_empty()).take(LISTED);
    let result = BacktestResult {
        model: Some(task.id),
        horizon,
        step,
        gap: task.gap,
        overall: judge.overall.errors(),
        seasonal_naive: judge.naive.errors(),
        folds: numbered(&judge.folds)
            .into_iter()
            .map(|(fold, errors)| FoldErrors { fold, job: None, model: None, error: None, errors })
            .collect(),
        by_step: numbered(&judge.steps)
            .into_iter()
            .skip(task.gap)
            .map(|(at, errors)| StepErrors { step: at + 1, errors })
            .collect(),
        by_series: listed
            .map(|(series, sums)| SeriesErrors { series: series.key.clone(), errors: sums.errors() })
            .collect(),
        skipped,
        points: Some(file),
    };
    Ok(TrainerEvent::Backtested { result: Box::new(result) })
}

impl Judge {
    #[expect(clippy::too_many_arguments, reason = "one forecast, what it is held against, and where that is written")]
    fn take(
        &mut self,
        frame: &Frame,
        manifest: &Manifest,
        gap: usize,
        origin: &Origin,
        target: usize,
        forecast: &Forecast,
        points: &mut Points,
    ) -> Result<(), Halt> {
        let Some(series) = frame.series.get(origin.series) else { return Ok(()) };
        let values = manifest.targets.get(target).and_then(|name| number(frame, series, name)).unwrap_or_default();
        let scale = origin.scales.get(target).copied().unwrap_or(f64::NAN);
        for (ahead, &mean) in forecast.mean.iter().enumerate().skip(gap) {
            let at = origin.at + ahead;
            let actual = values.get(at).copied().unwrap_or(f64::NAN);
            let naive = seasonal(&values[..origin.at.min(values.len())], manifest.season, ahead);
            let of_step = self.steps.get_mut(ahead);
            let all =
                [Some(&mut self.overall), self.folds.get_mut(origin.fold), of_step, self.series.get_mut(origin.series)];
            for sums in all.into_iter().flatten() {
                sums.add(mean, actual, scale);
                sums.add_spread(forecast, ahead, actual);
            }
            self.naive.add(naive, actual, scale);
            let point = Point {
                fold: origin.fold,
                series: &series.key,
                target: &forecast.target,
                step: ahead + 1,
                time: frame.times.as_ref().and_then(|times| times.get(series.rows.start + at)).copied(),
                forecast: mean,
                actual: (!actual.is_nan()).then_some(actual),
            };
            points.add(point).map_err(Halt::Points)?;
        }
        Ok(())
    }
}

/// The series that have a point at this time, up to it: where each fold has a model of its own, no
/// origin may lie before the end of what that learnt from.
fn cut(mut frame: Frame, until: i64) -> Frame {
    let Some(times) = &frame.times else { return frame };
    let kept = |series: FrameSeries| {
        let at = times.get(series.rows.clone())?.binary_search(&until).ok()?;
        Some(FrameSeries { rows: series.rows.start..series.rows.start + at + 1, ..series })
    };
    frame.series = std::mem::take(&mut frame.series).into_iter().filter_map(kept).collect();
    frame
}

/// A series up to the origin that lies `back` points before its end, as a caller would send it;
/// `None` where there is too little of it.
fn history(
    frame: &Frame,
    manifest: &Manifest,
    series: usize,
    (back, horizon): (usize, usize),
) -> Option<(usize, Vec<f64>, SeriesRequest)> {
    let series = frame.series.get(series)?;
    let data = &manifest.order.data;
    let reads = manifest.context + reach(data);
    let at = series.rows.len().checked_sub(back).filter(|at| *at >= reads.max(1))?;
    let first = at - reads;
    // What is known ahead is known of the points that are forecast too.
    let runs = horizon.div_ceil(manifest.horizon.max(1)).max(1);
    let ahead = (runs - 1) * manifest.horizon + future_window(data);
    let known = |names: &[String], end: usize| -> Option<BTreeMap<String, Vec<Value>>> {
        names.iter().map(|name| Some((name.clone(), values(frame, series, manifest, name, first..end)?))).collect()
    };
    let targets = known(&data.targets, at)?;
    let scale = |name: &String| Some(seasonal_error(number(frame, series, name)?.get(..at)?, manifest.season));
    let scales = data.targets.iter().map(scale).collect::<Option<Vec<f64>>>()?;
    let mut request = json!({"id": series.key, "targets": targets});
    if !data.covariates.past.is_empty() {
        request["past"] = json!(known(&data.covariates.past, at)?);
    }
    if !data.covariates.future.is_empty() {
        request["future"] = json!(known(&data.covariates.future, (at + ahead).min(series.rows.len()))?);
    }
    if !data.covariates.fixed.is_empty() {
        let latest = |name: &String| {
            let known = values(frame, series, manifest, name, 0..at)?;
            Some((name.clone(), known.into_iter().rfind(|value| !value.is_null())?))
        };
        request["static"] = json!(data.covariates.fixed.iter().map(latest).collect::<Option<BTreeMap<_, _>>>()?);
    }
    if let Some(start) = start(frame, series, first) {
        request["start"] = start;
    }
    if let Some(frequency) = series.frequency {
        request["frequency"] = json!(frequency);
    }
    Some((at, scales, serde_json::from_value(request).ok()?))
}

fn start(frame: &Frame, series: &FrameSeries, first: usize) -> Option<Value> {
    let _: Frequency = series.frequency?;
    let micros = frame.times.as_ref()?.get(series.rows.start + first)?;
    Some(json!(jiff::Timestamp::from_microsecond(*micros).ok()?))
}

/// A series' values of a column as JSON: numbers with their gaps filled as in training, or the
/// categories with null where there is none. `None` where nothing is known.
fn values(
    frame: &Frame,
    series: &FrameSeries,
    manifest: &Manifest,
    name: &str,
    rows: Range<usize>,
) -> Option<Vec<Value>> {
    if let Some(known) = number(frame, series, name) {
        // From the series' beginning, so that a gap right at the first row is filled from before it.
        let mut values = known.get(..rows.end)?.to_vec();
        let filled = missing::fill(&mut values, manifest.order.data.missing);
        return filled.then(|| values.into_iter().skip(rows.start).map(|value| json!(value)).collect());
    }
    let column = frame.categories.iter().find(|column| column.name == name)?;
    let codes = column.codes.get(series.rows.clone())?.get(rows)?;
    Some(codes.iter().map(|&code| json!(column.texts.get(code as usize))).collect())
}

fn number<'f>(frame: &'f Frame, series: &FrameSeries, name: &str) -> Option<&'f [f64]> {
    frame.columns.iter().find(|column| column.name == name)?.values.get(series.rows.clone())
}

/// The value one season before, of what is known at the origin; the last one where no season is.
fn seasonal(known: &[f64], season: usize, ahead: usize) -> f64 {
    let season = if season.max(1) <= known.len() { season.max(1) } else { 1 };
    let at = known.len().saturating_sub(season) + ahead % season;
    let value = known.get(at).copied().unwrap_or(f64::NAN);
    if value.is_nan() { known.iter().rev().copied().find(|value| !value.is_nan()).unwrap_or(f64::NAN) } else { value }
}

/// The mean absolute error of the seasonal naive forecast; NaN where it is 0 or nothing is known.
fn seasonal_error(known: &[f64], season: usize) -> f64 {
    let pairs = known.iter().zip(known.iter().skip(season.max(1)));
    let differences: Vec<f64> = pairs.map(|(a, b)| (b - a).abs()).filter(|difference| !difference.is_nan()).collect();
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    if mean > 0.0 { mean } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_season_repeats_what_is_known_at_the_origin_and_nothing_behind_it() {
        let known = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!([0, 1, 2, 3].map(|ahead| seasonal(&known, 3, ahead)), [3.0, 4.0, 5.0, 3.0]);
        assert_eq!(seasonal(&known, 9, 1), 5.0);
        assert_eq!(seasonal(&[1.0, f64::NAN], 1, 0), 1.0);
        assert_eq!(seasonal_error(&[1.0, 2.0, 4.0, f64::NAN, 9.0], 2), 4.0);
        assert!(seasonal_error(&[1.0, 1.0], 1).is_nan());
    }
}
