//! Backtest results.

mod refits;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dataset::Warning;
use super::ids::{JobId, ModelId};
use super::job::JobError;
use super::metric_accumulator::MetricAccumulator;
use super::metric_values::Coverage;

pub use refits::RefittedFold;

/// The maximum number of series whose errors a result lists.
pub const LISTED_SERIES: usize = 1_000;

/// Rolling-origin errors of one model, in the data's units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BacktestResult {
    /// The evaluated model. Null if each fold trained its own model.
    pub model: Option<ModelId>,
    pub horizon: usize,
    pub step: usize,
    pub gap: usize,
    pub overall: PointErrors,
    /// Errors of the seasonal naive forecast on the same points.
    pub seasonal_naive: PointErrors,
    /// Oldest first.
    pub folds: Vec<FoldErrors>,
    pub by_step: Vec<StepErrors>,
    /// The first 1,000 series with an evaluated point, in the dataset's order. The points file contains all series.
    pub by_series: Vec<SeriesErrors>,
    /// The number of origins without a point to evaluate: the series has too few points before the origin or no known
    /// value after it.
    pub skipped: u64,
    /// Codes: `empty_folds`, `folds_seen_in_training`, `failed_folds`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Null if each fold trained its own model. Each fold's job then has its own points file.
    pub points: Option<PointsFile>,
}

/// Mean errors over the points whose value is known.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct PointErrors {
    pub points: u64,
    pub mae: Option<f64>,
    pub rmse: Option<f64>,
    /// In per cent, 0 to 200.
    pub smape: Option<f64>,
    /// Mean absolute error divided by that of the seasonal naive forecast before the origin.
    pub mase: Option<f64>,
    /// The number of points in `mase`: those of series whose seasonal naive error is known and not 0. Absent in
    /// results stored by version 0.1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mase_points: Option<u64>,
    /// The mean pinball loss over the levels of a quantile head, or over 0.025, 0.1, 0.5, 0.9 and 0.975 for a
    /// distribution. Absent for a point head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinball: Option<f64>,
    /// The number of points in `pinball` and `coverage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile_points: Option<u64>,
    /// The fraction of values within each interval, narrowest interval first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<Coverage>,
}

impl PointErrors {
    /// Combines the errors of several evaluations, weighted by their points.
    pub fn over<'e>(parts: impl IntoIterator<Item = &'e Self>) -> Self {
        let mut all = MetricAccumulator::default();
        parts.into_iter().for_each(|part| all.merge(part));
        all.errors()
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct FoldErrors {
    /// From 0 (the oldest).
    pub fold: usize,
    /// The fold's own backtest job, which has its points. Only if each fold trained its own model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// The model trained for this fold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// Why the fold has no errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// The time of the last point before the forecasts, or the earliest such time if series differ. Like all times,
    /// it is absent for data without times and for a fold without an evaluated point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<jiff::Timestamp>,
    /// The time of the first evaluated point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<jiff::Timestamp>,
    /// The time of the last evaluated point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<jiff::Timestamp>,
    /// Whether training used any of the evaluated points, to fit the weights or to choose among epochs. Null if
    /// unknown: the model was split by fractions or by series on other data, or was fine-tuned.
    #[serde(default)]
    pub seen_in_training: Option<bool>,
    /// Errors of the seasonal naive forecast on the same points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seasonal_naive: Option<PointErrors>,
    #[serde(flatten)]
    pub errors: PointErrors,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepErrors {
    /// Steps after the origin, from 1.
    pub step: usize,
    /// Errors of the seasonal naive forecast on the same points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seasonal_naive: Option<PointErrors>,
    #[serde(flatten)]
    pub errors: PointErrors,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesErrors {
    pub series: String,
    #[serde(flatten)]
    pub errors: PointErrors,
}

/// The file with the points of all folds: `GET /v1/jobs/{id}/points`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PointsFile {
    pub rows: u64,
    pub bytes: u64,
    pub sha256: String,
}
