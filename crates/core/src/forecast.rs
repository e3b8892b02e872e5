//! Asking a model for what comes next.

use std::collections::BTreeMap;

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::frequency::Frequency;
use super::ids::{DatasetId, ModelId};

/// What `POST /v1/models/{id}/forecast` takes: either `series` with values, or a `dataset` and
/// the keys of its series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForecastRequest {
    /// With `dataset`: keys of stored series. Alone: histories.
    #[garde(length(min = 1, max = 100_000))]
    pub series: Vec<SeriesRequest>,
    /// Where the keys' latest points are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub dataset: Option<DatasetId>,
    /// Points ahead. Left out: as many as the model was trained for. Past that, the forecast is
    /// fed back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(range(min = 1, max = 10_000)))]
    pub horizon: Option<usize>,
    /// Intervals to answer, each by the per cent of values that should lie within it: `[80, 95]`.
    /// For models whose head says how sure it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[garde(length(max = 32), inner(range(min = 1.0, max = 99.9)))]
    pub levels: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum SeriesRequest {
    /// A series of the request's `dataset`.
    Key(String),
    History(History),
}

/// Reads a text or an object, so that a mistake within is named for what it is.
impl<'de> Deserialize<'de> for SeriesRequest {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct RequestVisitor;

        impl<'de> serde::de::Visitor<'de> for RequestVisitor {
            type Value = SeriesRequest;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the key of a stored series, or an object with its values")
            }

            fn visit_str<E>(self, key: &str) -> Result<SeriesRequest, E> {
                Ok(SeriesRequest::Key(key.to_owned()))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<SeriesRequest, A::Error> {
                History::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(SeriesRequest::History)
            }
        }

        from.deserialize_any(RequestVisitor)
    }
}

/// The latest points of one series, oldest first, without gaps. With the request's `dataset`: a
/// stored series by its `id`, and the future covariates that its dataset does not hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Echoed in the answer; a series the model was trained on is scaled as in training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The time of the first value: an RFC 3339 time, or a date.
    #[serde(skip_serializing_if = "Option::is_none", with = "super::time_bound::from")]
    #[schema(value_type = Option<String>, example = "2019-04-06")]
    pub start: Option<jiff::Timestamp>,
    /// Left out: the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// For a model with one target. Null where a value is unknown: it is filled or masked as in
    /// training.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<TargetValue>,
    /// For a model with several: all of the same length.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<String, Vec<TargetValue>>,
    /// The past covariates the model reads: as long as the values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub past: BTreeMap<String, Vec<CovariateValue>>,
    /// The covariates known ahead: of the points of the values, and in the same list of the points
    /// ahead. Of a stored series: of the points ahead alone.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub future: BTreeMap<String, Vec<CovariateValue>>,
    /// The covariates with one value a series.
    #[serde(rename = "static", skip_serializing_if = "BTreeMap::is_empty")]
    pub fixed: BTreeMap<String, CovariateValue>,
}

/// A number, or null where it is unknown (NaN within).
#[derive(Debug, Clone, Copy, PartialEq, ToSchema)]
#[schema(value_type = Option<f64>)]
pub struct TargetValue(pub f64);

impl Serialize for TargetValue {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Some(self.0).filter(|value| !value.is_nan()).serialize(to)
    }
}

impl<'de> Deserialize<'de> for TargetValue {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ValueVisitor;

        impl serde::de::Visitor<'_> for ValueVisitor {
            type Value = TargetValue;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, or null where it is unknown")
            }

            fn visit_f64<E>(self, number: f64) -> Result<TargetValue, E> {
                Ok(TargetValue(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<TargetValue, E> {
                Ok(TargetValue(number as f64))
            }

            fn visit_i64<E>(self, number: i64) -> Result<TargetValue, E> {
                Ok(TargetValue(number as f64))
            }

            fn visit_unit<E>(self) -> Result<TargetValue, E> {
                Ok(TargetValue(f64::NAN))
            }
        }

        from.deserialize_any(ValueVisitor)
    }
}

/// One value of a covariate. A category that the model has not seen counts as unknown, and so does
/// null.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum CovariateValue {
    Number(f64),
    Category(String),
    Unknown,
}

impl<'de> Deserialize<'de> for CovariateValue {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ValueVisitor;

        impl serde::de::Visitor<'_> for ValueVisitor {
            type Value = CovariateValue;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, or a category as text")
            }

            fn visit_f64<E>(self, number: f64) -> Result<CovariateValue, E> {
                Ok(CovariateValue::Number(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<CovariateValue, E> {
                Ok(CovariateValue::Number(number as f64))
            }

            fn visit_i64<E>(self, number: i64) -> Result<CovariateValue, E> {
                Ok(CovariateValue::Number(number as f64))
            }

            fn visit_bool<E>(self, flag: bool) -> Result<CovariateValue, E> {
                Ok(CovariateValue::Category(flag.to_string()))
            }

            fn visit_str<E>(self, category: &str) -> Result<CovariateValue, E> {
                Ok(CovariateValue::Category(category.to_owned()))
            }

            fn visit_unit<E>(self) -> Result<CovariateValue, E> {
                Ok(CovariateValue::Unknown)
            }
        }

        from.deserialize_any(ValueVisitor)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ForecastResponse {
    pub model: ModelId,
    /// One entry a series and target, in the order asked.
    pub forecasts: Vec<Forecast>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Forecast {
    pub series: Option<String>,
    pub target: String,
    /// Absent where the start or the frequency is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamps: Option<Vec<jiff::Timestamp>>,
    /// In the data's own units. Of a quantile head: the quantile nearest to the median.
    pub mean: Vec<f64>,
    /// One entry a level asked for, in that order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intervals: Vec<Interval>,
    /// Of a quantile head: one entry a level it was trained at, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quantiles: Vec<QuantileForecast>,
}

/// Between two quantiles, as many values below as above.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Interval {
    /// Per cent of values that should lie within.
    pub level: f64,
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QuantileForecast {
    /// The share of values that should lie below.
    pub level: f64,
    pub values: Vec<f64>,
}
