//! Times as people write them, read to microseconds since 1970 UTC.
//!
//! Dates that end with the year do not say which of day and month comes first. Until a number
//! above 12 tells, they are read month first and called undecided; whoever keeps them must pass
//! them through [`swap_day_and_month`] should the order turn out to be the other one, and refuse
//! them should it never turn out.
//!
//! Definite answers to odd questions: a time without a zone is UTC; the leap second 23:59:60 is
//! read as 23:59:59; digits past the microsecond are cut off; 24:00 is refused; times
//! reach from the year 0001 to 9999-12-30T22:00Z, where the calendar of our time library ends, in
//! the calendar of today extended backwards.

use jiff::Timestamp;

use super::cells::{CellFault, quoted};
use crate::options::{DateOrder, TimeFormat};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Reads the times of one upload, and remembers what they have shown so far.
#[derive(Debug)]
pub(super) struct Times {
    format: TimeFormat,
    order: Option<DateOrder>,
    /// The line that first settled the order, for messages.
    settled_by: Option<u64>,
    /// The first date that could be read both ways.
    doubtful: Option<(u64, String)>,
    /// Lines of the first time of each kind.
    zoned: Option<u64>,
    zoneless: Option<u64>,
    year_first: Option<u64>,
    year_last: Option<u64>,
}

impl Times {
    pub(super) fn new(format: TimeFormat, order: Option<DateOrder>) -> Self {
        Self {
            format,
            order,
            settled_by: None,
            doubtful: None,
            zoned: None,
            zoneless: None,
            year_first: None,
            year_last: None,
        }
    }

    /// The order of day and month, once it is known.
    pub(super) fn order(&self) -> Option<DateOrder> {
        self.order
    }

    /// Whether times read so far may have day and month the wrong way round.
    pub(super) fn undecided(&self) -> bool {
        self.order.is_none() && self.year_last.is_some()
    }

    /// The date that nothing told the order of, at the end of all data.
    pub(super) fn ambiguous(&self) -> Option<&(u64, String)> {
        self.doubtful.as_ref().filter(|_| self.order.is_none())
    }

    /// Whether some time had hours but no zone.
    pub(super) fn zoneless(&self) -> bool {
        self.zoneless.is_some()
    }

    pub(super) fn read(&mut self, cell: &[u8], line: u64) -> Result<i64, CellFault> {
        let cell = cell.trim_ascii();
        match self.format {
            TimeFormat::Calendar => self.calendar(cell, line),
            TimeFormat::Compact => {
                compact(cell).ok_or_else(|| not_a_time(cell, "YYYY, YYYYMM or YYYYMMDD, as the column's other times"))
            }
            TimeFormat::EpochSeconds => epoch(cell, SECOND),
            TimeFormat::EpochMillis => epoch(cell, 1_000),
            TimeFormat::EpochMicros => epoch(cell, 1),
        }
    }

    fn calendar(&mut self, cell: &[u8], line: u64) -> Result<i64, CellFault> {
        let written = written(cell).ok_or_else(|| match two_digit_year(cell) {
            true => {
                CellFault::new("two_digit_year", format!("{} has a year of two digits; write all four", quoted(cell)))
            }
            false => not_a_time(cell, "a date or time such as 2001-01-31, 2001-01-31T10:00:00Z or 01/31/2001"),
        })?;
        match written.zone {
            Zone::Date => {}
            Zone::Offset => self.note_zone(line, true)?,
            Zone::None => self.note_zone(line, false)?,
        }
        let (month, day) = match written.date {
            WrittenDate::YearFirst { month, day } => {
                self.year_first.get_or_insert(line);
                (month, day)
            }
            WrittenDate::YearLast { first, second } => {
                self.year_last.get_or_insert(line);
                self.arrange(first, second, cell, line)?
            }
        };
        if let (Some(first), Some(last)) = (self.year_first, self.year_last) {
            let detail =
                format!("the year stands first in line {first} and last in line {last}; write all dates alike");
            return Err(CellFault::new("mixed_date_forms", detail));
        }
        let days = days(written.year, month, day)
            .ok_or_else(|| CellFault::new("no_such_date", format!("{} is not a day of the calendar", quoted(cell))))?;
        let micros = days * DAY + written.clock;
        Timestamp::from_microsecond(micros).map_err(|_| not_a_time(cell, "a time between the years 0001 and 9999"))?;
        Ok(micros)
    }

