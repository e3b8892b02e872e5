//! CSV as it comes: any usual delimiter, any line ends, quoted cells with line breaks in them.

use std::io::{self, Cursor, Read};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::super::decode;
use super::super::row_sink::RowSink;
use crate::error::IngestError;
use crate::options::{Delimiter, UploadOptions};

/// A row of its own put behind the upload. It comes out again as a row only if no quote is open.
const END: &[u8] = b"\n\0\n";
const END_ROW: &[u8] = b"\0";

pub(super) fn read(
    head: &[u8],
    rest: impl Read,
    options: &UploadOptions,
    intake: &mut RowSink<'_>,
) -> Result<(), IngestError> {
    let delimiter = options.delimiter.unwrap_or_else(|| recognise(head));
    let content = Cursor::new(head).chain(rest).chain(END);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter.byte())
        .buffer_capacity(128 << 10)
        .from_reader(LineBound { from: content, since: 0, most: options.limits.line_bytes });
    let mut row = ByteRecord::new();
    if !next(&mut reader, &mut row)? {
        return Err(IngestError::refuse("empty_upload", "the upload has no rows"));
    }
    let names: Result<Vec<String>, _> =
        row.iter().map(|name| std::str::from_utf8(name).map(|name| name.trim().to_owned())).collect();
    intake.header(names.map_err(|_| IngestError::refuse("invalid_utf8", "the names of the columns are not UTF-8"))?)?;
    let ends = LineEnds::of(head);
    let mut count = 1;
    while next(&mut reader, &mut row)? {
        count += 1;
        intake.row(ends.line(&reader, &row, count), &row)?;
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
    fn line<R: Read>(self, reader: &Reader<LineBound<R>>, row: &ByteRecord, count: u64) -> u64 {
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
fn next<R: Read>(reader: &mut Reader<LineBound<R>>, row: &mut ByteRecord) -> Result<bool, IngestError> {
    let line = reader.position().line();
    let found = reader.read_byte_record(row).map_err(|error| match error.into_kind() {
        ErrorKind::Io(error) => name_line(decode::recover(error), line),
        _ => IngestError::refuse("invalid_csv", format!("line {line} is not CSV")),
    })?;
    reader.get_mut().since = 0;
    if !found {
        let detail = format!(
            "a quote that opens in the row of line {} is never closed",
            row.position().map_or(line, csv::Position::line)
        );
        return Err(IngestError::refuse("unclosed_quote", detail));
    }
    Ok(row.as_slice() != END_ROW)
}

fn name_line(error: IngestError, line: u64) -> IngestError {
    match error {
        IngestError::Refused(mut refusal) if refusal.code == "line_too_long" => {
            refusal.detail = format!("line {line}: {}", refusal.detail);
            IngestError::Refused(refusal)
        }
        other => other,
    }
}

/// The delimiter that stands most often in the first line, outside of quotes.
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

/// Bounds what one row may take: bytes read since the last row ended.
struct LineBound<R> {
    from: R,
    since: usize,
    most: usize,
}

impl<R: Read> Read for LineBound<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since > self.most {
            let detail = format!("the row is longer than {} bytes, or a quote is never closed", self.most);
            return Err(io::Error::other(IngestError::refuse("line_too_long", detail)));
        }
        let count = self.from.read(buffer)?;
        self.since += count;
        Ok(count)
    }
}
