//! What reading a Parquet upload will cost, told from its page headers before a page is unpacked.
//!
//! A page names its size unpacked, so a file of a few kilobytes can ask for gigabytes: by one large
//! page, by a dictionary of one long text that thousands of rows repeat, or by texts that share a
//! long prefix. All pages are visited here, the headers alone, and the number of rows that may be
//! decoded at a time follows from the largest window of pages those rows can touch. Headers that
//! contradict each other are refused, since the parquet crate reserves memory by what they claim.
//!
//! Format: <https://parquet.apache.org/docs/file-format/data-pages/> and `parquet.thrift`.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::SerializedPageReader;

use super::page_header::{PageHeader, PageKind, read_header};
use super::parquet_rows::corrupt;
use crate::error::IngestError;
use crate::options::UploadLimits;

/// Rows decoded at a time where the pages are small.
const MOST_ROWS: usize = 8_192;
/// Cells decoded at a time.
const BATCH_CELLS: usize = 64 << 10;
/// Pages of a file. A usual writer needs a file of terabytes to make more.
const MOST_PAGES: usize = 4 << 20;

/// One data page of a text column.
#[derive(Debug, Clone, Copy)]
struct TextPage {
    rows: u64,
    bytes: u64,
    /// The bytes of the dictionary its values may refer to.
    dictionary: u64,
    /// The first page of its column chunk: it brings the dictionary into memory.
    first: bool,
}

/// What one column takes of memory.
#[derive(Debug, Default)]
struct ColumnCost {
    /// A column of numbers keeps one page and one dictionary at a time, and copies the values.
    fixed: u64,
    /// Decoded texts refer to their pages, which stay as long as the batch does.
    texts: Vec<TextPage>,
    /// The longest text that a prefix-coded page may spell out for each of its rows.
    spelt_out: u64,
}

/// The number of rows to decode at a time; at least 1.
pub(super) fn batch_rows(file: &File, metadata: &ParquetMetaData, limits: &UploadLimits) -> Result<usize, IngestError> {
    let columns = measure(file, metadata, limits)?;
    let mut rows = (BATCH_CELLS / columns.len().max(1)).clamp(1, MOST_ROWS);
    loop {
        let bytes = columns.iter().map(|column| column.bytes(rows as u64)).fold(0, u64::saturating_add);
        if bytes <= limits.batch_bytes {
            return Ok(rows);
        }
        if rows == 1 {
            let detail = format!(
                "one row of the Parquet file takes {bytes} bytes of memory to decode, by the sizes of its pages; at most \
                 {} are taken: write it with smaller pages",
                limits.batch_bytes
            );
            return Err(IngestError::too_large("upload_too_large", detail));
        }
        rows /= 2;
    }
}

impl ColumnCost {
    /// Memory that the worst run of this many rows takes.
    fn bytes(&self, rows: u64) -> u64 {
        let pages = &self.texts;
        let cost = |page: &TextPage| page.bytes + if page.first { page.dictionary } else { 0 };
        let (mut worst, mut end, mut later_rows, mut later_bytes) = (0, 0, 0, 0);
        // The run begins with the last row of the page `start` and ends in the page `end`.
        for (start, first) in pages.iter().enumerate() {
            end = end.max(start);
            while later_rows + 1 < rows
                && let Some(next) = pages.get(end + 1)
            {
                end += 1;
                later_rows += next.rows;
                later_bytes += cost(next);
            }
            worst = worst.max(first.bytes + first.dictionary + later_bytes);
            if end > start
                && let Some(next) = pages.get(start + 1)
            {
                later_rows -= next.rows;
                later_bytes -= cost(next);
            }
        }
        self.fixed.saturating_add(worst).saturating_add(rows.saturating_mul(self.spelt_out))
    }
}

