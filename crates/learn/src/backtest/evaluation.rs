//! The errors of a backtest's forecasts: overall, by fold, by step ahead and by series.

use gatecast_core::backtest::{BacktestResult, FoldErrors, PointsFile, SeriesErrors, StepErrors};
use gatecast_core::dataset::Warning;
use gatecast_core::forecast::Forecast;
use gatecast_core::metric_accumulator::MetricAccumulator;
use gatecast_core::model::Manifest;
use gatecast_core::quantile_level::{interval_ends, same_level};
use gatecast_core::seasonal::seasonal_naive;
use gatecast_core::trainer::BacktestTask;
use gatecast_model::LearnError;
use jiff::Timestamp;

use super::data::{BacktestData, Plan};
use super::error::BacktestError;
use super::history::{Columns, Origin};
use super::points::{Point, Points};
use gatecast_core::backtest::LISTED_SERIES;

/// The sums of a complete backtest.
#[derive(Debug)]
pub(super) struct Evaluation {
    overall: Compared,
    folds: Vec<Fold>,
    steps: Vec<Compared>,
    series: Vec<MetricAccumulator>,
    /// The number of origins without an evaluated point.
    pub(super) skipped: u64,
}

/// The errors of the model, and those of the seasonal naive forecast on the same points.
#[derive(Debug, Clone)]
struct Compared {
    model: MetricAccumulator,
    naive: MetricAccumulator,
}

#[derive(Debug, Clone)]
struct Fold {
    errors: Compared,
    /// Microseconds since 1970 UTC: the earliest origin, the first and the last evaluated point.
    origin: Option<i64>,
    from: Option<i64>,
    to: Option<i64>,
    seen: Option<bool>,
}

impl Evaluation {
    /// `levels` are the quantile levels of the forecasts.
    pub(super) fn new(plan: &Plan, series: usize, levels: &[f64]) -> Self {
        let model = MetricAccumulator::with_levels(levels);
        let compared = Compared { model: model.clone(), naive: MetricAccumulator::default() };
        let fold = Fold { errors: compared.clone(), origin: None, from: None, to: None, seen: Some(false) };
        Self {
            folds: vec![fold; plan.folds],
            steps: vec![compared.clone(); plan.horizon],
            series: vec![model; series],
            overall: compared,
            skipped: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.overall.model.is_empty()
    }

    /// Warnings for the reader of the result.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let numbers = |which: fn(&Fold) -> bool| {
            let numbered = self.folds.iter().enumerate().filter(|(_, fold)| which(fold));
            numbered.map(|(number, _)| number.to_string()).collect::<Vec<_>>()
        };
        let mut warnings = Vec::new();
        let empty = numbers(|fold| fold.errors.model.is_empty());
        if !empty.is_empty() {
            let detail = format!(
                "{} of {} folds have no point with a known value and are ignored: {}",
                empty.len(),
                self.folds.len(),
                empty.join(", ")
            );
            warnings.push(Warning { code: "empty_folds".to_owned(), detail });
        }
        let seen = numbers(|fold| fold.seen == Some(true) && !fold.errors.model.is_empty());
        if !seen.is_empty() {
            let detail = format!(
                "{} of {} folds evaluate points that the model was trained on, so their errors are too low: {}",
                seen.len(),
                self.folds.len(),
                seen.join(", ")
            );
            warnings.push(Warning { code: "folds_seen_in_training".to_owned(), detail });
        }
        warnings
    }

    pub(super) fn result(
        self,
        task: &BacktestTask,
        plan: &Plan,
        data: &BacktestData,
        warnings: Vec<Warning>,
        points: PointsFile,
    ) -> BacktestResult {
        let at = |time: Option<i64>| time.and_then(|time| Timestamp::from_microsecond(time).ok());
        let fold = |(number, fold): (usize, &Fold)| FoldErrors {
            fold: number,
            job: None,
            model: None,
            error: None,
            origin: at(fold.origin),
            from: at(fold.from),
            to: at(fold.to),
            seen_in_training: fold.seen.filter(|_| !fold.errors.model.is_empty()),
            seasonal_naive: Some(fold.errors.naive.errors()),
            errors: fold.errors.model.errors(),
        };
        let step = |(at, step): (usize, &Compared)| StepErrors {
            step: at + 1,
            seasonal_naive: Some(step.naive.errors()),
            errors: step.model.errors(),
        };
        let listed = data.frame.series.iter().zip(&self.series).filter(|(_, errors)| !errors.is_empty());
        BacktestResult {
            model: Some(task.id),
            horizon: plan.horizon,
            step: plan.step,
            gap: plan.gap,
            overall: self.overall.model.errors(),
            seasonal_naive: self.overall.naive.errors(),
            folds: self.folds.iter().enumerate().map(fold).collect(),
            by_step: self.steps.iter().enumerate().skip(plan.gap).map(step).collect(),
            by_series: listed
                .take(LISTED_SERIES)
                .map(|(series, errors)| SeriesErrors { series: series.key.clone(), errors: errors.errors() })
                .collect(),
            skipped: self.skipped,
            warnings,
            points: Some(points),
        }
    }
}

