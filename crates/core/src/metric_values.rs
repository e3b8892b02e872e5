//! The metrics that forecasts are evaluated by.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The errors of one model on one part of the data.
///
/// The evaluated forecast is one number per point: the mean of a distribution, or the quantile nearest to the median.
/// `loss` and `last_time_step_mse` are in the network's scale; `mae` and `rmse` are in the data's units. All but
/// `loss` evaluate only the forecast made at each window's last step.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Metrics {
    /// The training loss, over every step that is trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// The mean squared error of the last step's forecast, in the network's scale.
    pub last_time_step_mse: f64,
    /// Mean absolute error, in the data's units.
    pub mae: f64,
    /// Root mean squared error, in the data's units.
    pub rmse: f64,
    /// Symmetric mean absolute percentage error, 0 to 200. A point whose forecast and value are both 0 counts as 0.
    pub smape: f64,
    /// Mean absolute error divided by that of the seasonal naive forecast within the training part, by series and
    /// target. Absent if that scale is 0 or unknown for every series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mase: Option<f64>,
    /// For probabilistic heads: the mean pinball loss over the head's levels (0.025, 0.1, 0.5, 0.9 and 0.975 for a
    /// distribution), in the data's units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinball: Option<f64>,
    /// The fraction of values within each interval. It is near the interval's level if the head is well calibrated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<Coverage>,
}

/// The coverage of one interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Coverage {
    /// The nominal coverage of the interval, in per cent: 80 is between the quantiles at 0.1 and 0.9.
    pub level: f64,
    /// The observed coverage, 0 to 1.
    pub share: f64,
}

/// The metrics of the training part.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct TrainingMetrics {
    /// The mean loss over the epoch's batches, weighted by their number of windows, while the weights change.
    pub loss: f64,
}

/// The report of one epoch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct EpochReport {
    /// From 1.
    pub epoch: u32,
    /// Wall time of the epoch, including validation.
    pub seconds: f64,
    pub training: TrainingMetrics,
    /// Absent if the split has no validation part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Metrics>,
    /// Whether this epoch's weights are the best so far.
    pub best: bool,
    /// The learning rate of the epoch's last step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// The Euclidean norm of the gradient before clipping, averaged over the epoch's steps, for each recurrent layer
    /// (`recurrent.0`, …) and for the `head`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gradient_norm: BTreeMap<String, f64>,
}

impl EpochReport {
    /// The loss that epochs are compared by: the validation loss, or the training loss if there is none.
    pub fn monitored_loss(&self) -> f64 {
        self.validation.as_ref().and_then(|metrics| metrics.loss).unwrap_or(self.training.loss)
    }
}

/// The errors of one method on the holdout parts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct HoldoutMetrics {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Metrics>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Metrics>,
}

/// Baseline forecasts on the same windows as the model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Baselines {
    /// The last known value, repeated.
    pub naive: HoldoutMetrics,
    /// The value one season before. Equals `naive` if the season is 1 or longer than the context.
    pub seasonal_naive: HoldoutMetrics,
    /// The straight line through the context's first and last values, extrapolated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<HoldoutMetrics>,
    /// Linear least squares from the context to the horizon. Only in comparisons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear: Option<HoldoutMetrics>,
    /// The optimised theta model (Fiorucci et al. 2016) on the whole series before each window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theta: Option<HoldoutMetrics>,
}

impl Baselines {
    /// The baselines that were computed, by name.
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

/// The metrics of a finished training, computed with the best epoch's weights.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct FinalMetrics {
    #[serde(flatten)]
    pub model: HoldoutMetrics,
    pub baselines: Baselines,
}

/// The code of the warning about a model that is worse than the seasonal naive forecast.
pub const WORSE_THAN_NAIVE: &str = "worse_than_seasonal_naive";

impl FinalMetrics {
    /// What to tell of a model that is worse than the seasonal naive forecast on the same windows: the test windows,
    /// or the validation windows if there are none. By MASE, which no large series decides, else by MAE.
    pub fn worse_than_naive(&self) -> Option<String> {
        let naive = &self.baselines.seasonal_naive;
        let parts =
            [("test", &self.model.test, &naive.test), ("validation", &self.model.validation, &naive.validation)];
        let (part, model, naive) =
            parts.into_iter().find_map(|(part, model, naive)| Some((part, model.as_ref()?, naive.as_ref()?)))?;
        let (metric, model, naive) = match (model.mase, naive.mase) {
            (Some(model), Some(naive)) => ("MASE", model, naive),
            _ => ("MAE", model.mae, naive.mae),
        };
        (model > naive).then(|| {
            format!(
                "the model is worse than repeating the last season: {metric} {model:.3} against {naive:.3} on the {part} windows"
            )
        })
    }
}
