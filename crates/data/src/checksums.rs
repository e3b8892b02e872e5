//! Checksums inside a stored Parquet file: a damaged byte is an error, never another number.
//!
//! The parquet crate checks page checksums but does not write them, and they would not cover the
//! page headers and the footer. So the file carries its own table, as the value of a key-value
//! entry of its footer:
//!
//! ```text
//! gatecast-crc32:1:{tail}:{end}:{block}:{blocks}
//! ```
//!
//! `end` is where the row groups end. The bytes before it are covered by one CRC-32 for each
//! `block` bytes (`blocks`: eight hexadecimal digits each). The bytes from `end` on, which are the
//! page index and the footer, are covered by `tail`, a CRC-32 of all of them but its own eight
//! digits. Any reader of Parquet ignores the entry.
//!
//! A file of an earlier version has no table: see [`CheckedFile::is_checked`].

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use crc32fast::Hasher;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::error::ReadError;
use crate::stored::corrupt;

pub(crate) const KEY: &str = "gatecast.checksums";
const MARKER: &[u8] = b"gatecast-crc32:1:";
const DIGITS: usize = 8;
/// About the size of a page in a stored file, so that reading one page checks little more than that.
const BLOCK: usize = 64 << 10;
/// The least part of the file's end that is searched for the table, whatever length the footer
/// claims to have: a damaged length must not hide the table.
const LEAST_TAIL: u64 = 64 << 10;
/// `PAR1` at both ends, and the length of the footer.
const FOOTER: u64 = 8;

/// Writes a Parquet file and collects its checksums.
#[derive(Debug)]
pub(crate) struct ChecksumWriter<W> {
    inner: W,
    bytes: u64,
    block: Hasher,
    filled: usize,
    blocks: Vec<u32>,
    /// The bytes after the row groups, which wait for their checksum.
    tail: Option<Vec<u8>>,
}

impl<W: Write> ChecksumWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, bytes: 0, block: Hasher::new(), filled: 0, blocks: Vec::new(), tail: None }
    }

    /// Ends the row groups. The value of the footer's entry under [`KEY`], in which
    /// [`Self::finish`] fills in the checksum of the tail.
    pub(crate) fn end_row_groups(&mut self) -> String {
        self.end_block();
        self.tail = Some(Vec::new());
        let mut table = String::with_capacity(MARKER.len() + 64 + DIGITS * self.blocks.len());
        table.push_str(&String::from_utf8_lossy(MARKER));
        table.push_str(&format!("{:08x}:{}:{BLOCK}:", 0, self.bytes));
        for block in &self.blocks {
            table.push_str(&format!("{block:08x}"));
        }
        table
    }

    /// Writes the tail; the inner writer.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if let Some(mut tail) = self.tail.take() {
            if let Some(digits) = digits_in(&tail) {
                let checksum = format!("{:08x}", tail_checksum(&tail, &digits));
                if let Some(place) = tail.get_mut(digits) {
                    place.copy_from_slice(checksum.as_bytes());
                }
            }
            self.inner.write_all(&tail)?;
        }
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn end_block(&mut self) {
        if self.filled > 0 {
            self.blocks.push(std::mem::take(&mut self.block).finalize());
            self.filled = 0;
        }
    }
}

impl<W: Write> Write for ChecksumWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if let Some(tail) = &mut self.tail {
            tail.extend_from_slice(data);
            return Ok(data.len());
        }
        let written = self.inner.write(data)?;
        self.bytes += written as u64;
        let mut rest = data.get(..written).unwrap_or(data);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(BLOCK - self.filled));
            self.block.update(now);
            self.filled += now.len();
            if self.filled == BLOCK {
                self.end_block();
            }
            rest = later;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Where the tail's own checksum is, if the tail has a table.
fn digits_in(tail: &[u8]) -> Option<Range<usize>> {
    // The last one: what comes before may be texts of the upload.
    let at = tail.windows(MARKER.len()).rposition(|bytes| bytes == MARKER)?;
    let start = at + MARKER.len();
    (start + DIGITS <= tail.len()).then_some(start..start + DIGITS)
}

fn tail_checksum(tail: &[u8], digits: &Range<usize>) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(tail.get(..digits.start).unwrap_or_default());
    hasher.update(tail.get(digits.end..).unwrap_or_default());
    hasher.finalize()
}

/// A Parquet file of which every byte that is read is checked first. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct CheckedFile {
    file: Arc<File>,
    length: u64,
    checks: Option<Arc<Checks>>,
}

#[derive(Debug)]
struct Checks {
    block: usize,
    blocks: Vec<u32>,
    /// Where the tail begins.
    end: u64,
    tail: Bytes,
}

