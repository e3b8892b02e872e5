//! The bound on one row of text, whatever its format.
//!
//! Sources read through [`RowBound`], and [`super::row_sink::RowSink`] starts the count anew at each
//! row that it takes. So no source can forget the bound, or take more than it for a row that it has
//! not given yet.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use crate::error::IngestError;

/// The code of a row that is too long.
pub(super) const CODE: &str = "line_too_long";

/// Counts the bytes read since the last row.
#[derive(Debug, Clone, Default)]
pub(super) struct RowMeter {
    since: Rc<Cell<usize>>,
    /// Some of them were not line ends.
    text: Rc<Cell<bool>>,
}

impl RowMeter {
    pub(super) fn start_row(&self) {
        self.since.set(0);
        self.text.set(false);
    }

    fn add(&self, bytes: &[u8]) {
        self.since.set(self.since.get().saturating_add(bytes.len()));
        if !self.text.get() {
            self.text.set(bytes.iter().any(|byte| !byte.is_ascii_whitespace()));
        }
    }
}

/// Passes bytes on until a row takes more than its bound.
#[derive(Debug)]
pub(super) struct RowBound<R> {
    from: R,
    meter: RowMeter,
    most: usize,
    total: u64,
}

impl<R> RowBound<R> {
    pub(super) fn new(from: R, meter: RowMeter, most: usize) -> Self {
        Self { from, meter, most, total: 0 }
    }

    /// Bytes passed on in all.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

impl<R: Read> Read for RowBound<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.meter.since.get() > self.most {
            let detail = if self.meter.text.get() {
                format!("the row is longer than {} bytes", self.most)
            } else {
                format!("there are more than {} bytes of blank lines", self.most)
            };
            return Err(io::Error::other(IngestError::refuse(CODE, detail)));
        }
        let count = self.from.read(buffer)?;
        self.total += count as u64;
        self.meter.add(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Names the row that is too long, and what may have made it so.
pub(super) fn name_row(error: IngestError, row: &str, cause: &str) -> IngestError {
    match error {
        IngestError::Refused(mut refusal) if refusal.code == CODE => {
            let cause = if refusal.detail.starts_with("the row") { cause } else { "" };
            refusal.detail = format!("{row}: {}{cause}", refusal.detail);
            IngestError::Refused(refusal)
        }
        other => other,
    }
}