    fn note_zone(&mut self, line: u64, zoned: bool) -> Result<(), CellFault> {
        if zoned {
            self.zoned.get_or_insert(line);
        } else {
            self.zoneless.get_or_insert(line);
        }
        match (self.zoned, self.zoneless) {
            (Some(with), Some(without)) => Err(CellFault::new(
                "mixed_zones",
                format!(
                    "line {with} gives a time with a zone, line {without} one without; write all with, or all without"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Month and day of a date that ends with the year.
    fn arrange(&mut self, first: u32, second: u32, cell: &[u8], line: u64) -> Result<(u32, u32), CellFault> {
        let told = match (first > 12, second > 12) {
            (true, false) => Some(DateOrder::Dmy),
            (false, true) => Some(DateOrder::Mdy),
            _ => None,
        };
        match (self.order, told) {
            (None, Some(told)) => {
                self.order = Some(told);
                self.settled_by = Some(line);
            }
            (Some(order), Some(told)) if order != told => {
                let order = if order == DateOrder::Mdy { "month first" } else { "day first" };
                let by =
                    self.settled_by.map_or("the upload's options say".to_owned(), |line| format!("line {line} shows"));
                return Err(CellFault::new("mixed_date_order", format!("{} does not fit: {by} {order}", quoted(cell))));
            }
            (None, None) if first != second && self.doubtful.is_none() => {
                self.doubtful = Some((line, String::from_utf8_lossy(cell).into_owned()));
            }
            _ => {}
        }
        Ok(if self.order == Some(DateOrder::Dmy) { (second, first) } else { (first, second) })
    }
}

fn not_a_time(cell: &[u8], expected: &str) -> CellFault {
    CellFault::new("not_a_time", format!("{} is not a time; expected {expected}", quoted(cell)))
}

/// Whether the cell has the shape of a calendar date or time.
pub(super) fn looks_like_calendar(cell: &[u8]) -> bool {
    written(cell.trim_ascii()).is_some()
}

/// The question to put where nothing tells day from month.
pub(super) fn order_question(line: u64, text: &str) -> String {
    let date = text.split([' ', 'T']).next().unwrap_or(text);
    let mut parts = date.split(['/', '.', '-']).filter_map(|part| part.parse::<usize>().ok());
    let (first, second) = (parts.next().unwrap_or(1), parts.next().unwrap_or(2));
    let name = |month: usize| MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or("?");
    format!(
        "is {date} (line {line}) the {} of {} or the {} of {}? No date in the upload tells; say date_order=mdy or date_order=dmy",
        ordinal(second),
        name(first),
        ordinal(first),
        name(second)
    )
}

/// Of a day up to the twelfth.
fn ordinal(day: usize) -> String {
    let ending = match day {
        1 => "st",
        2 => "nd",
        3 => "rd",
        _ => "th",
    };
    format!("{day}{ending}")
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The same time with day and month exchanged; itself where the day is past 12.
pub(super) fn swap_day_and_month(micros: i64) -> i64 {
    let (day_number, clock) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (year, month, day) = civil(day_number);
    match u32::try_from(year).ok().and_then(|year| days(year, day, month)) {
        Some(days) => days * DAY + clock,
        None => micros,
    }
}

enum Zone {
    /// No clock: a calendar day.
    Date,
    /// A clock without a zone.
    None,
    Offset,
}

enum WrittenDate {
    YearFirst { month: u32, day: u32 },
    YearLast { first: u32, second: u32 },
}

struct Written {
    year: u32,
    date: WrittenDate,
    /// Microseconds into the day, less the zone's offset.
    clock: i64,
    zone: Zone,
}

fn written(cell: &[u8]) -> Option<Written> {
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

fn two_digit_year(cell: &[u8]) -> bool {
    let date = cell.split(|&byte| byte == b' ').next().unwrap_or(cell);
    let parts: Vec<&[u8]> = date.split(|byte| matches!(byte, b'/' | b'-' | b'.')).collect();
    parts.len() == 3 && parts.iter().all(|part| matches!(part.len(), 1 | 2) && number(part).is_some())
}

/// HH:MM[:SS[.fraction]] [AM|PM] [Z|UTC|±HH[[:]MM]]
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
pub(super) fn compact(cell: &[u8]) -> Option<i64> {
    let (year, month, day) = match cell.len() {
        4 => (number(cell)?, 1, 1),
        6 => (number(cell.get(..4)?)?, number(cell.get(4..)?)?, 1),
        8 => (number(cell.get(..4)?)?, number(cell.get(4..6)?)?, number(cell.get(6..)?)?),
        _ => return None,
    };
    Some(days(year, month, day)? * DAY)
}

fn epoch(cell: &[u8], unit: i64) -> Result<i64, CellFault> {
    let count = std::str::from_utf8(cell).ok().and_then(|text| text.parse::<i64>().ok());
    let micros = count.and_then(|count| count.checked_mul(unit));
    micros
        .filter(|&micros| Timestamp::from_microsecond(micros).is_ok())
        .ok_or_else(|| not_a_time(cell, "a whole number of units since 1970, within the years 0001 to 9999"))
}

/// Days from 1970-01-01 to a date; `None` if the calendar has no such day.
///
/// Counts in years that begin in March, so that the leap day comes last, by eras of 400 years.
fn days(year: u32, month: u32, day: u32) -> Option<i64> {
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
pub(super) fn civil(days: i64) -> (i64, u32, u32) {
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

#[cfg(test)]
mod tests;
