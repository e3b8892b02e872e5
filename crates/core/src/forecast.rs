//! Forecast requests and responses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dataset::Warning;
use super::frequency::Frequency;
use super::ids::{DatasetId, ModelId};

/// The maximum number of series per request.
pub const MAX_SERIES: usize = 100_000;

/// The maximum length of a series id, in bytes of UTF-8.
pub const MAX_ID_BYTES: usize = 512;

/// Body of `POST /v1/models/{id}/forecast`: stored series by their keys, or series with their values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForecastRequest {
    /// Keys of stored series, or series with their values. Default: `"all"`, every series of the dataset.
    #[serde(default, skip_serializing_if = "SeriesSelection::is_all")]
    #[schema(required = false)]
    pub series: SeriesSelection,
    /// The dataset of the stored series. Default: the dataset that the model was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetId>,
    /// The number of points to forecast. Default: the horizon that the model was trained for. For longer horizons,
    /// forecasts are appended to the history and the model runs again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10000)]
    pub horizon: Option<usize>,
    /// The prediction intervals to return, each by its coverage in per cent: `[80, 95]`. Only for models with a
    /// probabilistic head.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32, minimum = 1.0, maximum = 99.9)]
    #[schema(extensions(("x-hint" = json!("interval levels are per cent, such as 80"))))]
    pub levels: Vec<f64>,
}

/// The series to forecast.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum SeriesSelection {
    All(AllSeries),
    /// 1 to 100,000 series.
    Listed(Vec<SeriesRequest>),
}

/// Every series of the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum AllSeries {
    #[serde(rename = "all")]
    All,
}

impl SeriesSelection {
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All(_))
    }
}

impl Default for SeriesSelection {
    fn default() -> Self {
        Self::All(AllSeries::All)
    }
}

impl<'de> Deserialize<'de> for SeriesSelection {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct SelectionVisitor;

        impl<'de> serde::de::Visitor<'de> for SelectionVisitor {
            type Value = SeriesSelection;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`\"all\"`, or a list of series")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SeriesSelection, E> {
                match text {
                    "all" => Ok(SeriesSelection::default()),
                    _ => Err(E::custom("expected `\"all\"`, or a list of series: put a single key into a list")),
                }
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<SeriesSelection, A::Error> {
                Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(seq)).map(SeriesSelection::Listed)
            }
        }

        from.deserialize_any(SelectionVisitor)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum SeriesRequest {
    /// The key of a stored series.
    Key(String),
    History(History),
}

/// Reads a string or an object. Unlike serde's untagged enums, it reports errors within the object.
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

/// The latest points of one series, oldest first, without gaps; or the `id` of a stored series, with the future
/// covariates that its dataset does not contain.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Returned with the forecast. At most 512 bytes. If the model was trained on the series, the scaling fitted in
    /// training is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 512)]
    pub id: Option<String>,
    /// The time of the first value: an RFC 3339 time or a date.
    #[serde(skip_serializing_if = "Option::is_none", with = "super::time_bound::from")]
    #[schema(value_type = Option<String>, format = "date-or-time", example = "2019-04-06")]
    pub start: Option<jiff::Timestamp>,
    /// Default: the model's frequency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// The values, for a model with one target. Null means unknown; such values are filled or masked as in training.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<TargetValue>,
    /// The values of each target, for a model with several targets. All must have the same length.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<String, Vec<TargetValue>>,
    /// The past covariates that the model reads, of the same length as the values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub past: BTreeMap<String, Vec<CovariateValue>>,
    /// The future covariates: their values at the points of the history, followed by those at the forecast points.
    /// For a stored series: their values at the forecast points only.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub future: BTreeMap<String, Vec<CovariateValue>>,
    /// The static covariates, with one value per series.
    #[serde(rename = "static", skip_serializing_if = "BTreeMap::is_empty")]
    pub fixed: BTreeMap<String, CovariateValue>,
}

/// A number, or null if it is unknown (NaN in memory).
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

/// One value of a covariate. A category that the model was not trained on counts as unknown, and so does null.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum CovariateValue {
    Number(f64),
    Category(String),
    Unknown,
}

impl utoipa::PartialSchema for CovariateValue {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Number, Type::String, Type::Boolean, Type::Null]))
            .description(Some("A number, a category, or null for an unknown value. true and false are categories."))
            .into()
    }
}

impl ToSchema for CovariateValue {}

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

impl History {
    /// Whether it only refers to a stored series: it has an id and no values.
    pub fn is_stored(&self) -> bool {
        self.id.is_some()
            && self.start.is_none()
            && self.values.is_empty()
            && self.targets.is_empty()
            && self.past.is_empty()
            && self.fixed.is_empty()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ForecastResponse {
    pub model: ModelId,
    /// One per series and target, in the order of the request or of the dataset.
    pub forecasts: Vec<Forecast>,
    /// If all series of a dataset were requested: those that could not be forecast.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<SeriesError>,
    /// Warnings about the forecasts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// Why one series could not be forecast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeriesError {
    pub series: String,
    /// A stable code, for programs.
    #[schema(example = "series_too_short")]
    pub code: String,
    /// A message for people.
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Forecast {
    pub series: Option<String>,
    pub target: String,
    /// The time of each point. Absent if the start or the frequency of the series is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamps: Option<Vec<jiff::Timestamp>>,
    /// The point forecast, in the data's units. For a quantile head, this is the quantile nearest to the median.
    pub mean: Vec<f64>,
    /// One per level in the request's `levels`, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intervals: Vec<Interval>,
    /// For a quantile head: one per level that it was trained with, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quantiles: Vec<QuantileForecast>,
}

/// A central prediction interval: equal shares of values are expected below and above it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Interval {
    /// The percentage of values expected within the interval.
    pub level: f64,
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QuantileForecast {
    /// The fraction of values expected below the quantile.
    pub level: f64,
    pub values: Vec<f64>,
}
