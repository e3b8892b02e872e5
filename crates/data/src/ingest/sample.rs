//! Statistics of each column over the first rows of an upload.

use std::collections::{HashMap, HashSet};

use csv::ByteRecord;

use super::cells::{has_decimal_comma, is_missing, number, quoted};
use super::times::{TimeRange, compact, looks_like_calendar};
use crate::options::TimeFormat;

/// A row and its line number.
pub(super) type Line = (u64, ByteRecord);

const YEARS: TimeRange = TimeRange { first: 1_000, last: 2_999 };
/// Whole numbers that plainly are times: years, months and days, and counts since 1970 of the years
/// 1973 to 2286.
const WHOLE_TIMES: [(TimeFormat, TimeRange); 6] = [
    (TimeFormat::Compact, YEARS),
    (TimeFormat::Compact, TimeRange { first: 100_001, last: 299_912 }),
    (TimeFormat::Compact, TimeRange { first: 10_000_101, last: 29_991_231 }),
    (TimeFormat::EpochSeconds, TimeRange { first: 100_000_000, last: 9_999_999_999 }),
    (TimeFormat::EpochMillis, TimeRange { first: 100_000_000_000, last: 9_999_999_999_999 }),
    (TimeFormat::EpochMicros, TimeRange { first: 100_000_000_000_000, last: 9_999_999_999_999_999 }),
];

/// The whole numbers that count steps in a column of times. Larger ones are counts since 1970.
const STEPS: TimeRange = TimeRange { first: -99_999_999, last: 99_999_999 };
/// Years of one series, at most. More numbers of four digits are a count of steps.
const MOST_YEARS: usize = 300;

/// One column over the sample.
#[derive(Debug, Default)]
pub(super) struct ColumnStats {
    /// Cells with a value.
    pub(super) filled: usize,
    /// Of them: numbers, also ones that are refused for their size.
    pub(super) numbers: usize,
    pub(super) calendar: usize,
    pub(super) decimal_commas: usize,
    /// Whole numbers.
    whole: usize,
    /// Of them: those that each kind of [`WHOLE_TIMES`] would read as a time.
    whole_times: [usize; WHOLE_TIMES.len()],
    /// Of them: those within [`STEPS`].
    steps: usize,
    pub(super) distinct: usize,
    /// The first value, for messages.
    pub(super) example: String,
    /// The first value that is not a time by any of the formats.
    odd: Option<String>,
    pub(super) longest: usize,
}

impl ColumnStats {
    pub(super) fn of(rows: &[Line], column: usize, decimal_comma: bool) -> Self {
        let mut shape = Self::default();
        let mut seen = HashSet::new();
        for (_, row) in rows {
            let cell = row.get(column).unwrap_or_default().trim_ascii();
            if is_missing(cell) {
                continue;
            }
            if shape.filled == 0 {
                shape.example = quoted(cell);
            }
            shape.filled += 1;
            shape.longest = shape.longest.max(cell.len());
            seen.insert(cell);
            shape.look_at(cell, decimal_comma);
        }
        shape.distinct = seen.len();
        shape
    }

    fn look_at(&mut self, cell: &[u8], decimal_comma: bool) {
        let number = number(cell, decimal_comma);
        let mut timely = false;
        if !matches!(&number, Err(fault) if !fault.code.starts_with("number_")) {
            self.numbers += 1;
            let whole = std::str::from_utf8(cell).ok().and_then(|text| text.parse::<i64>().ok());
            if let Some(value) = whole {
                self.whole += 1;
                self.steps += usize::from(STEPS.contains(value));
                for (count, (format, range)) in self.whole_times.iter_mut().zip(WHOLE_TIMES) {
                    let fits = range.contains(value) && (format != TimeFormat::Compact || compact(cell).is_some());
                    *count += usize::from(fits);
                    timely |= fits;
                }
            }
        } else if looks_like_calendar(cell) {
            self.calendar += 1;
            timely = true;
        } else if has_decimal_comma(cell) {
            self.decimal_commas += 1;
        }
        if !timely && self.odd.is_none() {
            self.odd = Some(quoted(cell));
        }
    }

    /// A value that is not a time, or the first one, for messages.
    pub(super) fn odd_example(&self) -> &str {
        self.odd.as_deref().unwrap_or(&self.example)
    }

    pub(super) fn all_numbers(&self) -> bool {
        self.filled == self.numbers
    }

    /// Nine in ten are, or all but one: the others are then mistakes to be named, not another kind
    /// of column.
    pub(super) fn mostly(&self, count: usize) -> bool {
        count > 0 && (count * 10 >= self.filled * 9 || self.filled - count <= 1)
    }

    /// All are whole numbers.
    pub(super) fn whole(&self) -> bool {
        self.filled > 0 && self.whole == self.filled
    }

    /// How whole numbers would be read as times, if nine in ten are times by one format. The others
    /// are then mistakes to be named.
    pub(super) fn whole_times(&self) -> Option<(TimeFormat, TimeRange)> {
        let fits = |count: usize| count > 0 && count * 10 >= self.filled * 9;
        let mut found = self.whole_times.iter().zip(WHOLE_TIMES).filter(|(count, _)| fits(**count));
        let found = found.next().map(|(_, found)| found);
        found.filter(|(_, range)| *range != YEARS || self.distinct <= MOST_YEARS)
    }

    /// The range of whole numbers that count steps, if nine in ten are such numbers.
    pub(super) fn steps(&self) -> Option<TimeRange> {
        (self.steps > 0 && self.steps * 10 >= self.filled * 9).then_some(STEPS)
    }
}

/// Whether two rows that are not copies of each other have the same values in these columns.
pub(super) fn repeats(rows: &[Line], columns: &[usize]) -> bool {
    let mut seen: HashMap<Vec<&[u8]>, &ByteRecord> = HashMap::new();
    rows.iter().any(|(_, row)| {
        let key = columns.iter().map(|&column| row.get(column).unwrap_or_default()).collect();
        let first = seen.entry(key).or_insert(row);
        *first != row
    })
}
