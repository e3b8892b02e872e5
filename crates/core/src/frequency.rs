//! The step between the points of a series, and the usual seasonal period for that step.

use std::fmt;
use std::str::FromStr;

use jiff::{Span, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::schema::text_schema;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
const YEAR: i64 = 365 * DAY;

/// The step from one point to the next: a fixed duration, or a number of calendar months (UTC).
///
/// Written as an ISO 8601 duration: `PT30M`, `PT1H`, `P1D`, `P7D`, `P1M`, `P3M`, `P1Y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Frequency {
    /// In microseconds, at least 1.
    Fixed(i64),
    /// In calendar months, at least 1. A series on the last day of each month stays on the last day.
    Months(u32),
}

text_schema!(
    Frequency,
    "Frequency",
    "P1D",
    "duration",
    r"^P",
    "The step from one point to the next, as an ISO 8601 duration: PT30M, PT1H, P1D, P7D, P1M."
);

/// The text is not a duration that is valid as a frequency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a frequency: expected an ISO 8601 duration such as PT30M, PT1H, P1D, P7D or P1M")]
pub struct InvalidFrequency;

impl Frequency {
    /// The usual seasonal period in points (24 for hours, 7 for days, 12 for months, …), or 1 if there is none.
    pub fn season(self) -> usize {
        let points = |of: i64, step: i64| if of % step == 0 { (of / step) as usize } else { 1 };
        match self {
            Self::Fixed(step) if step < MINUTE => points(MINUTE, step),
            Self::Fixed(step) if step < HOUR && HOUR % step == 0 && step < 5 * MINUTE => points(HOUR, step),
            Self::Fixed(step) if step < DAY => points(DAY, step),
            Self::Fixed(DAY) => 7,
            Self::Fixed(WEEK) => 52,
            Self::Fixed(_) => 1,
            Self::Months(months) if months < 12 && 12 % months == 0 => (12 / months) as usize,
            Self::Months(_) => 1,
        }
    }

    /// A longer season that data of this frequency often has besides [`Frequency::season`], in points: a week for steps
    /// of 5 minutes up to a day, a year for days, the next longer unit of time for shorter steps.
    pub fn second_season(self) -> Option<usize> {
        let of = match self {
            Self::Fixed(step) if step < MINUTE => HOUR,
            Self::Fixed(step) if step < 5 * MINUTE => DAY,
            Self::Fixed(step) if step < DAY => WEEK,
            Self::Fixed(DAY) => YEAR,
            Self::Fixed(_) | Self::Months(_) => return None,
        };
        match self {
            Self::Fixed(step) if self.season() > 1 && of % step == 0 => usize::try_from(of / step).ok(),
            _ => None,
        }
    }

    /// The time `steps` steps after `from` (before it, if negative), both in microseconds since 1970 UTC. `None`
    /// outside the calendar's range (years -9999 to 9999).
    pub fn add(self, from: i64, steps: i64) -> Option<i64> {
        match self {
            Self::Fixed(step) => {
                let to = from.checked_add(step.checked_mul(steps)?)?;
                Timestamp::from_microsecond(to).ok().map(|_| to)
            }
            Self::Months(months) => {
                let start = Timestamp::from_microsecond(from).ok()?.to_zoned(TimeZone::UTC);
                let months = i64::from(months).checked_mul(steps)?;
                let mut to = start.checked_add(Span::new().try_months(months).ok()?).ok()?;
                if start.date() == start.date().last_of_month() {
                    to = to.with().date(to.date().last_of_month()).build().ok()?;
                }
                Some(to.timestamp().as_microsecond())
            }
        }
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Months(months) if months % 12 == 0 => write!(f, "P{}Y", months / 12),
            Self::Months(months) => write!(f, "P{months}M"),
            Self::Fixed(step) if step % DAY == 0 => write!(f, "P{}D", step / DAY),
            Self::Fixed(step) if step % HOUR == 0 => write!(f, "PT{}H", step / HOUR),
            Self::Fixed(step) if step % MINUTE == 0 => write!(f, "PT{}M", step / MINUTE),
            Self::Fixed(step) if step % SECOND == 0 => write!(f, "PT{}S", step / SECOND),
            Self::Fixed(step) => {
                let text = format!("{}.{:06}", step / SECOND, step % SECOND);
                write!(f, "PT{}S", text.trim_end_matches('0'))
            }
        }
    }
}

