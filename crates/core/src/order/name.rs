//! Names that people give to jobs.

/// Refuses control characters. A NUL among them could not be stored, and none can be shown.
pub(crate) fn printable(name: &(impl AsRef<str> + ?Sized), _: &()) -> garde::Result {
    if name.as_ref().chars().any(char::is_control) {
        return Err(garde::Error::new("must not contain control characters"));
    }
    Ok(())
}
