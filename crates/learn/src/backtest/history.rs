//! The history of a series up to an origin, in the form that a caller would send.

use std::ops::Range;

use gatecast_core::forecast::{CovariateValue, History, SeriesRequest, TargetValue};
use gatecast_core::model::Manifest;
use gatecast_core::order::Missing;
use gatecast_core::seasonal::seasonal_error;
use gatecast_data::frame::{Frame, FrameCategories, FrameSeries};
use gatecast_model::LearnError;
use gatecast_model::features::points_ahead;
use gatecast_model::missing;

use super::data::{BacktestData, Plan};

/// One forecast to make for a series, from an origin.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) fold: usize,
    pub(super) series: usize,
    /// The index in the series of the first point to forecast.
    pub(super) at: usize,
    /// The seasonal error before the origin per target; NaN if there is none.
    pub(super) seasonal_errors: Vec<f64>,
    /// Whether training used any of the evaluated points; `None` if that is not known.
    pub(super) seen: Option<bool>,
}

/// The origin of a fold in a series, and the history before it. `None` if the series has too few points before the
/// origin, or a column without a known value there.
pub(super) fn at_origin(
    data: &BacktestData,
    manifest: &Manifest,
    plan: &Plan,
    fold: usize,
    series: usize,
) -> Result<Option<(Origin, SeriesRequest)>, LearnError> {
    let (Some(of_series), Some(end)) = (data.frame.series.get(series), data.ends.get(series)) else {
        return Err(LearnError::Broken(format!("series {series} does not exist")));
    };
    let reads = manifest.context + manifest.order.data.lookback();
    // A model that masks unknown values reads a shorter history, too.
    let least = if manifest.order.data.pads() { 1 } else { reads.max(1) };
    let Some(at) = end.checked_sub(plan.back(fold)).filter(|at| *at >= least) else { return Ok(None) };
    let columns = Columns { frame: &data.frame, series: of_series, manifest };
    let Some(history) = columns.history(at.saturating_sub(reads)..at, plan)? else { return Ok(None) };
    let seasonal_errors = manifest.targets.iter().map(|name| {
        let values = columns.numbers(name).and_then(|values| values.get(..at));
        seasonal_error(values.unwrap_or_default(), manifest.season)
    });
    let origin = Origin {
        fold,
        series,
        at,
        seasonal_errors: seasonal_errors.collect(),
        seen: seen(data, series, at + plan.gap..at + plan.horizon),
    };
    Ok(Some((origin, SeriesRequest::History(history))))
}

/// Whether training used any of the points; `None` if that is not known for all of them.
fn seen(data: &BacktestData, series: usize, points: Range<usize>) -> Option<bool> {
    let mut of_points = points.map(|at| data.is_seen(series, at));
    if of_points.clone().any(|seen| seen == Some(true)) {
        return Some(true);
    }
    of_points.all(|seen| seen.is_some()).then_some(false)
}

/// The columns of one series.
pub(super) struct Columns<'d> {
    pub(super) frame: &'d Frame,
    pub(super) series: &'d FrameSeries,
    pub(super) manifest: &'d Manifest,
}

