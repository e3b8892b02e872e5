//! Recognises the format of the content, and reads its rows as text.

use std::io::{Cursor, Read};
use std::path::Path;

use super::decode;
use super::row_sink::RowSink;
use crate::error::IngestError;
use crate::options::{Encoding, UploadOptions};
use gatecast_core::dataset::Format;

mod arrow_text;
mod csv_rows;
mod json_rows;
mod lines;
mod page_header;
mod parquet_pages;
mod parquet_rows;
mod tsf_rows;

/// Bytes looked at to tell the format, the delimiter and the encoding of the text.
const HEAD: u64 = 64 << 10;
const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Reads the whole upload into `sink`. `spool` is where Parquet is put, which is read from its end.
pub(super) fn read(
    upload: impl Read,
    encoding: Encoding,
    options: &UploadOptions,
    spool: &Path,
    sink: &mut RowSink<'_>,
) -> Result<Format, IngestError> {
    let mut content = decode::open(upload, encoding, &options.limits)?;
    let mut head = Vec::new();
    content.by_ref().take(HEAD).read_to_end(&mut head).map_err(decode::recover)?;
    if head.is_empty() {
        return Err(IngestError::refuse("empty_upload", "the upload is empty"));
    }
    let shown = shown_by(&head);
    let format = match options.format {
        // Clients call any text CSV, and no CSV begins with the head of a .tsf file.
        None | Some(Format::Csv) if shown == Format::Tsf => shown,
        said => said.unwrap_or(shown),
    };
    if (format == Format::Parquet) != (shown == Format::Parquet) {
        return Err(IngestError::refuse(
            "wrong_format",
            format!(
                "the upload is called {} but its bytes are {}",
                name(format),
                if shown == Format::Parquet { "Parquet" } else { "not" }
            ),
        ));
    }
    if format != Format::Parquet {
        check_text(&head)?;
    }
    let skipped = if format != Format::Parquet && head.starts_with(&BOM) { BOM.len() } else { 0 };
    head.drain(..skipped);
    match format {
        Format::Csv => csv_rows::read(&head, content, options, sink)?,
        Format::Json => json_rows::read_array(Cursor::new(head).chain(content), options, sink)?,
        Format::Ndjson => json_rows::read_lines(Cursor::new(head).chain(content), options, sink)?,
        Format::Tsf => tsf_rows::read(Cursor::new(head).chain(content), options, sink)?,
        Format::Parquet => parquet_rows::read(Cursor::new(head).chain(content), options, spool, sink)?,
    }
    Ok(format)
}

fn shown_by(head: &[u8]) -> Format {
    let text = head.strip_prefix(&BOM).unwrap_or(head).trim_ascii_start();
    match text.first() {
        _ if head.starts_with(b"PAR1") => Format::Parquet,
        Some(b'[') => Format::Json,
        Some(b'{') => Format::Ndjson,
        Some(b'@' | b'#') if tsf_rows::is_shown_by(text) => Format::Tsf,
        _ => Format::Csv,
    }
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Csv => "CSV",
        Format::Parquet => "Parquet",
        Format::Json => "JSON",
        Format::Ndjson => "NDJSON",
        Format::Tsf => "TSF",
    }
}

fn check_text(head: &[u8]) -> Result<(), IngestError> {
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Err(IngestError::refuse("utf16", "the text is UTF-16; save it as UTF-8"));
    }
    if head.contains(&0) {
        return Err(IngestError::refuse(
            "not_text",
            "the content holds NUL bytes: it is not text, or it is UTF-16; save it as UTF-8",
        ));
    }
    Ok(())
}
