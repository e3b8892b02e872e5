//! What a network reads beside the values it forecasts: covariates and the calendar.

use serde::de::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::string_or_struct::{Forms, deserialize_forms, named};

/// Columns the network reads beside its targets, each numbers or categories. A category is
/// embedded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Covariates {
    /// Known up to the moment of the forecast.
    #[schema(max_items = 256)]
    pub past: Vec<String>,
    /// Known ahead: holidays, prices, a weather forecast. At each step the network reads the
    /// values of the next `future_window` points.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 256)]
    pub future: Vec<String>,
    /// One value a series: a region, a size. The network reads it at every step.
    #[serde(rename = "static", skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 256)]
    pub fixed: Vec<String>,
    /// Whether the series itself is a category to read: an embedding for each series trained on.
    #[serde(skip_serializing_if = "is_false")]
    pub series: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// A part of the calendar, known ahead: of the time of the coming point, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Calendar {
    /// As sine and cosine, so that the end of a turn is near its beginning.
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
    /// Two numbers, the sine and cosine of its turn; `is_weekend` is one, 0 or 1.
    SineCosine,
    /// Embedded, a row each value.
    Category,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CalendarFeature {
    MinuteOfHour,
    HourOfDay,
    /// From Monday.
    DayOfWeek,
    DayOfMonth,
    DayOfYear,
    /// ISO 8601.
    WeekOfYear,
    Month,
    Quarter,
    /// 1 on Saturday and Sunday, else 0.
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
    /// As orders write it.
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

    /// How many values it takes, counted from 0: one turn.
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
