//! Checks that the targets of a count head are counts.

use gatecast_data::Frame;
use gatecast_model::error::LearnError;

/// Refuses targets that are no counts. Asked before gaps are filled: what is drawn between two
/// counts is rounded to one.
pub(super) fn check(frame: &Frame, targets: usize) -> Result<(), LearnError> {
    for column in frame.columns.iter().take(targets) {
        let no_count = |value: &&f64| !value.is_nan() && (**value < 0.0 || value.fract() != 0.0);
        if let Some(value) = column.values.iter().find(no_count) {
            return Err(LearnError::NotCounts(format!(
                "a negative_binomial head needs counts, and `{}` holds {value}: set `model.head` to `normal` or `student_t`",
                column.name
            )));
        }
    }
    Ok(())
}
