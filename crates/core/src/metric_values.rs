//! What a forecast is judged by.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The errors of one model on one part of the data.
///
/// The forecast judged is one number a point: of a distribution its mean, of quantiles the one
/// nearest to the median. `loss` and `last_time_step_mse` are in the scale the network learns in; `mae` and `rmse` are in
/// the data's own units; all but `loss` judge the forecast made at each window's last step alone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Metrics {
    /// The loss that training minimises, over every step that is trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Mean squared error of the last step's forecast, in the network's scale.
    pub last_time_step_mse: f64,
    /// Mean absolute error, in the data's units.
    pub mae: f64,
    /// Root of the mean squared error, in the data's units.
    pub rmse: f64,
    /// Symmetric mean absolute percentage error, 0 to 200; a point with forecast and value both 0 counts 0.
    pub smape: f64,
    /// Mean absolute error over that of the seasonal naive forecast within the training part, by
    /// series and target; absent where that scale is 0 or unknown for every series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mase: Option<f64>,
    /// Of heads that say how sure they are: the mean pinball loss over their levels (of a
    /// distribution: 0.025, 0.1, 0.5, 0.9 and 0.975), in the data's units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinball: Option<f64>,
    /// The share of values that lay within each interval: near its level where the head is right
    /// about how sure it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<Coverage>,
}

/// How often the values lay within an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Coverage {
    /// Of the interval, per cent: 80 is between the quantiles at 0.1 and 0.9.
    pub level: f64,
    /// 0 to 1.
    pub share: f64,
}

/// What training reports of the part it learns from.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct TrainingMetrics {
    /// Mean over the epoch's batches, each weighted by its windows, taken as the weights move.
    pub loss: f64,
}

/// One epoch, as the history keeps it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct EpochReport {
    /// Counted from 1.
    pub epoch: u32,
    /// Wall time of the epoch, validation included.
    pub seconds: f64,
    pub training: TrainingMetrics,
    /// Absent where the order has no validation part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Metrics>,
    /// This epoch's weights are the best so far.
    pub best: bool,
    /// Of the epoch's last step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// The Euclidean norm of the gradient before clipping, mean over the epoch's steps: of each
    /// recurrent layer (`recurrent.0`, …) and of the `head`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gradient_norm: BTreeMap<String, f64>,
}

impl EpochReport {
    /// What epochs are compared by: the validation loss, or the training loss where there is none.
    pub fn monitored_loss(&self) -> f64 {
        self.validation.as_ref().and_then(|metrics| metrics.loss).unwrap_or(self.training.loss)
    }
}

/// A method's errors on the parts held back.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct HoldoutMetrics {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Metrics>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Metrics>,
}

/// The forecasts every model must beat, on the same windows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Baselines {
    /// The last known value, repeated.
    pub naive: HoldoutMetrics,
    /// The value one season before; the same as `naive` where the season is 1 or longer than the context.
    pub seasonal_naive: HoldoutMetrics,
    /// The straight line through the context's first and last values, drawn on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<HoldoutMetrics>,
    /// Least squares from the context to the horizon; of comparisons alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear: Option<HoldoutMetrics>,
    /// Assimakopoulos and Nikolopoulos 2000; of comparisons alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theta: Option<HoldoutMetrics>,
}

impl Baselines {
    /// Those that were computed, by name.
    pub fn named(&self) -> Vec<(&'static str, HoldoutMetrics)> {
        let all = [
            ("naive", Some(self.naive.clone())),
            ("seasonal_naive", Some(self.seasonal_naive.clone())),
            ("drift", self.drift.clone()),
            ("linear", self.linear.clone()),
            ("theta", self.theta.clone()),
        ];
        all.into_iter().filter_map(|(name, held_out)| Some((name, held_out?))).collect()
    }
}

/// What a finished training reports: the best epoch's weights, judged once more.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct FinalMetrics {
    #[serde(flatten)]
    pub model: HoldoutMetrics,
    pub baselines: Baselines,
}
