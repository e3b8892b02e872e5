//! Calendar features of a time in UTC.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use gatecast_core::order::CalendarFeature;

/// The value of a feature at a time (microseconds since 1970 UTC), counted from 0: January, Monday and the first day
/// of a month are 0. A time beyond the calendar's range is clamped to its end.
pub fn code(feature: CalendarFeature, time: i64) -> u16 {
    let time = Timestamp::from_microsecond(time).unwrap_or(Timestamp::MAX);
    let at = TimeZone::UTC.to_datetime(time);
    let date = at.date();
    let code = match feature {
        CalendarFeature::MinuteOfHour => i16::from(at.minute()),
        CalendarFeature::HourOfDay => i16::from(at.hour()),
        CalendarFeature::DayOfWeek => i16::from(date.weekday().to_monday_zero_offset()),
        CalendarFeature::DayOfMonth => i16::from(date.day()) - 1,
        CalendarFeature::DayOfYear => date.day_of_year() - 1,
        CalendarFeature::WeekOfYear => i16::from(date.iso_week_date().week()) - 1,
        CalendarFeature::Month => i16::from(date.month()) - 1,
        CalendarFeature::Quarter => (i16::from(date.month()) - 1) / 3,
        CalendarFeature::IsWeekend => i16::from(matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)),
    };
    // None of these is negative.
    code.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(time: &str) -> [u16; 9] {
        use CalendarFeature::*;
        let time = time.parse::<Timestamp>().unwrap().as_microsecond();
        [MinuteOfHour, HourOfDay, DayOfWeek, DayOfMonth, DayOfYear, WeekOfYear, Month, Quarter, IsWeekend]
            .map(|feature| code(feature, time))
    }

    #[test]
    fn every_feature_is_computed_from_the_time() {
        assert_eq!(codes("2024-02-29T23:59:59Z"), [59, 23, 3, 28, 59, 8, 1, 0, 0], "a leap day, a Thursday");
        assert_eq!(codes("2021-01-01T00:00:00Z"), [0, 0, 4, 0, 0, 52, 0, 0, 0], "ISO week 53 of the year before");
        assert_eq!(codes("2024-12-31T12:30:00Z"), [30, 12, 1, 30, 365, 0, 11, 3, 0], "ISO week 1 of the year after");
        assert_eq!(codes("1969-07-20T20:17:40Z"), [17, 20, 6, 19, 200, 28, 6, 2, 1], "a Sunday before 1970");
    }

    #[test]
    fn codes_are_below_the_count_of_their_feature() {
        use CalendarFeature::*;
        for feature in
            [MinuteOfHour, HourOfDay, DayOfWeek, DayOfMonth, DayOfYear, WeekOfYear, Month, Quarter, IsWeekend]
        {
            let hours = (0..24 * 366 * 5).map(|hour| code(feature, hour * 3_600_000_000 + 60_000_000 * 59));
            assert!(hours.clone().all(|code| usize::from(code) < feature.count()), "{}", feature.name());
            assert_eq!(code(feature, i64::MAX), code(feature, Timestamp::MAX.as_microsecond()));
        }
    }
}
