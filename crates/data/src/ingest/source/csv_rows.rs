//! CSV as it comes: any usual delimiter, any line ends, quoted cells with line breaks in them.

use std::io::{Chain, Cursor, Read};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::super::decode;
use super::super::row_bound::{RowBound, name_row};
use super::super::row_sink::RowSink;
use crate::error::IngestError;
use crate::options::{Delimiter, UploadOptions};

/// A row of its own put behind the upload. It comes out again as a row only if no quote is open.
/// What tells it from a row of the upload is its place, not its content.
const END: &[u8] = b"\n\0\n";
const END_ROW: &[u8] = b"\0";

/// The upload, and [`END`].
type Content<R> = Chain<RowBound<R>, &'static [u8]>;

pub(super) fn read(
    head: &[u8],
    rest: impl Read,
    options: &UploadOptions,
    sink: &mut RowSink<'_>,
) -> Result<(), IngestError> {
    let delimiter = options.delimiter.unwrap_or_else(|| recognise(head));
    let content = RowBound::new(Cursor::new(head).chain(rest), sink.meter(), options.limits.line_bytes);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter.byte())
        .buffer_capacity(128 << 10)
        .from_reader(content.chain(END));
    let mut row = ByteRecord::new();
    if !next(&mut reader, &mut row)? {
        return Err(IngestError::refuse("empty_upload", "the upload has no rows"));
    }
    let ends = LineEnds::of(head);
    let mut count = 1;
    sink.first_row(ends.line(&reader, &row, count), &row)?;
    while next(&mut reader, &mut row)? {
        count += 1;
        sink.row(ends.line(&reader, &row, count), &row)?;
    }
    Ok(())
}

/// What ends the lines of an upload, as its head shows: the reader counts line feeds, of which it
/// has seen one too many, or just enough, when it gives a row.
#[derive(Clone, Copy)]
enum LineEnds {
    Feed,
    ReturnAndFeed,
    /// No line feeds at all: rows are counted instead.
    Return,
}

impl LineEnds {
    fn of(head: &[u8]) -> Self {
        match head.iter().position(|&byte| byte == b'\n') {
            Some(at) if at > 0 && head.get(at - 1) == Some(&b'\r') => Self::ReturnAndFeed,
            None if head.contains(&b'\r') => Self::Return,
            _ => Self::Feed,
        }
    }

    /// The line that the row just read begins on; exact unless line ends are mixed.
    fn line<R: Read>(self, reader: &Reader<R>, row: &ByteRecord, count: u64) -> u64 {
        let within = row.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64;
        let after = reader.position().line();
        match self {
            Self::Feed => after.saturating_sub(within + 1),
            Self::ReturnAndFeed => after.saturating_sub(within),
            Self::Return => count,
        }
    }
}

/// The next row; false at the end of the upload.
fn next<R: Read>(reader: &mut Reader<Content<R>>, row: &mut ByteRecord) -> Result<bool, IngestError> {
    let line = reader.position().line();
    let found = reader.read_byte_record(row).map_err(|error| match error.into_kind() {
        ErrorKind::Io(error) => {
            name_row(decode::recover(error), &format!("line {line}"), ", or a quote is never closed")
        }
        _ => IngestError::refuse("invalid_csv", format!("line {line} is not CSV")),
    })?;
    if !found {
        let detail = format!(
            "a quote that opens in the row of line {} is never closed",
            row.position().map_or(line, csv::Position::line)
        );
        return Err(IngestError::refuse("unclosed_quote", detail));
    }
    // A row of the upload ends with the first byte of END at the latest.
    let length = reader.get_ref().get_ref().0.total();
    Ok(row.as_slice() != END_ROW || reader.position().byte() <= length + 1)
}

/// The delimiter that is most frequent in the first line, outside of quotes.
fn recognise(head: &[u8]) -> Delimiter {
    let mut quoted = false;
    let mut counts = [0_usize; Delimiter::ALL.len()];
    for &byte in head.trim_ascii_start() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if !quoted => {
                for (count, delimiter) in counts.iter_mut().zip(Delimiter::ALL) {
                    *count += usize::from(byte == delimiter.byte());
                }
            }
            _ => {}
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    counts.iter().zip(Delimiter::ALL).find(|(count, _)| **count == most).map_or(Delimiter::Comma, |(_, found)| found)
}