fn measure(file: &File, metadata: &ParquetMetaData, limits: &UploadLimits) -> Result<Vec<ColumnCost>, IngestError> {
    let count = metadata.file_metadata().schema_descr().num_columns();
    let mut columns: Vec<ColumnCost> = std::iter::repeat_with(ColumnCost::default).take(count).collect();
    let (mut unpacked, mut pages) = (0_u64, 0_usize);
    let mut from = BufReader::new(file);
    for group in metadata.row_groups() {
        for (chunk, cost) in group.columns().iter().zip(&mut columns) {
            let rows = u64::try_from(group.num_rows()).map_err(corrupt)?;
            let headers = headers(&mut from, chunk, MOST_PAGES - pages)?;
            pages += headers.len();
            unpacked = headers.iter().map(|header| header.unpacked).fold(unpacked, u64::saturating_add);
            if unpacked > limits.bytes {
                let detail = format!("the upload holds more than {} bytes once unpacked", limits.bytes);
                return Err(IngestError::too_large("upload_too_large", detail));
            }
            check(chunk, &headers, rows)?;
            cost.add(chunk, &headers);
            let prefix_coded = |header: &PageHeader| is_delta(header.encoding);
            if chunk.column_type() == Type::BYTE_ARRAY && headers.iter().any(prefix_coded) {
                check_delta_lengths(file, chunk, rows)?;
            }
        }
    }
    Ok(columns)
}

impl ColumnCost {
    fn add(&mut self, chunk: &ColumnChunkMetaData, headers: &[PageHeader]) {
        let of = |kind: PageKind| headers.iter().filter(move |header| header.kind == kind);
        let dictionary = of(PageKind::Dictionary).map(|header| header.unpacked).sum();
        if chunk.column_type() != Type::BYTE_ARRAY {
            let page = of(PageKind::Data).map(|header| header.unpacked).max().unwrap_or(0);
            self.fixed = self.fixed.max(page.saturating_add(dictionary));
            return;
        }
        for (at, header) in of(PageKind::Data).enumerate() {
            self.texts.push(TextPage { rows: header.values, bytes: header.unpacked, dictionary, first: at == 0 });
            if header.encoding == Some(Encoding::DELTA_BYTE_ARRAY) {
                self.spelt_out = self.spelt_out.max(header.unpacked);
            }
        }
    }
}

/// The headers of one column chunk.
fn headers(
    from: &mut BufReader<&File>,
    chunk: &ColumnChunkMetaData,
    most: usize,
) -> Result<Vec<PageHeader>, IngestError> {
    // Of a damaged footer the two may be negative, which `byte_range` would not survive.
    let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    let start = u64::try_from(start).map_err(corrupt)?;
    let mut left = u64::try_from(chunk.compressed_size()).map_err(corrupt)?;
    from.seek(SeekFrom::Start(start)).map_err(corrupt)?;
    let mut headers = Vec::new();
    while left > 0 {
        if headers.len() >= most {
            let detail = format!("the Parquet file has more than {MOST_PAGES} pages");
            return Err(IngestError::too_large("upload_too_large", detail));
        }
        let (header, length) = read_header(&mut from.by_ref().take(left)).map_err(corrupt)?;
        left = left.saturating_sub(length);
        if header.packed > left {
            return Err(corrupt("a page ends after its column"));
        }
        from.seek_relative(i64::try_from(header.packed).map_err(corrupt)?).map_err(corrupt)?;
        left -= header.packed;
        headers.push(header);
    }
    Ok(headers)
}

/// The parquet crate reserves memory by these counts: they must fit the pages' sizes.
fn check(chunk: &ColumnChunkMetaData, headers: &[PageHeader], rows: u64) -> Result<(), IngestError> {
    let width = match chunk.column_type() {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
        Type::INT64 | Type::DOUBLE => 8,
        Type::INT96 => 12,
        Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(chunk.column_descr().type_length()).map_err(corrupt)?.max(1),
    };
    let mut values = 0_u64;
    for header in headers {
        match header.kind {
            PageKind::Dictionary if header.values.saturating_mul(width) > header.unpacked => {
                return Err(corrupt("a dictionary claims more values than its page can hold"));
            }
            PageKind::Data => values = values.saturating_add(header.values),
            PageKind::Dictionary | PageKind::Other => {}
        }
    }
    if values == rows { Ok(()) } else { Err(corrupt("the pages of a column and its row group differ in length")) }
}