impl<'d> Columns<'d> {
    /// All values of a number column, NaN if unknown; `None` for a category column.
    pub(super) fn numbers(&self, name: &str) -> Option<&'d [f64]> {
        self.frame.columns.iter().find(|column| column.name == name)?.values.get(self.series.rows.clone())
    }

    /// `rows` are the rows before the origin that the model reads.
    fn history(&self, rows: Range<usize>, plan: &Plan) -> Result<Option<History>, LearnError> {
        let data = &self.manifest.order.data;
        let is_masked = data.missing == Missing::Mask;
        let known_ahead = rows.start..rows.end + points_ahead(data, self.manifest.horizon, plan.horizon);
        if !data.covariates.future.is_empty() && known_ahead.end > self.series.rows.len() {
            return Ok(None);
        }
        let mut history = History { id: Some(self.series.key.clone()), ..History::default() };
        for name in &data.targets {
            let Some(values) = self.filled(name, rows.clone(), is_masked)? else { return Ok(None) };
            history.targets.insert(name.clone(), values.into_iter().map(TargetValue).collect());
        }
        for name in &data.covariates.past {
            let Some(values) = self.covariate(name, rows.clone(), is_masked)? else { return Ok(None) };
            history.past.insert(name.clone(), values);
        }
        for name in &data.covariates.future {
            let Some(values) = self.covariate(name, known_ahead.clone(), false)? else { return Ok(None) };
            history.future.insert(name.clone(), values);
        }
        for name in &data.covariates.fixed {
            let Some(value) = self.latest(name, rows.end) else { return Ok(None) };
            history.fixed.insert(name.clone(), value);
        }
        history.frequency = self.series.frequency;
        if let (Some(_), Some(times)) = (self.series.frequency, &self.frame.times) {
            let first = times.get(self.series.rows.start + rows.start).copied().unwrap_or_default();
            let start = jiff::Timestamp::from_microsecond(first);
            history.start = Some(start.map_err(|error| LearnError::Broken(error.to_string()))?);
        }
        Ok(Some(history))
    }

    /// The values of a number column. Gaps are filled as in training, or kept if the model masks them. `None` if no
    /// value is known, or if there are gaps and the model refuses them.
    fn filled(&self, name: &str, rows: Range<usize>, masked: bool) -> Result<Option<Vec<f64>>, LearnError> {
        let all = self.numbers(name).ok_or_else(|| lacking(name))?;
        let values = all.get(rows.clone()).ok_or_else(|| lacking(name))?;
        if masked {
            return Ok(values.iter().any(|value| !value.is_nan()).then(|| values.to_vec()));
        }
        let how = self.manifest.order.data.missing;
        // A gap at the first row is filled from the last value before it.
        let before = all.iter().take(rows.start).rposition(|value| !value.is_nan());
        let first = before.filter(|_| how != Missing::Refuse).unwrap_or(rows.start);
        let mut values = all.get(first..rows.end).unwrap_or_default().to_vec();
        Ok(missing::fill(&mut values, how).then(|| values.split_off(rows.start - first)))
    }

    fn covariate(
        &self,
        name: &str,
        rows: Range<usize>,
        masked: bool,
    ) -> Result<Option<Vec<CovariateValue>>, LearnError> {
        let Some((texts, codes)) = self.categories(name) else {
            let number =
                |value: f64| if value.is_nan() { CovariateValue::Unknown } else { CovariateValue::Number(value) };
            let values = self.filled(name, rows, masked)?;
            return Ok(values.map(|values| values.into_iter().map(number).collect()));
        };
        let codes = codes.get(rows).ok_or_else(|| lacking(name))?;
        Ok(Some(codes.iter().map(|&code| category(texts, code)).collect()))
    }

    /// The last known value of a column before `end`, for covariates with one value per series.
    fn latest(&self, name: &str, end: usize) -> Option<CovariateValue> {
        if let Some((texts, codes)) = self.categories(name) {
            let code = codes.iter().take(end).rfind(|code| **code != FrameCategories::MISSING)?;
            return Some(category(texts, *code));
        }
        let known = self.numbers(name)?.iter().take(end).rfind(|value| !value.is_nan())?;
        Some(CovariateValue::Number(*known))
    }

    /// The texts and codes of a category column; `None` for a number column.
    fn categories(&self, name: &str) -> Option<(&'d [String], &'d [u32])> {
        let column = self.frame.categories.iter().find(|column| column.name == name)?;
        Some((&column.texts, column.codes.get(self.series.rows.clone())?))
    }
}

fn category(texts: &[String], code: u32) -> CovariateValue {
    match texts.get(code as usize) {
        Some(text) => CovariateValue::Category(text.clone()),
        None => CovariateValue::Unknown,
    }
}

fn lacking(name: &str) -> LearnError {
    LearnError::Broken(format!("the backtest did not read the column `{name}`"))
}