/// Compares forecasts with actual values.
pub(super) struct Evaluator<'e> {
    pub(super) data: &'e BacktestData,
    pub(super) manifest: &'e Manifest,
    pub(super) plan: &'e Plan,
    pub(super) points: &'e mut Points,
}

impl Evaluator<'_> {
    /// Adds the forecasts from one origin, one per target.
    pub(super) fn add(
        &mut self,
        evaluation: &mut Evaluation,
        origin: &Origin,
        forecasts: &[Forecast],
    ) -> Result<(), BacktestError> {
        let points_before = evaluation.overall.model.points();
        for (target, forecast) in forecasts.iter().enumerate() {
            self.add_forecast(evaluation, origin, target, forecast)?;
        }
        if evaluation.overall.model.points() == points_before {
            evaluation.skipped += 1;
        }
        Ok(())
    }

    fn add_forecast(
        &mut self,
        evaluation: &mut Evaluation,
        origin: &Origin,
        target: usize,
        forecast: &Forecast,
    ) -> Result<(), BacktestError> {
        let frame = &self.data.frame;
        let broken = || LearnError::Broken("a forecast is not for a series or target of the backtest".to_owned());
        let series = frame.series.get(origin.series).ok_or_else(broken)?;
        let columns = Columns { frame, series, manifest: self.manifest };
        let values = self.manifest.targets.get(target).and_then(|name| columns.numbers(name)).ok_or_else(broken)?;
        let known = values.get(..origin.at).ok_or_else(broken)?;
        let seasonal_error = origin.seasonal_errors.get(target).copied().unwrap_or(f64::NAN);
        let rows = quantile_rows(forecast, evaluation.overall.model.levels()).ok_or_else(broken)?;
        let mut quantiles = Vec::with_capacity(rows.len());
        let time = |at: usize| frame.times.as_ref().and_then(|times| times.get(series.rows.start + at)).copied();
        for (ahead, &mean) in forecast.mean.iter().enumerate().skip(self.plan.gap) {
            let at = origin.at + ahead;
            let actual = values.get(at).copied().unwrap_or(f64::NAN);
            let naive = seasonal_naive(known, self.manifest.season, ahead);
            quantiles.clear();
            quantiles.extend(rows.iter().map(|row| row.get(ahead).copied().unwrap_or(f64::NAN)));
            let mut add = |compared: &mut Compared| {
                compared.model.add(mean, actual, seasonal_error);
                compared.model.add_quantiles(&quantiles, actual);
                // If no value is known to repeat, the naive forecast has fewer points.
                if !naive.is_nan() {
                    compared.naive.add(naive, actual, seasonal_error);
                }
            };
            add(&mut evaluation.overall);
            evaluation.steps.get_mut(ahead).into_iter().for_each(&mut add);
            if let Some(fold) = evaluation.folds.get_mut(origin.fold) {
                add(&mut fold.errors);
                if !actual.is_nan() {
                    fold.reach(time(origin.at.saturating_sub(1)), time(at), origin.seen);
                }
            }
            if let Some(errors) = evaluation.series.get_mut(origin.series) {
                errors.add(mean, actual, seasonal_error);
                errors.add_quantiles(&quantiles, actual);
            }
            self.points.add(Point {
                fold: origin.fold,
                series: &series.key,
                target: &forecast.target,
                step: ahead + 1,
                time: time(at),
                forecast: mean,
                actual: (!actual.is_nan()).then_some(actual),
            })?;
        }
        Ok(())
    }
}

impl Fold {
    /// Extends the fold's time range to an evaluated point, and records whether training used it.
    fn reach(&mut self, origin: Option<i64>, at: Option<i64>, seen: Option<bool>) {
        let earlier = |known: Option<i64>, time: Option<i64>| known.into_iter().chain(time).min();
        self.origin = earlier(self.origin, origin);
        self.from = earlier(self.from, at);
        self.to = self.to.into_iter().chain(at).max();
        self.seen = match (self.seen, seen) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (None, _) | (_, None) => None,
            (Some(false), Some(false)) => Some(false),
        };
    }
}

/// The values of each quantile of a forecast, one row per level; `None` if it lacks one.
fn quantile_rows<'f>(forecast: &'f Forecast, levels: &[f64]) -> Option<Vec<&'f [f64]>> {
    let row = |&level: &f64| {
        let trained = forecast.quantiles.iter().find(|quantile| same_level(quantile.level, level));
        trained.map(|quantile| quantile.values.as_slice()).or_else(|| {
            forecast.intervals.iter().find_map(|interval| {
                let [lower, upper] = interval_ends(interval.level);
                match () {
                    () if same_level(lower, level) => Some(interval.lower.as_slice()),
                    () if same_level(upper, level) => Some(interval.upper.as_slice()),
                    () => None,
                }
            })
        })
    };
    levels.iter().map(row).collect()
}
