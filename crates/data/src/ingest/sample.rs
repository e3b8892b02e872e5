//! What the first rows of an upload show about each column.

use std::collections::{HashMap, HashSet};

use csv::ByteRecord;

use super::cells::{has_decimal_comma, is_missing, number, quoted};
use super::times::{compact, looks_like_calendar};
use crate::options::TimeFormat;

/// A row and the line it stands on.
pub(super) type Line = (u64, ByteRecord);

/// One column over the sample.
#[derive(Debug, Default)]
pub(super) struct ColumnStats {
    /// Cells with a value.
    pub(super) filled: usize,
    /// Of them: numbers, also ones that are refused for their size.
    pub(super) numbers: usize,
    pub(super) calendar: usize,
    pub(super) decimal_commas: usize,
    /// Whole numbers, and the widths and bounds they have.
    whole: usize,
    widths: (usize, usize),
    bounds: (i64, i64),
    compact: usize,
    pub(super) distinct: usize,
    /// The first value, for messages.
    pub(super) example: String,
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
        if !matches!(&number, Err(fault) if !fault.code.starts_with("number_")) {
            self.numbers += 1;
            let whole = std::str::from_utf8(cell).ok().and_then(|text| text.parse::<i64>().ok());
            if let Some(value) = whole {
                self.widths = if self.whole == 0 {
                    (cell.len(), cell.len())
                } else {
                    (self.widths.0.min(cell.len()), self.widths.1.max(cell.len()))
                };
                self.bounds =
                    if self.whole == 0 { (value, value) } else { (self.bounds.0.min(value), self.bounds.1.max(value)) };
                self.whole += 1;
                self.compact += usize::from(compact(cell).is_some());
            }
        } else if looks_like_calendar(cell) {
            self.calendar += 1;
        } else if has_decimal_comma(cell) {
            self.decimal_commas += 1;
        }
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

    /// How whole numbers would be read as times, if they plainly are.
    pub(super) fn whole_times(&self) -> Option<TimeFormat> {
        let within = |low: i64, high: i64| self.bounds.0 >= low && self.bounds.1 <= high;
        if !self.whole() {
            None
        } else if self.compact == self.filled
            && self.widths.0 == self.widths.1
            && (within(1_000, 2_999) || within(100_001, 299_912) || within(10_000_101, 29_991_231))
        {
            Some(TimeFormat::Compact)
        } else if within(100_000_000, 9_999_999_999) {
            Some(TimeFormat::EpochSeconds)
        } else if within(100_000_000_000, 9_999_999_999_999) {
            Some(TimeFormat::EpochMillis)
        } else if within(100_000_000_000_000, 9_999_999_999_999_999) {
            Some(TimeFormat::EpochMicros)
        } else {
            None
        }
    }
}

/// Whether some value of the column stands in two rows that are not copies of each other.
pub(super) fn repeats(rows: &[Line], columns: &[usize]) -> bool {
    let mut seen: HashMap<Vec<&[u8]>, &ByteRecord> = HashMap::new();
    rows.iter().any(|(_, row)| {
        let key = columns.iter().map(|&column| row.get(column).unwrap_or_default()).collect();
        let first = seen.entry(key).or_insert(row);
        *first != row
    })
}
