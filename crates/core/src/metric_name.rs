//! Metrics by name: what trainings are ranked by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::metric_values::{HoldoutMetrics, Metrics};
use super::schema::text_schema;

/// All are better the lower they are.
const NAMES: [&str; 6] = ["loss", "last_time_step_mse", "mae", "rmse", "smape", "mase"];

const MAE: usize = 2;

/// A metric of one of the parts held back: `validation.mae`, or `mae` for short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MetricName {
    part: Part,
    /// Its place in [`NAMES`].
    name: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Validation,
    Test,
}

text_schema!(
    MetricName,
    "MetricName",
    "validation.mae",
    "`validation.` or `test.` and one of loss, last_time_step_mse, mae, rmse, smape, mase; validation where the part is left out."
);

/// The validation part's mean absolute error: in the data's own units, and not swayed by a few far
/// misses.
impl Default for MetricName {
    fn default() -> Self {
        Self { part: Part::Validation, name: MAE }
    }
}

impl MetricName {
    /// The metric's value; `None` where the part has no windows, the metric does not apply, or the
    /// number is not finite.
    pub fn of(&self, held_out: &HoldoutMetrics) -> Option<f64> {
        let metrics = match self.part {
            Part::Validation => held_out.validation.as_ref(),
            Part::Test => held_out.test.as_ref(),
        };
        metrics.and_then(|metrics| value(metrics, self.name())).filter(|value| value.is_finite())
    }

    fn name(&self) -> &'static str {
        NAMES.get(self.name).copied().unwrap_or_default()
    }

    pub fn is_of_validation(&self) -> bool {
        self.part == Part::Validation
    }

    /// In the scale a network learns in: no measure between trainings of different losses or scales.
    pub fn is_scaled(&self) -> bool {
        matches!(self.name(), "loss" | "last_time_step_mse")
    }
}

fn value(metrics: &Metrics, name: &str) -> Option<f64> {
    match name {
        "loss" => metrics.loss,
        "last_time_step_mse" => Some(metrics.last_time_step_mse),
        "mae" => Some(metrics.mae),
        "rmse" => Some(metrics.rmse),
        "smape" => Some(metrics.smape),
        "mase" => metrics.mase,
        _ => None,
    }
}

impl FromStr for MetricName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (part, name) = match text.split_once('.') {
            None => (Part::Validation, text),
            Some(("validation", name)) => (Part::Validation, name),
            Some(("test", name)) => (Part::Test, name),
            Some(_) => return Err("unknown part: expected validation or test before the dot".to_owned()),
        };
        let known = NAMES.iter().position(|known| *known == name);
        let name = known.ok_or_else(|| format!("unknown metric: expected one of {}", NAMES.join(", ")))?;
        Ok(Self { part, name })
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
        let part = match self.part {
            Part::Validation => "validation",
            Part::Test => "test",
        };
        write!(f, "{part}.{}", self.name())
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
        for wrong in ["", "map", "train.mae", "validation.", "mae.validation"] {
            assert!(wrong.parse::<MetricName>().is_err(), "{wrong}");
        }
    }
}
