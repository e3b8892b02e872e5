//! The names of the metrics that trainings can be ranked by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::metric_values::{HoldoutMetrics, Metrics};
use super::order::HoldoutPart;
use super::validate::nearest;

/// A metric of one of the holdout parts: `validation.mae`, or `mae` for short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MetricName {
    part: HoldoutPart,
    metric: Metric,
}

/// Lower is better for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metric {
    Loss,
    LastTimeStepMse,
    Mae,
    Rmse,
    Smape,
    Mase,
    Pinball,
}

impl Metric {
    const ALL: [Self; 7] =
        [Self::Loss, Self::LastTimeStepMse, Self::Mae, Self::Rmse, Self::Smape, Self::Mase, Self::Pinball];

    const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::LastTimeStepMse => "last_time_step_mse",
            Self::Mae => "mae",
            Self::Rmse => "rmse",
            Self::Smape => "smape",
            Self::Mase => "mase",
            Self::Pinball => "pinball",
        }
    }

    fn of(self, metrics: &Metrics) -> Option<f64> {
        match self {
            Self::Loss => metrics.loss,
            Self::LastTimeStepMse => Some(metrics.last_time_step_mse),
            Self::Mae => Some(metrics.mae),
            Self::Rmse => Some(metrics.rmse),
            Self::Smape => Some(metrics.smape),
            Self::Mase => metrics.mase,
            Self::Pinball => metrics.pinball,
        }
    }
}

impl utoipa::PartialSchema for MetricName {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::Custom("metric".to_owned())))
            .pattern(Some(format!(r"^((validation|test)\.)?({})$", Metric::ALL.map(Metric::name).join("|"))))
            .description(Some("A metric of the validation part, or after `test.` of the test part."))
            .examples(["validation.mae"])
            .into()
    }
}

impl utoipa::ToSchema for MetricName {}

/// The MASE of the validation part: no series decides by its size, and it is robust to a few large errors.
impl Default for MetricName {
    fn default() -> Self {
        Self { part: HoldoutPart::Validation, metric: Metric::Mase }
    }
}

impl MetricName {
    /// The metric's value. `None` if the part has no windows, the metric does not apply, or the value is not finite.
    pub fn of(&self, held_out: &HoldoutMetrics) -> Option<f64> {
        let metrics = match self.part {
            HoldoutPart::Validation => held_out.validation.as_ref(),
            HoldoutPart::Test => held_out.test.as_ref(),
        };
        metrics.and_then(|metrics| self.metric.of(metrics)).filter(|value| value.is_finite())
    }

    /// The holdout part that the metric is computed on.
    pub fn part(&self) -> HoldoutPart {
        self.part
    }

    pub fn is_of_validation(&self) -> bool {
        self.part == HoldoutPart::Validation
    }

    /// Whether it is in the network's scale. Such a metric does not compare trainings with different losses or
    /// scalings.
    pub fn is_scaled(&self) -> bool {
        matches!(self.metric, Metric::Loss | Metric::LastTimeStepMse)
    }

    /// Whether it is a mean over quantile levels. Such a metric compares only forecasts with the same levels.
    pub fn is_of_quantiles(&self) -> bool {
        self.metric == Metric::Pinball
    }
}

impl FromStr for MetricName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (part, name) = match text.split_once('.') {
            None => (HoldoutPart::Validation, text),
            Some(("validation", name)) => (HoldoutPart::Validation, name),
            Some(("test", name)) => (HoldoutPart::Test, name),
            Some(_) => return Err("is not a metric: expected `validation` or `test` before the dot".to_owned()),
        };
        let metric = Metric::ALL.into_iter().find(|metric| metric.name() == name).ok_or_else(|| {
            let names = Metric::ALL.map(Metric::name);
            let close = nearest(name, names.into_iter());
            format!("is not a metric: expected one of {}, after `validation.` or `test.`{close}", names.join(", "))
        })?;
        Ok(Self { part, metric })
    }
}

impl TryFrom<String> for MetricName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MetricName> for String {
    fn from(metric: MetricName) -> String {
        metric.to_string()
    }
}

impl fmt::Display for MetricName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.part, self.metric.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_name() {
        let metrics = Metrics { mae: 1.0, smape: 2.0, mase: None, rmse: f64::NAN, ..Metrics::default() };
        let held_out = HoldoutMetrics { validation: Some(metrics), test: None };
        let of = |name: &str| name.parse::<MetricName>().unwrap().of(&held_out);
        assert_eq!((of("mae"), of("validation.smape")), (Some(1.0), Some(2.0)));
        assert_eq!((of("test.mae"), of("mase"), of("rmse")), (None, None, None));
        let pinball = Metrics { pinball: Some(0.5), ..Metrics::default() };
        let held_out = HoldoutMetrics { validation: None, test: Some(pinball) };
        let name: MetricName = "test.pinball".parse().unwrap();
        assert_eq!((name.of(&held_out), name.to_string().as_str()), (Some(0.5), "test.pinball"));
        for wrong in ["", "map", "train.mae", "validation.", "mae.validation"] {
            assert!(wrong.parse::<MetricName>().is_err(), "{wrong}");
        }
    }
}
