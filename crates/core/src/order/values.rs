//! Changes to the values before training, which forecasts invert.

use serde::de::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::string_or_struct::{Forms, deserialize_forms, named};
use crate::frequency::Frequency;

/// A transform of the targets, applied before everything else to stabilise growth and variance.
///
/// Written as a string (`log`) or as an object (`{"type": "box_cox", "lambda": 0.3}`), and written back in the
/// shortest form.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(into = "TransformForm")]
pub struct Transform {
    pub kind: TransformKind,
    /// Only for `box_cox`. Default: estimated on the training part.
    pub lambda: Option<f64>,
    /// Whether the numeric past covariates are transformed as well.
    pub covariates: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransformKind {
    /// No transform.
    #[default]
    None,
    /// ln x, for values above 0.
    Log,
    /// ln (1 + x), for counts and other values above −1.
    Log1p,
    /// (x^λ − 1) / λ, for values above 0 (Box and Cox 1964).
    BoxCox,
}

/// The two ways to write a transform.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum TransformForm {
    Word(TransformKind),
    #[schema(value_type = TransformSchema)]
    Object(TransformObject),
}

/// A transform with its options.
#[derive(ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "describes `TransformObject` for the OpenAPI document")]
enum TransformSchema {
    None {
        #[serde(default)]
        covariates: bool,
    },
    Log {
        /// Transform the numeric past covariates as well.
        #[serde(default)]
        covariates: bool,
    },
    Log1p {
        /// Transform the numeric past covariates as well.
        #[serde(default)]
        covariates: bool,
    },
    BoxCox {
        /// Default: estimated on the training part.
        #[schema(minimum = -2.0, maximum = 2.0)]
        lambda: Option<f64>,
        /// Transform the numeric past covariates as well.
        #[serde(default)]
        covariates: bool,
    },
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransformObject {
    #[serde(rename = "type")]
    pub kind: TransformKind,
    /// From −2 to 2. Only for `box_cox`. Default: estimated on the training part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// Transform the numeric past covariates as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub covariates: bool,
}

impl Transform {
    pub const fn of(kind: TransformKind) -> Self {
        Self { kind, lambda: None, covariates: false }
    }

    pub fn is_none(&self) -> bool {
        self.kind == TransformKind::None
    }
}

impl From<Transform> for TransformForm {
    fn from(Transform { kind, lambda, covariates }: Transform) -> Self {
        match (lambda, covariates) {
            (None, false) => Self::Word(kind),
            _ => Self::Object(TransformObject { kind, lambda, covariates }),
        }
    }
}

deserialize_forms!(Transform);

impl Forms<'_> for Transform {
    const EXPECTED: &'static str = "a transform such as \"log\", or {\"type\": \"box_cox\", \"lambda\": 0.3}";
    type Object = TransformObject;

    fn of_object<E: Error>(object: TransformObject) -> Result<Self, E> {
        let TransformObject { kind, lambda, covariates } = object;
        match lambda {
            Some(_) if kind != TransformKind::BoxCox => Err(E::custom("`lambda` belongs to `box_cox` alone")),
            Some(lambda) if !(-2.0..=2.0).contains(&lambda) => Err(E::custom("`lambda` must be from -2 to 2")),
            _ => Ok(Self { kind, lambda, covariates: covariates && kind != TransformKind::None }),
        }
    }

    fn of_text<E: Error>(text: &str) -> Result<Self, E> {
        named(text).map(Self::of)
    }
}

/// Trains on differences of the targets. Forecasts add the predicted differences to the last known values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Differencing {
    /// The order of the differences from one point to the next: 1 removes a trend's level, 2 also its slope.
    #[schema(maximum = 2)]
    pub order: usize,
    /// The seasonal period in points: seasonal differences, taken before those of `order`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 2, maximum = 100000)]
    pub seasonal: Option<usize>,
    /// In which form the network reads the targets.
    pub inputs: DifferencedInputs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DifferencedInputs {
    /// Its differences.
    #[default]
    Differences,
    /// The targets' values. The forecasts are differences nevertheless.
    Values,
}

impl Differencing {
    /// The number of points before a point that its difference reads.
    pub fn lookback(&self) -> usize {
        self.order + self.seasonal.unwrap_or(0)
    }
}

/// Resampling to a regular step, whatever the data's own step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resample {
    /// The step. Each point represents the time from its own up to the next. Steps are aligned to the calendar (UTC;
    /// weeks start on Monday).
    pub every: Frequency,
    #[serde(default)]
    pub aggregation: Aggregation,
}

/// How the known values of a step are combined. A step without known values has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    #[default]
    Mean,
    Sum,
    First,
    Last,
    Min,
    Max,
    Median,
}

/// A larger weight for later windows in training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Recency {
    /// In points: a window that ends this many points before the end of its series' training part has half the
    /// weight.
    #[schema(minimum = 1e-3, maximum = 1e12)]
    pub half_life: f64,
}

/// How to treat points without a value, or without a row on the series' grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Reject the request.
    Refuse,
    /// Linear interpolation between the neighbours; the nearest known value at the ends.
    #[default]
    Interpolate,
    /// The last known value; at the start, the first known one.
    ForwardFill,
    /// No loss for unknown target values. The network reads the last known value of its context, and an additional
    /// input that marks unknown values.
    Mask,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_transform_is_written_in_its_shortest_form_and_read_back() {
        let cases = [
            (json!("log"), json!("log")),
            (json!({"type": "log1p"}), json!("log1p")),
            (json!({"type": "box_cox", "lambda": 0.25}), json!({"type": "box_cox", "lambda": 0.25})),
            (json!({"type": "log", "covariates": true}), json!({"type": "log", "covariates": true})),
            (json!({"type": "none", "covariates": true}), json!("none")),
        ];
        for (given, written) in cases {
            let transform: Transform = serde_json::from_value(given.clone()).unwrap();
            assert_eq!(serde_json::to_value(transform).unwrap(), written, "{given}");
            assert_eq!(serde_json::from_value::<Transform>(written).unwrap(), transform);
        }
    }

    #[test]
    fn invalid_transforms_are_rejected_with_a_reason() {
        let refused = |value: Value| serde_json::from_value::<Transform>(value).unwrap_err().to_string();
        assert!(refused(json!("ln")).contains("unknown variant `ln`"));
        assert!(refused(json!({"type": "log", "lambda": 1})).contains("belongs to `box_cox`"));
        assert!(refused(json!({"type": "box_cox", "lambda": 3})).contains("from -2 to 2"));
        assert!(refused(json!({"type": "box_cox", "lamda": 1})).contains("unknown field `lamda`"));
    }
}
