//! The data part of a training: columns, windows, split and scaling.

use serde::de::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::base::Base;
use super::inputs::{Calendar, Covariates};
use super::scaling::{Scaling, ScalingForm};
use super::string_or_struct::{Forms, Number, deserialize_forms};
use super::values::{Differencing, Missing, Recency, Resample, Transform, TransformForm};
use crate::schema::number_schema;

/// Which columns and windows to train on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataRequest {
    /// The columns to forecast. Default: the only numeric column of the dataset.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 64)]
    pub targets: Vec<String>,
    pub covariates: Covariates,
    /// Calendar features to use as inputs: names, or objects that also set the encoding.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32)]
    pub calendar: Vec<Calendar>,
    /// Lags of the targets to use as inputs, in points before the point to forecast. For hourly data, `[24, 168]` are
    /// the same hour of the previous day and of the previous week.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 64, minimum = 2, maximum = 100000)]
    pub lags: Vec<usize>,
    /// The number of points ahead whose future covariates each step reads. Default: the horizon, or fewer if points ×
    /// columns would exceed 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10000)]
    pub future_window: Option<usize>,
    /// The number of points that the network reads. Default: the horizon and a quarter of it, in whole seasons, at most
    /// 512.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000)]
    pub context: Option<usize>,
    /// The number of points to forecast. Default: one season, at least 2, at most 48.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10000)]
    pub horizon: Option<usize>,
    /// The number of points from the start of one training window to the start of the next. Default: 1, or more if an
    /// epoch would have more than 20,000 windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000)]
    pub stride: Option<usize>,
    /// The seasonal period in points, for MASE and the seasonal naive baseline. Default: the usual one for the
    /// dataset's frequency, or 1 if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000)]
    pub season: Option<usize>,
    /// Default: `{"by": "horizons"}`: the last horizon of each series is the test part, and the horizon before it the
    /// validation part, or several horizons if there are fewer than ten series.
    #[serde(
        deserialize_with = "crate::order::string_or_struct::optional_object",
        skip_serializing_if = "Option::is_none"
    )]
    pub split: Option<Split>,
    /// Default: `standard` per window.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ScalingForm>)]
    pub scaling: Option<Scaling>,
    /// Default: `mask`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// A simple forecast that the network corrects. Default: `seasonal_naive` if there is a season, else `last_value`;
    /// `none` with `differencing`, or with a head or loss that needs the data's own units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Transforms the targets before differencing and scaling. Default: `none`.
    #[serde(skip_serializing_if = "Transform::is_none")]
    #[schema(value_type = TransformForm)]
    pub transform: Transform,
    /// Trains on differences of the targets. If omitted, trains on their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differencing: Option<Differencing>,
    /// Resamples the points to a regular step. If omitted, they must already have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resample: Option<Resample>,
    /// Gives later windows a larger weight. Default: all windows have the same weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recency: Option<Recency>,
}

/// Which windows are used for training, for validation and for the test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Split {
    /// Splits every series by time. A window belongs to the part that contains the targets of its last step. Its
    /// context may extend into the previous part.
    Time {
        /// Default: everything before validation and test. A fraction: that share of the points, right before
        /// validation and test.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        training: Option<Part>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        validation: Option<Part>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        test: Option<Part>,
    },
    /// Splits every series by time, at its end: the last `test` horizons are the test part, and the `validation`
    /// horizons before them the validation part. A series that would keep less than one horizon for training gives up
    /// its test part first, then its validation part.
    Horizons {
        #[serde(default = "one")]
        #[schema(minimum = 0, maximum = 1000)]
        validation: usize,
        #[serde(default = "one")]
        #[schema(minimum = 0, maximum = 1000)]
        test: usize,
    },
    /// Splits by whole series. The fractions are of the number of series, drawn without replacement using `seed`.
    Series {
        #[serde(default)]
        #[schema(minimum = 0.0, maximum = 0.95)]
        validation: f64,
        #[serde(default)]
        #[schema(minimum = 0.0, maximum = 0.95)]
        test: f64,
        /// Independent of the training's seed, so that trainings with different seeds are evaluated on the same
        /// windows.
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

fn one() -> usize {
    1
}

/// A part of the time axis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Part {
    /// A fraction of each series' points, from 0 to 0.95. Validation and test are at the end.
    #[schema(value_type = Share)]
    Fraction(f64),
    /// A range of times or dates, both ends included. A date means its whole day (UTC).
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
    /// Default: the series' first point.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::time_bound::from")]
    #[schema(value_type = Option<String>, format = "date-or-time", example = "2019-01-01")]
    pub from: Option<jiff::Timestamp>,
    /// Default: the series' last point.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::time_bound::to")]
    #[schema(value_type = Option<String>, format = "date-or-time", example = "2019-05-31")]
    pub to: Option<jiff::Timestamp>,
}
