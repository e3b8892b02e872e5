//! Fewer points for a plot, without losing its shape.
//!
//! The rows are cut into equal buckets, and of each bucket the rows of every number column's
//! lowest and highest value are kept, beside the first and the last row of all: so a spike of one
//! point is still seen. What is kept are rows of the data, never averages. The rows are read
//! twice, once to choose and once to give, and are never in memory whole.

use std::ops::Range;

use super::error::ReadError;
use super::frame::extend_numbers;
use super::stored::Stored;

/// The lowest and the highest value of one column in one bucket, and their rows.
#[derive(Clone, Copy, Default)]
struct Extremes {
    low: Option<(f64, u64)>,
    high: Option<(f64, u64)>,
}

/// The rows to keep, ascending, at most `most` of them (but always the first and the last).
pub(super) fn keep(stored: &Stored, numbers: &[usize], rows: Range<u64>, most: usize) -> Result<Vec<u64>, ReadError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut kept = vec![rows.start, rows.end - 1];
    let buckets = most.saturating_sub(2) / (2 * numbers.len().max(1));
    let total = rows.end - rows.start;
    if buckets > 0 && numbers.is_empty() {
        let step = total.div_ceil(most as u64).max(1);
        kept.extend((rows.start..rows.end).step_by(usize::try_from(step).unwrap_or(usize::MAX)));
        kept.truncate(most.max(2));
    } else if buckets > 0 {
        let mut extremes = vec![Extremes::default(); buckets * numbers.len()];
        let mut values = Vec::new();
        let mut first = 0_u64;
        for batch in stored.read(numbers, rows.clone())? {
            let batch = batch?;
            for column in 0..numbers.len() {
                values.clear();
                extend_numbers(&mut values, &batch, column)?;
                for (row, &value) in (first..).zip(&values).filter(|(_, value)| !value.is_nan()) {
                    let bucket = (u128::from(row) * buckets as u128 / u128::from(total)) as usize;
                    if let Some(extremes) = extremes.get_mut(bucket * numbers.len() + column) {
                        let row = rows.start + row;
                        if extremes.low.is_none_or(|(low, _)| value < low) {
                            extremes.low = Some((value, row));
                        }
                        if extremes.high.is_none_or(|(high, _)| value > high) {
                            extremes.high = Some((value, row));
                        }
                    }
                }
            }
            first += batch.num_rows() as u64;
        }
        kept.extend(extremes.iter().flat_map(|found| [found.low, found.high]).flatten().map(|(_, row)| row));
    }
    kept.sort_unstable();
    kept.dedup();
    Ok(kept)
}
