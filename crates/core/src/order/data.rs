//! What to learn from: columns, windows, parts, scaling.

use serde::de::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::inputs::{Calendar, Covariates};
use super::scaling::{Scaling, ScalingForm};
use super::string_or_struct::{Forms, Number, deserialize_forms};
use super::values::{Differencing, Missing, Recency, Resample, Transform, TransformForm};
use crate::schema::number_schema;

/// Which columns and windows to learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataRequest {
    /// The columns to forecast. Left out: the only number column of the dataset.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 64)]
    pub targets: Vec<String>,
    pub covariates: Covariates,
    /// Parts of the calendar to read besides: names, or objects that say in what form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32)]
    pub calendar: Vec<Calendar>,
    /// Points back from the coming one at which the network reads the targets besides: `[24, 168]`
    /// are the same hour a day and a week before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 64, minimum = 2, maximum = 100000)]
    pub lags: Vec<usize>,
    /// Coming points whose future covariates each step reads. Left out: the horizon, fewer where
    /// points × columns would pass 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10000)]
    pub future_window: Option<usize>,
    /// Points the network reads. Left out: four seasons, at least 32, at most 336, less where the
    /// series are short.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000)]
    pub context: Option<usize>,
    /// Points it forecasts. Left out: one season, at least 2, at most 48.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10000)]
    pub horizon: Option<usize>,
    /// Points from one training window's start to the next.
    #[schema(minimum = 1, maximum = 100000)]
    pub stride: usize,
    /// Points to a season, for MASE and the seasonal naive baseline. Left out: the usual one of
    /// the dataset's frequency, else 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000)]
    pub season: Option<usize>,
    #[serde(deserialize_with = "crate::order::string_or_struct::object")]
    pub split: Split,
    #[schema(value_type = ScalingForm)]
    pub scaling: Scaling,
    pub missing: Missing,
    /// Changes the targets' values before they are differenced and scaled. Left out: `none`.
    #[serde(skip_serializing_if = "Transform::is_none")]
    #[schema(value_type = TransformForm)]
    pub transform: Transform,
    /// Learns differences of the targets. Left out: their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differencing: Option<Differencing>,
    /// Brings the points to an even step. Left out: they must stand on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resample: Option<Resample>,
    /// Lets later windows count for more. Left out: all count alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recency: Option<Recency>,
}

impl Default for DataRequest {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            covariates: Covariates::default(),
            calendar: Vec::new(),
            lags: Vec::new(),
            future_window: None,
            context: None,
            horizon: None,
            stride: 1,
            season: None,
            split: Split::default(),
            scaling: Scaling::default(),
            missing: Missing::default(),
            transform: Transform::default(),
            differencing: None,
            resample: None,
            recency: None,
        }
    }
}

/// Which windows are learnt from, and which judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Split {
    /// Within every series, by time. A window belongs to the part that holds the targets of its
    /// last step; its context may reach back into the part before.
    Time {
        /// Left out: what lies before validation and test. A share: so many points right before them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        training: Option<Part>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        validation: Option<Part>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        test: Option<Part>,
    },
    /// Whole series: shares of all series, drawn without replacement by `seed`.
    Series {
        #[serde(default)]
        #[schema(minimum = 0.0, maximum = 0.95)]
        validation: f64,
        #[serde(default)]
        #[schema(minimum = 0.0, maximum = 0.95)]
        test: f64,
        /// Apart from the training's seed, so that trainings that differ in theirs are judged on
        /// the same windows.
        #[serde(default)]
        #[schema(maximum = 18446744073709551615u64)]
        seed: u64,
    },
}

impl Default for Split {
    fn default() -> Self {
        Self::Time { training: None, validation: Some(Part::Fraction(0.15)), test: Some(Part::Fraction(0.15)) }
    }
}

/// A part of the time axis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Part {
    /// A share of each series' points, from 0 up to 0.95; validation and test stand at the end.
    #[schema(value_type = Share)]
    Fraction(f64),
    /// Times or dates, both ends included; a date alone means its whole day (UTC).
    Range(TimeRange),
}

number_schema!(Share, Number, 0.0, 0.95, "A share of the points.");

deserialize_forms!(Part);

impl Forms<'_> for Part {
    const EXPECTED: &'static str =
        "a share such as 0.15, or a range {\"from\": \"2019-01-01\", \"to\": \"2019-05-31\"}";
    type Object = TimeRange;

    fn of_object<E: Error>(range: TimeRange) -> Result<Self, E> {
        Ok(Self::Range(range))
    }

    fn of_number<E: Error>(number: Number) -> Result<Self, E> {
        Ok(Self::Fraction(number.as_f64()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeRange {
    /// Left out: from the series' first point.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::time_bound::from")]
    #[schema(value_type = Option<String>, format = "date-or-time", example = "2019-01-01")]
    pub from: Option<jiff::Timestamp>,
    /// Left out: to the series' last point.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::time_bound::to")]
    #[schema(value_type = Option<String>, format = "date-or-time", example = "2019-05-31")]
    pub to: Option<jiff::Timestamp>,
}
