//! Merges the results of a refitted backtest, in which each fold trained its own model.

use std::collections::{BTreeMap, HashMap};

use super::{BacktestResult, FoldErrors, LISTED_SERIES, PointErrors, SeriesErrors, StepErrors};
use crate::dataset::Warning;
use crate::ids::{JobId, ModelId};
use crate::job::JobError;

/// One fold: its jobs, and the result of its own single-fold backtest.
#[derive(Debug, Clone, Default)]
pub struct RefittedFold<'f> {
    pub job: Option<JobId>,
    pub model: Option<ModelId>,
    /// Why the fold has no result.
    pub error: Option<JobError>,
    pub result: Option<&'f BacktestResult>,
}

impl BacktestResult {
    /// Merges the folds, given oldest first. Returns `None` if no fold has a result. `step` is the job's; `None`
    /// means the horizon.
    pub fn of_refits(folds: &[RefittedFold<'_>], step: Option<usize>) -> Option<Self> {
        let found: Vec<&Self> = folds.iter().filter_map(|fold| fold.result).collect();
        let first = found.first()?;
        let mut steps: BTreeMap<usize, Vec<&StepErrors>> = BTreeMap::new();
        for errors in found.iter().flat_map(|result| &result.by_step) {
            steps.entry(errors.step).or_default().push(errors);
        }
        let of_step = |(step, parts): (usize, Vec<&StepErrors>)| StepErrors {
            step,
            seasonal_naive: Some(PointErrors::over(parts.iter().filter_map(|part| part.seasonal_naive.as_ref()))),
            errors: PointErrors::over(parts.iter().map(|part| &part.errors)),
        };
        Some(Self {
            model: None,
            horizon: first.horizon,
            step: step.unwrap_or(first.horizon),
            gap: first.gap,
            overall: PointErrors::over(found.iter().map(|result| &result.overall)),
            seasonal_naive: PointErrors::over(found.iter().map(|result| &result.seasonal_naive)),
            folds: folds.iter().enumerate().map(|(number, fold)| fold.errors(number)).collect(),
            by_step: steps.into_iter().map(of_step).collect(),
            by_series: by_series(&found),
            skipped: found.iter().map(|result| result.skipped).sum(),
            warnings: failed_folds(folds).into_iter().collect(),
            points: None,
        })
    }
}

impl RefittedFold<'_> {
    fn errors(&self, fold: usize) -> FoldErrors {
        let only = self.result.and_then(|result| result.folds.first()).cloned().unwrap_or_default();
        FoldErrors {
            fold,
            job: self.job,
            model: self.model,
            error: self.error.clone().filter(|_| self.result.is_none()),
            seasonal_naive: self.result.map(|result| result.seasonal_naive.clone()),
            errors: self.result.map(|result| result.overall.clone()).unwrap_or_default(),
            ..only
        }
    }
}

