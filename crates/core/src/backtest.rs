//! What a backtest finds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{JobId, ModelId};
use super::job::JobError;
use super::metric_values::Coverage;

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
    /// The first thousand series in the dataset's order; the points hold all.
    pub by_series: Vec<SeriesErrors>,
    /// Origins of a series with too few points before them, or none known.
    pub skipped: u64,
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
    /// The mean pinball loss over the levels of a quantile head, or over 0.025, 0.1, 0.5, 0.9 and 0.975 of
    /// a distribution; absent for a head of one number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinball: Option<f64>,
    /// How often the values lay within each interval, the narrowest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<Coverage>,
}

impl PointErrors {
    /// Of all points of several.
    pub fn over<'e>(parts: impl Iterator<Item = &'e Self> + Clone) -> Self {
        let points = parts.clone().map(|part| part.points).sum();
        let mean = |of: fn(&Self) -> Option<f64>| {
            let known = parts.clone().filter_map(|part| Some((of(part)?, part.points as f64)));
            let (sum, count) =
                known.fold((0.0, 0.0), |(sum, count), (mean, points)| (sum + mean * points, count + points));
            (count > 0.0).then(|| sum / count)
        };
        Self {
            points,
            mae: mean(|part| part.mae),
            rmse: mean(|part| part.rmse.map(|rmse| rmse * rmse)).map(f64::sqrt),
            smape: mean(|part| part.smape),
            mase: mean(|part| part.mase),
            pinball: mean(|part| part.pinball),
            coverage: coverage(parts),
        }
    }
}

/// Of several parts together, each level that any of them has.
fn coverage<'e>(parts: impl Iterator<Item = &'e PointErrors>) -> Vec<Coverage> {
    let mut sums: Vec<(f64, f64, f64)> = Vec::new();
    for part in parts {
        for covered in &part.coverage {
            let (within, points) = (covered.share * part.points as f64, part.points as f64);
            match sums.iter_mut().find(|(level, ..)| *level == covered.level) {
                Some((_, sum, count)) => (*sum, *count) = (*sum + within, *count + points),
                None => sums.push((covered.level, within, points)),
            }
        }
    }
    sums.sort_by(|a, b| a.0.total_cmp(&b.0));
    sums.into_iter().map(|(level, within, points)| Coverage { level, share: within / points }).collect()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
    #[serde(flatten)]
    pub errors: PointErrors,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepErrors {
    /// Steps ahead of the origin, from 1.
    pub step: usize,
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
