//! What a backtest finds.

mod refits;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dataset::Warning;
use super::ids::{JobId, ModelId};
use super::job::JobError;
use super::metric_accumulator::MetricAccumulator;
use super::metric_values::Coverage;

pub use refits::RefittedFold;

/// The most series whose errors a result lists.
pub const LISTED_SERIES: usize = 1_000;

/// Rolling-origin errors of one model, in the data's units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BacktestResult {
    /// The model that was judged; null where each fold trained its own.
    pub model: Option<ModelId>,
    pub horizon: usize,
    pub step: usize,
    pub gap: usize,
    pub overall: PointErrors,
    /// The last season repeated, on the same points.
    pub seasonal_naive: PointErrors,
    /// Oldest first.
    pub folds: Vec<FoldErrors>,
    pub by_step: Vec<StepErrors>,
    /// The first thousand series with an evaluated point, in the dataset's order; the points hold all.
    pub by_series: Vec<SeriesErrors>,
    /// Origins of a series that gave no point to evaluate: too few points lie before them, or no value is known after them.
    pub skipped: u64,
    /// What a reader of the errors must know: `empty_folds`, `folds_seen_in_training`, `failed_folds`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Null where each fold trained its own model: the points are then its job's.
    pub points: Option<PointsFile>,
}

/// Means over the points whose value is known.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct PointErrors {
    pub points: u64,
    pub mae: Option<f64>,
    pub rmse: Option<f64>,
    /// Per cent, 0 to 200.
    pub smape: Option<f64>,
    /// Over the mean absolute error of the seasonal naive forecast before the origin.
    pub mase: Option<f64>,
    /// The points that `mase` is the mean of: those of series whose seasonal naive error is known and not 0. Absent in results
    /// stored by version 0.1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mase_points: Option<u64>,
    /// The mean pinball loss over the levels of a quantile head, or over 0.025, 0.1, 0.5, 0.9 and 0.975 of
    /// a distribution; absent for a head of one number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinball: Option<f64>,
    /// The points that `pinball` and `coverage` are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile_points: Option<u64>,
    /// How often the values lay within each interval, the narrowest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<Coverage>,
}

impl PointErrors {
    /// The errors over all points of several evaluations.
    pub fn over<'e>(parts: impl IntoIterator<Item = &'e Self>) -> Self {
        let mut all = MetricAccumulator::default();
        parts.into_iter().for_each(|part| all.merge(part));
        all.errors()
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct FoldErrors {
    /// From 0, the oldest.
    pub fold: usize,
    /// The backtest of the fold's own model, with its points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// The fold's own model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// Why the fold has no errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// The time of the last point before the forecasts, the earliest one where series differ. Absent, as all times, for data
    /// without times and for a fold without an evaluated point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<jiff::Timestamp>,
    /// The time of the first evaluated point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<jiff::Timestamp>,
    /// The time of the last evaluated point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<jiff::Timestamp>,
    /// Whether the model's training used any of the evaluated points, to fit the weights or to choose among epochs. Null where
    /// that is not known: the model was split by shares or by series on other data, or was fine-tuned.
    #[serde(default)]
    pub seen_in_training: Option<bool>,
    /// The last season repeated, on the same points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seasonal_naive: Option<PointErrors>,
    #[serde(flatten)]
    pub errors: PointErrors,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepErrors {
    /// Steps ahead of the origin, from 1.
    pub step: usize,
    /// The last season repeated, on the same points.
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

/// All points of all folds: `GET /v1/jobs/{id}/points`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PointsFile {
    pub rows: u64,
    pub bytes: u64,
    pub sha256: String,
}
