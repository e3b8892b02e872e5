//! Whether the first row of a CSV file is its header or data.
//!
//! Only files of one series a row need the question: their other columns hold numbers, and so does
//! their first row if it is a series. A header of numbers is common too (`region,2001,2002,2003`).
//! So the row is data if its numbers do not rise like a count of steps or years, or if its first
//! cell is an id like all the others; otherwise the caller is asked. A series is never lost.

use super::cells::{is_missing, number};
use super::column_names::is_series_name;
use super::sample::Line;
use crate::error::IngestError;

/// Whether the cells of a first row after its first one could be values of a series.
pub(super) fn may_be_data(names: &[String], decimal_comma: bool) -> bool {
    let Some((first, others)) = names.split_first() else { return false };
    let is_value = |name: &String| is_missing(name.as_bytes()) || number(name.as_bytes(), decimal_comma).is_ok();
    !first.is_empty()
        && !is_series_name(first)
        && others.iter().all(is_value)
        && others.iter().any(|name| !is_missing(name.as_bytes()))
}

/// Whether a first row that may be data, of a file with one series in each row, is data.
pub(super) fn is_data(names: &[String], rows: &[Line]) -> Result<bool, IngestError> {
    let first = names.first().map(String::as_str).unwrap_or_default();
    if !counts_up(names) || is_alike(first, rows) {
        return Ok(true);
    }
    let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    Err(IngestError::refuse(
        "ambiguous_header",
        format!(
            "the first row, which begins with `{}`, may be the header or a series; say header=yes or header=no",
            shown.join(",")
        ),
    ))
}

/// The numbers are whole and rise, as steps and years do.
fn counts_up(names: &[String]) -> bool {
    let whole = |name: &String| name.parse::<i64>().ok();
    let numbers: Option<Vec<i64>> = names.iter().skip(1).map(whole).collect();
    numbers.is_some_and(|numbers| numbers.is_sorted_by(|a, b| a < b))
}

/// The id differs from those of the other rows in its digits alone: `s0` before `s1` and `s2`.
fn is_alike(id: &str, rows: &[Line]) -> bool {
    let shape = |id: &[u8]| -> Vec<u8> {
        let mut shape: Vec<u8> = id.iter().map(|byte| if byte.is_ascii_digit() { b'0' } else { *byte }).collect();
        shape.dedup_by(|a, b| *a == b'0' && *b == b'0');
        shape
    };
    let own = shape(id.as_bytes());
    own.contains(&b'0') && rows.iter().all(|(_, row)| shape(row.get(0).unwrap_or_default().trim_ascii()) == own)
}
