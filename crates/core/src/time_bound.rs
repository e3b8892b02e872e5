//! Bounds of time ranges: a full RFC 3339 time, or a date for its whole day.

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
    // The last day ends after the latest time that can be represented.
    Ok(moment.map_or(if date.year() < 0 { Timestamp::MIN } else { Timestamp::MAX }, |zoned| zoned.timestamp()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Bounds {
        #[serde(default, with = "from")]
        from: Option<Timestamp>,
        #[serde(default, with = "to")]
        to: Option<Timestamp>,
    }

    fn bounds(text: &str) -> Result<(String, String), serde_json::Error> {
        let bounds: Bounds = serde_json::from_value(serde_json::json!({"from": text, "to": text}))?;
        Ok((bounds.from.unwrap().to_string(), bounds.to.unwrap().to_string()))
    }

    #[test]
    fn a_date_is_its_whole_day() {
        let (from, to) = bounds("2019-05-31").unwrap();
        assert_eq!((from.as_str(), to.as_str()), ("2019-05-31T00:00:00Z", "2019-05-31T23:59:59.999999Z"));
        let (from, to) = bounds("2019-05-31T12:00:00+02:00").unwrap();
        assert_eq!((from.as_str(), to.as_str()), ("2019-05-31T10:00:00Z", "2019-05-31T10:00:00Z"));
        assert!(bounds("31.5.2019").is_err());
    }

    #[test]
    fn the_last_date_is_a_bound() {
        assert_eq!(bounds("9999-12-31").unwrap().1, Timestamp::MAX.to_string());
    }
}
