//! Times as people write them, read to microseconds since 1970 UTC.
//!
//! Dates that end with the year do not say which of day and month comes first. Until a number
//! above 12 tells, they are read month first and called undecided. If the order turns out to be the
//! other one, the caller passes what it kept through [`swap_day_and_month`]; if it never turns out,
//! the caller refuses the upload.
//!
//! Edge cases: a time without a zone is UTC; the leap second 23:59:60 is read as 23:59:59; digits
//! past the microsecond are cut off; 24:00 is refused; times reach from the year 0001 to
//! 9999-12-30T22:00Z, where jiff's timestamps end, in the proleptic Gregorian calendar.

mod calendar;

use jiff::Timestamp;

use super::cells::{CellFault, quoted};
use crate::options::{DateOrder, TimeFormat};
use calendar::{WrittenDate, Zone, days, two_digit_year, written};

pub(super) use calendar::{civil, compact};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The whole numbers that are times by a format that was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeRange {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl TimeRange {
    pub(super) fn contains(self, number: i64) -> bool {
        (self.first..=self.last).contains(&number)
    }
}

/// Reads the times of one upload, and remembers what they have shown so far.
#[derive(Debug)]
pub(super) struct Times {
    format: TimeFormat,
    range: Option<TimeRange>,
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
    pub(super) fn new(format: TimeFormat, range: Option<TimeRange>, order: Option<DateOrder>) -> Self {
        Self {
            format,
            range,
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
        if let Some(range) = self.range
            && let Some(number) = std::str::from_utf8(cell).ok().and_then(|text| text.parse().ok())
            && !range.contains(number)
        {
            let detail = format!(
                "{} is outside the range of the column's times, {} to {}; if it is a time, say time_format",
                quoted(cell),
                range.first,
                range.last
            );
            return Err(CellFault::new("time_out_of_range", detail));
        }
        match self.format {
            TimeFormat::Calendar => self.calendar(cell, line),
            TimeFormat::Compact => {
                compact(cell).ok_or_else(|| not_a_time(cell, "YYYY, YYYYMM or YYYYMMDD, as the column's other times"))
            }
            TimeFormat::EpochSeconds => epoch(cell, SECOND),
            TimeFormat::EpochMillis => epoch(cell, 1_000),
            TimeFormat::EpochMicros => epoch(cell, 1),
            TimeFormat::Steps => step(cell),
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
            let detail = format!("the year comes first in line {first} and last in line {last}; write all dates alike");
            return Err(CellFault::new("mixed_date_forms", detail));
        }
        let days = days(written.year, month, day)
            .ok_or_else(|| CellFault::new("no_such_date", format!("{} is not a day of the calendar", quoted(cell))))?;
        let micros = days * DAY + written.clock;
        match Timestamp::from_microsecond(micros) {
            Ok(_) => Ok(micros),
            Err(_) => Err(out_of_range(cell)),
        }
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

fn out_of_range(cell: &[u8]) -> CellFault {
    let detail = format!(
        "{} is past the last time, 9999-12-30T22:00:00Z, or before the first, in the year 0001; leave the row out if the \
         date stands for \"no date\"",
        quoted(cell)
    );
    CellFault::new("time_out_of_range", detail)
}

fn epoch(cell: &[u8], unit: i64) -> Result<i64, CellFault> {
    let count = std::str::from_utf8(cell).ok().and_then(|text| text.parse::<i64>().ok());
    let count = count.ok_or_else(|| not_a_time(cell, "a whole number of units since 1970"))?;
    let micros = count.checked_mul(unit).filter(|&micros| Timestamp::from_microsecond(micros).is_ok());
    micros.ok_or_else(|| out_of_range(cell))
}

/// The largest number of a step; differences of two do not overflow.
const LAST_STEP: i64 = 1 << 60;

fn step(cell: &[u8]) -> Result<i64, CellFault> {
    let number = std::str::from_utf8(cell).ok().and_then(|text| text.parse::<i64>().ok());
    number.filter(|number| (-LAST_STEP..=LAST_STEP).contains(number)).ok_or_else(|| {
        let detail = format!("{} is not the number of a step: expected a whole number", quoted(cell));
        CellFault::new("not_a_step", detail)
    })
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

#[cfg(test)]
mod tests;