impl FromStr for Frequency {
    type Err = InvalidFrequency;

    fn from_str(text: &str) -> Result<Self, InvalidFrequency> {
        let span: jiff::Span = text.parse().map_err(|_| InvalidFrequency)?;
        let months = i64::from(span.get_years()) * 12 + i64::from(span.get_months());
        let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
        let clock = i64::from(span.get_hours())
            .checked_mul(HOUR)
            .and_then(|at| at.checked_add(span.get_minutes().checked_mul(MINUTE)?))
            .and_then(|at| at.checked_add(span.get_seconds().checked_mul(SECOND)?))
            .and_then(|at| at.checked_add(span.get_milliseconds().checked_mul(1_000)?))
            .and_then(|at| at.checked_add(span.get_microseconds()))
            .and_then(|at| at.checked_add(days.checked_mul(DAY)?))
            .ok_or(InvalidFrequency)?;
        match (months, clock) {
            (0, clock) if clock > 0 => Ok(Self::Fixed(clock)),
            (months @ 1..=12_000, 0) => Ok(Self::Months(months as u32)),
            _ => Err(InvalidFrequency),
        }
    }
}

impl TryFrom<String> for Frequency {
    type Error = InvalidFrequency;
    fn try_from(text: String) -> Result<Self, InvalidFrequency> {
        text.parse()
    }
}

impl From<Frequency> for String {
    fn from(frequency: Frequency) -> String {
        frequency.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn frequencies_round_trip_through_text() {
        for text in ["PT1S", "PT0.25S", "PT15M", "PT1H", "P1D", "P7D", "P1M", "P3M", "P1Y"] {
            assert_eq!(text.parse::<Frequency>().unwrap().to_string(), text);
        }
        for text in ["", "P0D", "-P1D", "P1M1D", "daily", "PT9999999999999H"] {
            assert_eq!(text.parse::<Frequency>(), Err(InvalidFrequency), "{text}");
        }
    }

    #[test]
    fn seasons_are_the_usual_ones() {
        let season = |text: &str| text.parse::<Frequency>().unwrap().season();
        assert_eq!(season("PT1H"), 24);
        assert_eq!(season("PT30M"), 48);
        assert_eq!(season("P1D"), 7);
        assert_eq!(season("P7D"), 52);
        assert_eq!(season("P1M"), 12);
        assert_eq!(season("P3M"), 4);
        assert_eq!(season("P1Y"), 1);
        assert_eq!(season("PT1M"), 60);
    }

    #[test]
    fn second_seasons_are_longer() {
        let second = |text: &str| text.parse::<Frequency>().unwrap().second_season();
        assert_eq!(second("PT1H"), Some(168));
        assert_eq!(second("PT30M"), Some(336));
        assert_eq!(second("PT15M"), Some(672));
        assert_eq!(second("PT1M"), Some(1_440));
        assert_eq!(second("PT1S"), Some(3_600));
        assert_eq!(second("P1D"), Some(365));
        for text in ["PT7H", "P7D", "P1M", "P3M", "P1Y"] {
            assert_eq!(second(text), None, "{text}");
        }
    }

    #[test]
    fn month_steps_keep_the_last_day_of_the_month() {
        let month = Frequency::Months(1);
        assert_eq!(month.add(at("2023-02-28T00:00:00Z"), 1), Some(at("2023-03-31T00:00:00Z")));
        assert_eq!(month.add(at("2024-01-31T00:00:00Z"), 1), Some(at("2024-02-29T00:00:00Z")));
        assert_eq!(month.add(at("2024-01-15T00:00:00Z"), -1), Some(at("2023-12-15T00:00:00Z")));
        assert_eq!(month.add(at("9999-12-01T00:00:00Z"), 1), None);
        assert_eq!(Frequency::Fixed(DAY).add(i64::MAX, 1), None);
    }
}
