//! Reads an upload line by line, in bounded memory.

use std::io::{BufRead, BufReader, Read};

use super::super::decode;
use super::super::row_bound::{RowBound, RowMeter, name_row};
use crate::error::IngestError;

pub(super) const BUFFER: usize = 128 << 10;

pub(super) struct Lines<R: Read> {
    content: BufReader<RowBound<R>>,
    text: Vec<u8>,
    /// The number of lines read.
    line: u64,
}

impl<R: Read> Lines<R> {
    /// `limit` is the largest number of bytes of a line.
    pub(super) fn new(content: R, meter: RowMeter, limit: usize) -> Self {
        let content = BufReader::with_capacity(BUFFER, RowBound::new(content, meter, limit));
        Self { content, text: Vec::new(), line: 0 }
    }

    /// The next line, with its number from 1; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &[u8])>, IngestError> {
        self.line += 1;
        self.text.clear();
        let read = self.content.read_until(b'\n', &mut self.text);
        let read = read.map_err(|error| name_row(decode::recover(error), &format!("line {}", self.line), ""))?;
        Ok((read > 0).then_some((self.line, self.text.as_slice())))
    }
}