fn failed_folds(folds: &[RefittedFold<'_>]) -> Option<Warning> {
    let failed = folds.iter().enumerate().filter(|(_, fold)| fold.result.is_none());
    let failed: Vec<String> = failed.map(|(number, _)| number.to_string()).collect();
    let detail = format!("{} of {} folds failed, and count nowhere: {}", failed.len(), folds.len(), failed.join(", "));
    (!failed.is_empty()).then(|| Warning { code: "failed_folds".to_owned(), detail })
}

/// The first series in the dataset's order, with their errors over the folds that evaluated them.
///
/// A fold lists only the series that it evaluated, so no single list need be complete. A series that an earlier fold
/// skipped is inserted after its predecessor in a later fold's list.
fn by_series(found: &[&BacktestResult]) -> Vec<SeriesErrors> {
    let mut order: Vec<&str> = Vec::new();
    let mut parts: HashMap<&str, Vec<&PointErrors>> = HashMap::new();
    for result in found {
        let mut next = 0;
        for SeriesErrors { series, errors } in &result.by_series {
            let key = series.as_str();
            if !parts.contains_key(key) {
                order.insert(next, key);
            }
            // Usually the next one: folds skip few series.
            let at = order.iter().skip(next).position(|known| *known == key).unwrap_or_default();
            next += at + 1;
            parts.entry(key).or_default().push(errors);
        }
    }
    // A full list may omit series after its last entry.
    for result in found.iter().filter(|result| result.by_series.len() >= LISTED_SERIES) {
        let last = result.by_series.last().map(|last| last.series.as_str());
        let end = order.iter().position(|key| Some(*key) == last);
        order.truncate(end.map_or(order.len(), |end| end + 1));
    }
    let errors = |key: &str| SeriesErrors {
        series: key.to_owned(),
        errors: PointErrors::over(parts.get(key).into_iter().flatten().copied()),
    };
    order.into_iter().take(LISTED_SERIES).map(errors).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(points: u64, mae: f64, mase: Option<(f64, u64)>) -> PointErrors {
        PointErrors {
            points,
            mae: Some(mae),
            mase: mase.map(|(mase, _)| mase),
            mase_points: Some(mase.map_or(0, |(_, points)| points)),
            ..PointErrors::default()
        }
    }

    fn fold(overall: PointErrors, keys: &[&str]) -> BacktestResult {
        let by_series = keys.iter().map(|key| SeriesErrors { series: (*key).to_owned(), errors: overall.clone() });
        BacktestResult {
            model: None,
            horizon: 3,
            step: 3,
            gap: 1,
            seasonal_naive: errors(overall.points, 1.0, None),
            folds: vec![FoldErrors { seen_in_training: Some(false), ..FoldErrors::default() }],
            by_step: vec![StepErrors { step: 2, seasonal_naive: Some(errors(1, 4.0, None)), errors: overall.clone() }],
            by_series: by_series.collect(),
            skipped: 1,
            warnings: Vec::new(),
            points: None,
            overall,
        }
    }

    fn merged(results: &[BacktestResult]) -> BacktestResult {
        let folds: Vec<_> =
            results.iter().map(|result| RefittedFold { result: Some(result), ..RefittedFold::default() }).collect();
        BacktestResult::of_refits(&folds, Some(5)).unwrap()
    }

    #[test]
    fn each_metric_is_weighted_by_its_own_points() {
        let folds = [fold(errors(10, 1.0, Some((2.0, 10))), &["a"]), fold(errors(30, 5.0, Some((4.0, 5))), &["a"])];
        let result = merged(&folds);
        assert_eq!((result.overall.points, result.overall.mae), (40, Some(4.0)));
        let mase = (2.0 * 10.0 + 4.0 * 5.0) / 15.0;
        assert_eq!((result.overall.mase, result.overall.mase_points), (Some(mase), Some(15)));
        assert_eq!(result.by_step[0].errors.mase, Some(mase));
        assert_eq!(result.by_step[0].seasonal_naive.as_ref().unwrap().mae, Some(4.0));
        assert_eq!(result.by_series[0].errors.mase, Some(mase));
        assert_eq!((result.step, result.gap, result.skipped), (5, 1, 2));
        assert_eq!(result.folds[1].seen_in_training, Some(false));
    }

    #[test]
    fn results_without_counts_are_weighted_by_all_points() {
        let old = |points, mase| PointErrors { mase_points: None, ..errors(points, 1.0, Some((mase, 0))) };
        assert_eq!(PointErrors::over([&old(1, 1.0), &old(3, 5.0)]).mase, Some(4.0));
    }

    #[test]
    fn series_keep_the_datasets_order() {
        let some = || errors(1, 1.0, None);
        let keys =
            |result: &BacktestResult| result.by_series.iter().map(|errors| errors.series.clone()).collect::<Vec<_>>();
        let numbered = merged(&[fold(some(), &["2", "10", "1"]), fold(some(), &["2", "7", "10", "1", "0"])]);
        assert_eq!(keys(&numbered), ["2", "7", "10", "1", "0"]);

        // Each fold lists 1,000 series: the second has one that the first skipped, and its list ends one series
        // earlier.
        let names: Vec<String> = (0..=LISTED_SERIES).map(|at| at.to_string()).collect();
        let without = |left_out: usize| -> Vec<&str> {
            let all = names.iter().enumerate().filter(|(at, _)| *at != left_out);
            all.map(|(_, name)| name.as_str()).collect()
        };
        let result = merged(&[fold(some(), &without(3)), fold(some(), &without(LISTED_SERIES))]);
        assert_eq!(keys(&result), names[..LISTED_SERIES]);
        assert_eq!(result.by_series[0].errors.points, 2);
        assert_eq!(result.by_series[3].errors.points, 1);
    }

    #[test]
    fn failed_folds_raise_a_warning() {
        let result = fold(errors(1, 1.0, None), &[]);
        let error = JobError { code: "diverged".to_owned(), detail: "…".to_owned() };
        let folds = [
            RefittedFold { error: Some(error.clone()), ..RefittedFold::default() },
            RefittedFold { result: Some(&result), ..RefittedFold::default() },
        ];
        let merged = BacktestResult::of_refits(&folds, None).unwrap();
        assert_eq!(merged.folds[0].error, Some(error));
        assert_eq!(merged.warnings[0].detail, "1 of 2 folds failed, and count nowhere: 0");
        assert_eq!(merged.step, 3);
        assert!(BacktestResult::of_refits(&folds[..1], None).is_none());
    }
}
