//! Checks that the targets of a count head are counts.

use gatecast_data::Frame;
use gatecast_model::error::LearnError;

/// Returns an error if a target is not a count. This runs before gaps are filled, because an interpolated value
/// between two counts is rounded to a count.
pub(super) fn check(frame: &Frame, targets: usize) -> Result<(), LearnError> {
    for column in frame.columns.iter().take(targets) {
        let no_count = |value: &&f64| !value.is_nan() && (**value < 0.0 || value.fract() != 0.0);
        if let Some(value) = column.values.iter().find(no_count) {
            return Err(LearnError::NotCounts(format!(
                "a `negative_binomial` head needs counts, but `{}` contains {value}: set `model.head` to `normal` or `student_t`",
                column.name
            )));
        }
    }
    Ok(())
}
