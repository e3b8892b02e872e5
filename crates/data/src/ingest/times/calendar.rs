//! Dates and times by their shape, and the arithmetic of the calendar.

use super::{DAY, SECOND};

pub(super) enum Zone {
    /// No clock: a calendar day.
    Date,
    /// A clock without a zone.
    None,
    Offset,
}

pub(super) enum WrittenDate {
    YearFirst { month: u32, day: u32 },
    YearLast { first: u32, second: u32 },
}

pub(super) struct Written {
    pub(super) year: u32,
    pub(super) date: WrittenDate,
    /// Microseconds into the day, less the zone's offset.
    pub(super) clock: i64,
    pub(super) zone: Zone,
}

pub(super) fn written(cell: &[u8]) -> Option<Written> {
    // The common shape first: ten bytes of date with the year in front.
    let (year, date, rest) = match cell {
        [a, b, c, d, s @ (b'-' | b'/' | b'.'), e, f, t, g, h, rest @ ..] if s == t => {
            match (number(&[*a, *b, *c, *d]), number(&[*e, *f]), number(&[*g, *h])) {
                (Some(year), Some(month), Some(day)) => (year, WrittenDate::YearFirst { month, day }, rest),
                _ => loose_date(cell)?,
            }
        }
        _ => loose_date(cell)?,
    };
    let (clock, zone) = match rest {
        [] => (0, Zone::Date),
        [b'T' | b't' | b' ', clock @ ..] => read_clock(clock)?,
        _ => return None,
    };
    if matches!((&date, &zone), (WrittenDate::YearLast { .. }, Zone::Offset)) {
        return None;
    }
    Some(Written { year, date, clock, zone })
}

/// Dates of other widths and orders: 2001-1-5, 2001-01, 1/5/2001, 31.12.2001.
fn loose_date(cell: &[u8]) -> Option<(u32, WrittenDate, &[u8])> {
    let end = cell.iter().position(|byte| matches!(byte, b' ' | b'T' | b't')).unwrap_or(cell.len());
    let (date, rest) = cell.split_at_checked(end)?;
    let separator = *date.iter().find(|byte| !byte.is_ascii_digit())?;
    if !matches!(separator, b'-' | b'/' | b'.') {
        return None;
    }
    let mut parts = date.split(|&byte| byte == separator);
    let (a, b, c) = (parts.next()?, parts.next()?, parts.next());
    if parts.next().is_some() || b.len() > 2 {
        return None;
    }
    match (a.len(), c.map(<[u8]>::len)) {
        (4, None) if separator != b'.' && rest.is_empty() => {
            Some((number(a)?, WrittenDate::YearFirst { month: number(b)?, day: 1 }, rest))
        }
        (4, Some(1 | 2)) => Some((number(a)?, WrittenDate::YearFirst { month: number(b)?, day: number(c?)? }, rest)),
        (1 | 2, Some(4)) => Some((number(c?)?, WrittenDate::YearLast { first: number(a)?, second: number(b)? }, rest)),
        _ => None,
    }
}

pub(super) fn two_digit_year(cell: &[u8]) -> bool {
    let date = cell.split(|&byte| byte == b' ').next().unwrap_or(cell);
    let parts: Vec<&[u8]> = date.split(|byte| matches!(byte, b'/' | b'-' | b'.')).collect();
    parts.len() == 3 && parts.iter().all(|part| matches!(part.len(), 1 | 2) && number(part).is_some())
}

/// `HH:MM[:SS[.fraction]] [AM|PM] [Z|UTC|±HH[[:]MM]]`
fn read_clock(clock: &[u8]) -> Option<(i64, Zone)> {
    let (hour, rest) = split_number(clock)?;
    let (minute, rest) = split_number(rest.strip_prefix(b":")?)?;
    let (mut second, mut fraction, mut rest) = (0, 0, rest);
    if let Some(after) = rest.strip_prefix(b":") {
        (second, rest) = split_number(after)?;
        if let [b'.' | b',', digits @ ..] = rest {
            let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (digits, after) = digits.split_at_checked(count).filter(|_| count > 0)?;
            let six = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
            fraction = six.fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
            rest = after;
        }
    }
    let mut hour = hour;
    let half = rest.trim_ascii();
    if half.eq_ignore_ascii_case(b"am") || half.eq_ignore_ascii_case(b"pm") {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if half.eq_ignore_ascii_case(b"pm") { 12 } else { 0 };
        rest = &[];
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let clock = (hour * 3600 + minute * 60 + second.min(59)) * SECOND + fraction;
    let (offset, zone) = read_zone(rest.trim_ascii_start())?;
    Some((clock - offset * 60 * SECOND, zone))
}

/// Minutes east of UTC.
fn read_zone(zone: &[u8]) -> Option<(i64, Zone)> {
    let (sign, rest) = match zone {
        [] => return Some((0, Zone::None)),
        b"Z" | b"z" | b"UTC" | b"GMT" => return Some((0, Zone::Offset)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [a, b] => (number(&[*a, *b])?, 0),
        [a, b, c, d] | [a, b, b':', c, d] => (number(&[*a, *b])?, number(&[*c, *d])?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some((sign * i64::from(hours * 60 + minutes), Zone::Offset))
}

/// One or two digits in front.
fn split_number(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let count = bytes.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = bytes.split_at_checked(count)?;
    Some((i64::from(number(digits)?), rest))
}

fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

/// YYYY, YYYYMM or YYYYMMDD.
pub(in crate::ingest) fn compact(cell: &[u8]) -> Option<i64> {
    let (year, month, day) = match cell.len() {
        4 => (number(cell)?, 1, 1),
        6 => (number(cell.get(..4)?)?, number(cell.get(4..)?)?, 1),
        8 => (number(cell.get(..4)?)?, number(cell.get(4..6)?)?, number(cell.get(6..)?)?),
        _ => return None,
    };
    Some(days(year, month, day)? * DAY)
}

/// Days from 1970-01-01 to a date; `None` if the calendar has no such day.
///
/// Counts in years that begin in March, so that the leap day comes last, by eras of 400 years: the
/// algorithms of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2013). The calendar
/// library has them too, but not without building its date and time types for every row.
pub(super) fn days(year: u32, month: u32, day: u32) -> Option<i64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    if year == 0 || day == 0 || day > length {
        return None;
    }
    let (year, month) = if month > 2 { (i64::from(year), month - 3) } else { (i64::from(year) - 1, month + 9) };
    let day_of_year = i64::from((153 * month + 2) / 5 + day - 1);
    Some(year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468)
}

/// Year, month and day of a count of days since 1970-01-01: the way back of [`days`].
pub(in crate::ingest) fn civil(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era + i64::from(month >= 10);
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year, month as u32, day as u32)
}
