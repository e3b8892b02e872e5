//! The inputs other than the targets: covariates and the calendar.

use serde::de::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::string_or_struct::{Forms, deserialize_forms, named};

/// Columns that the network reads in addition to its targets. Each is numeric or categorical; categories are
/// embedded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Covariates {
    /// Columns known only up to the forecast origin.
    #[schema(max_items = 256)]
    pub past: Vec<String>,
    /// Columns known in advance: holidays, prices, a weather forecast. At each step, the network reads the values of
    /// the next `future_window` points.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 256)]
    pub future: Vec<String>,
    /// Columns with one value per series: a region, a size. The network reads it at every step.
    #[serde(rename = "static", skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 256)]
    pub fixed: Vec<String>,
    /// Whether the series key is an input, with an embedding for each series trained on.
    #[serde(skip_serializing_if = "is_false")]
    pub series: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// A calendar feature of the point to forecast, from its time in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Calendar {
    /// Encoded as sine and cosine, so that the end of a cycle is close to its start.
    Cycle(CalendarFeature),
    As(CalendarAs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarAs {
    pub feature: CalendarFeature,
    #[serde(rename = "as")]
    pub form: CalendarForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CalendarForm {
    /// The sine and cosine of the position in the cycle. `is_weekend` is a single number, 0 or 1.
    SineCosine,
    /// An embedding with a row per value.
    Category,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CalendarFeature {
    MinuteOfHour,
    HourOfDay,
    /// Monday is the first day.
    DayOfWeek,
    DayOfMonth,
    DayOfYear,
    /// The ISO 8601 week.
    WeekOfYear,
    Month,
    Quarter,
    /// 1 on Saturday and Sunday, otherwise 0.
    IsWeekend,
}

impl Calendar {
    pub fn feature(self) -> CalendarFeature {
        match self {
            Self::Cycle(feature) | Self::As(CalendarAs { feature, .. }) => feature,
        }
    }

    pub fn form(self) -> CalendarForm {
        match self {
            Self::Cycle(_) => CalendarForm::SineCosine,
            Self::As(CalendarAs { form, .. }) => form,
        }
    }
}

deserialize_forms!(Calendar);

impl Forms<'_> for Calendar {
    const EXPECTED: &'static str =
        "a feature such as \"day_of_week\", or {\"feature\": \"month\", \"as\": \"category\"}";
    type Object = CalendarAs;

    fn of_object<E: Error>(feature: CalendarAs) -> Result<Self, E> {
        Ok(Self::As(feature))
    }

    fn of_text<E: Error>(text: &str) -> Result<Self, E> {
        named(text).map(Self::Cycle)
    }
}

impl CalendarFeature {
    /// The name in requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::MinuteOfHour => "minute_of_hour",
            Self::HourOfDay => "hour_of_day",
            Self::DayOfWeek => "day_of_week",
            Self::DayOfMonth => "day_of_month",
            Self::DayOfYear => "day_of_year",
            Self::WeekOfYear => "week_of_year",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::IsWeekend => "is_weekend",
        }
    }

    /// The number of values, counted from 0: one cycle.
    pub fn count(self) -> usize {
        match self {
            Self::MinuteOfHour => 60,
            Self::HourOfDay => 24,
            Self::DayOfWeek => 7,
            Self::DayOfMonth => 31,
            Self::DayOfYear => 366,
            Self::WeekOfYear => 53,
            Self::Month => 12,
            Self::Quarter => 4,
            Self::IsWeekend => 2,
        }
    }
}
