//! Ends of time ranges as people write them: a full RFC 3339 time, or a date for its whole day.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

fn parse<E: Error>(text: &str, of_day: Time) -> Result<Timestamp, E> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let date: Date = text.parse().map_err(|_| E::custom("expected a date (2019-01-31) or an RFC 3339 time"))?;
    let moment = date.to_datetime(of_day).to_zoned(TimeZone::UTC);
    moment.map(|zoned| zoned.timestamp()).map_err(|_| E::custom("the date lies outside the calendar"))
}

fn write<S: Serializer>(moment: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&moment.unwrap_or_default())
}

/// A date means its first microsecond.
pub mod from {
    use super::*;

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| parse(&text, Time::midnight())).transpose()
    }

    pub fn serialize<S: Serializer>(moment: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        write(moment, to)
    }
}

/// A date means its last microsecond.
pub mod to {
    use super::*;

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| parse(&text, Time::constant(23, 59, 59, 999_999_000))).transpose()
    }

    pub fn serialize<S: Serializer>(moment: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        write(moment, to)
    }
}