fn is_delta(encoding: Option<Encoding>) -> bool {
    matches!(encoding, Some(Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY))
}

/// The lengths of texts may be packed into nothing and claim any count: that count is checked.
fn check_delta_lengths(file: &File, chunk: &ColumnChunkMetaData, rows: u64) -> Result<(), IngestError> {
    let file = Arc::new(file.try_clone().map_err(IngestError::machine)?);
    let rows = usize::try_from(rows).map_err(corrupt)?;
    let mut pages = SerializedPageReader::new(file, chunk, rows, None).map_err(corrupt)?;
    let nullable = chunk.column_descr().max_def_level() > 0;
    while let Some(page) = pages.get_next_page().map_err(corrupt)? {
        let (buffer, values, encoding, levels) = match &page {
            Page::DataPage { buf, num_values, encoding, .. } => {
                let prefix = buf.get(..4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
                let levels = if nullable { prefix.map_or(usize::MAX, |length| 4 + length as usize) } else { 0 };
                (buf, *num_values, *encoding, levels)
            }
            Page::DataPageV2 { buf, num_values, encoding, def_levels_byte_len, rep_levels_byte_len, .. } => {
                (buf, *num_values, *encoding, *def_levels_byte_len as usize + *rep_levels_byte_len as usize)
            }
            Page::DictionaryPage { .. } => continue,
        };
        if !is_delta(Some(encoding)) {
            continue;
        }
        let lengths = || corrupt("the lengths of a page's texts make no sense");
        let mut rest = buffer.get(levels..).ok_or_else(lengths)?;
        let runs = if encoding == Encoding::DELTA_BYTE_ARRAY { 2 } else { 1 };
        for _ in 0..runs {
            rest = delta_run(rest, u64::from(values)).ok_or_else(lengths)?;
        }
    }
    Ok(())
}

/// Skips one run of DELTA_BINARY_PACKED numbers, of which there may be `most`; what follows it.
fn delta_run(bytes: &[u8], most: u64) -> Option<&[u8]> {
    let mut rest = bytes;
    let (block, miniblocks, total) = (varint(&mut rest)?, varint(&mut rest)?, varint(&mut rest)?);
    varint(&mut rest)?;
    if total > most || miniblocks == 0 || block == 0 {
        return None;
    }
    let per_miniblock = block / miniblocks;
    let mut left = total.saturating_sub(1);
    while left > 0 {
        varint(&mut rest)?;
        let (widths, after) = rest.split_at_checked(usize::try_from(miniblocks).ok()?)?;
        rest = after;
        for &width in widths {
            if left == 0 {
                break;
            }
            let bytes = u64::from(width).checked_mul(per_miniblock)? / 8;
            // The last miniblock of a page may be cut short.
            rest = rest.get(usize::try_from(bytes).ok()?.min(rest.len())..)?;
            left = left.saturating_sub(per_miniblock.max(1));
        }
    }
    Some(rest)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(sizes: &[(u64, u64, u64, bool)]) -> ColumnCost {
        let page = |&(rows, bytes, dictionary, first)| TextPage { rows, bytes, dictionary, first };
        ColumnCost { texts: sizes.iter().map(page).collect(), ..ColumnCost::default() }
    }

    #[test]
    fn a_run_of_rows_costs_the_pages_it_can_touch() {
        let even = pages(&[(10, 100, 5, true), (10, 100, 5, false), (10, 300, 5, false), (10, 1, 7, true)]);
        assert_eq!(even.bytes(1), 305);
        assert_eq!(even.bytes(2), 405, "a run of two may lie across the two largest neighbours");
        assert_eq!(even.bytes(11), 405);
        assert_eq!(even.bytes(12), 505, "the last row of the first page, the second page, and one more");
        assert_eq!(even.bytes(1_000), 100 + 100 + 300 + 1 + 5 + 7);
        assert_eq!(pages(&[]).bytes(8), 0);
    }
}