impl CheckedFile {
    /// Opens the file and checks its tail.
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length < 2 * FOOTER {
            return Err(corrupt("the file is cut short"));
        }
        let mut last = [0; FOOTER as usize];
        file.read_exact_at(&mut last, length - FOOTER)?;
        let [a, b, c, d, magic @ ..] = last;
        if &magic != b"PAR1" {
            return Err(corrupt("the file does not end as Parquet"));
        }
        let claimed = u64::from(u32::from_le_bytes([a, b, c, d])).saturating_add(FOOTER);
        let searched = claimed.max(LEAST_TAIL).min(length);
        let footer = read_at(&file, length - searched, searched)?;
        let checks = match digits_in(&footer) {
            Some(digits) => Some(Arc::new(Checks::read(&file, length, &footer, &digits)?)),
            None => None,
        };
        Ok(Self { file: Arc::new(file), length, checks })
    }

    /// Whether the file carries checksums. Without, the caller compares the hash of the whole file.
    pub(crate) fn is_checked(&self) -> bool {
        self.checks.is_some()
    }

    /// Bytes that were compared with their checksum.
    fn range(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let stop = start.checked_add(length as u64).filter(|&stop| stop <= self.length);
        let stop = stop.ok_or_else(|| ParquetError::EOF("a range ends after the file".to_owned()))?;
        let Some(checks) = &self.checks else { return Ok(read_at(&self.file, start, length as u64)?.into()) };
        let tail = |from: u64, to: u64| checks.tail.slice((from - checks.end) as usize..(to - checks.end) as usize);
        if start >= checks.end {
            return Ok(tail(start, stop));
        }
        if stop <= checks.end {
            return checks.blocks(&self.file, start..stop);
        }
        let mut joined = checks.blocks(&self.file, start..checks.end)?.to_vec();
        joined.extend_from_slice(&tail(checks.end, stop));
        Ok(joined.into())
    }
}

impl Checks {
    /// Parses the table behind `digits`, and checks the tail.
    fn read(file: &File, length: u64, footer: &[u8], digits: &Range<usize>) -> Result<Self, ReadError> {
        let unreadable = || corrupt("its table of checksums cannot be read");
        let text = |range: Range<usize>| footer.get(range).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let stored = text(digits.clone()).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let mut fields = footer.get(digits.end + 1..).unwrap_or_default().splitn(3, |&byte| byte == b':');
        let mut number = || fields.next().and_then(|field| std::str::from_utf8(field).ok()?.parse::<u64>().ok());
        let (end, block) = (number().ok_or_else(unreadable)?, number().ok_or_else(unreadable)?);
        let table = fields.next().ok_or_else(unreadable)?;
        if end > length || block == 0 || block > 1 << 30 {
            return Err(unreadable());
        }
        let tail = Bytes::from(read_at(file, end, length - end)?);
        let own = digits_in(&tail).ok_or_else(unreadable)?;
        if stored != Some(tail_checksum(&tail, &own)) {
            return Err(corrupt("the checksum of its footer differs"));
        }
        let count = usize::try_from(end.div_ceil(block)).map_err(|_| unreadable())?;
        let digits = table.get(..count * DIGITS).ok_or_else(unreadable)?.chunks_exact(DIGITS);
        let block_of = |digits: &[u8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let blocks: Option<Vec<u32>> = digits.map(block_of).collect();
        Ok(Self { block: block as usize, blocks: blocks.ok_or_else(unreadable)?, end, tail })
    }

    /// Bytes before `end`: the whole blocks that hold them are read and checked.
    fn blocks(&self, file: &File, range: Range<u64>) -> Result<Bytes, ParquetError> {
        let block = self.block as u64;
        let from = range.start / block * block;
        let to = range.end.div_ceil(block).saturating_mul(block).min(self.end);
        let bytes = Bytes::from(read_at(file, from, to - from)?);
        for (at, checked) in ((from / block) as usize..).zip(bytes.chunks(self.block)) {
            if self.blocks.get(at) != Some(&crc32fast::hash(checked)) {
                let (first, last) = (at * self.block, at * self.block + checked.len());
                return Err(ParquetError::General(format!("the checksum of bytes {first} to {last} differs")));
            }
        }
        Ok(bytes.slice((range.start - from) as usize..(range.end - from) as usize))
    }
}

fn read_at(file: &File, start: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes)
}

impl Length for CheckedFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for CheckedFile {
    type T = CheckedRead;

    fn get_read(&self, start: u64) -> Result<CheckedRead, ParquetError> {
        Ok(CheckedRead { file: self.clone(), at: start, ready: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.range(start, length)
    }
}

/// Reads on from a place in the file, block by block.
#[derive(Debug)]
pub(crate) struct CheckedRead {
    file: CheckedFile,
    at: u64,
    ready: Bytes,
}

impl Read for CheckedRead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() {
            let length = (BLOCK as u64 - self.at % BLOCK as u64).min(self.file.length.saturating_sub(self.at));
            self.ready = self.file.range(self.at, length as usize).map_err(io::Error::other)?;
            self.at += length;
        }
        let count = into.len().min(self.ready.len());
        let now = self.ready.split_to(count);
        if let Some(place) = into.get_mut(..count) {
            place.copy_from_slice(&now);
        }
        Ok(count)
    }
}
