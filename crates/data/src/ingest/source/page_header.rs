//! Reads the header of a Parquet page: the fields that say how large the page is.
//!
//! The parquet crate reads page headers but does not expose them. They are structures of Thrift's
//! compact protocol:
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.

use std::io::{self, Read};

use parquet::basic::Encoding;

/// Nested structures of one header; real ones nest three deep.
const MOST_DEPTH: u32 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageKind {
    Data,
    Dictionary,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHeader {
    pub(super) kind: PageKind,
    /// Bytes of the page once unpacked.
    pub(super) unpacked: u64,
    /// Bytes of the page in the file, behind the header.
    pub(super) packed: u64,
    /// Values of the page, nulls among them.
    pub(super) values: u64,
    /// Of a data page.
    pub(super) encoding: Option<Encoding>,
}

/// Reads one header; it and its length in bytes.
pub(super) fn read_header(from: &mut impl Read) -> io::Result<(PageHeader, u64)> {
    let mut thrift = Thrift { from, taken: 0 };
    let (mut kind, mut unpacked, mut packed) = (None, None, None);
    let (mut values, mut encoding) = (0, None);
    thrift.fields(0, &mut |thrift, field| {
        match (field.id, field.kind) {
            (1, I32) => kind = Some(thrift.integer()?),
            (2, I32) => unpacked = Some(thrift.integer()?),
            (3, I32) => packed = Some(thrift.integer()?),
            // The headers of data pages, dictionaries and data pages of version 2 all begin with
            // the number of values.
            (part @ (5 | 7 | 8), STRUCT) => thrift.fields(1, &mut |thrift, field| {
                match (part, field.id, field.kind) {
                    (_, 1, I32) => values = thrift.integer()?,
                    (5, 2, I32) | (8, 4, I32) => encoding = Some(thrift.integer()?),
                    _ => return Ok(false),
                }
                Ok(true)
            })?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let positive = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).ok_or_else(invalid);
    let kind = match kind {
        Some(0 | 3) => PageKind::Data,
        Some(2) => PageKind::Dictionary,
        Some(_) => PageKind::Other,
        None => return Err(invalid()),
    };
    let encoding = match encoding {
        Some(6) => Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
        Some(7) => Some(Encoding::DELTA_BYTE_ARRAY),
        _ => None,
    };
    let header = PageHeader {
        kind,
        unpacked: positive(unpacked)?,
        packed: positive(packed)?,
        values: positive(Some(values))?,
        encoding,
    };
    Ok((header, thrift.taken))
}

// Kinds of values in the compact protocol.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I8: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;

struct Field {
    id: i64,
    kind: u8,
}

struct Thrift<'r, R> {
    from: &'r mut R,
    taken: u64,
}

impl<R: Read> Thrift<'_, R> {
    /// Gives each field of a structure to `take`, and skips those that it does not read.
    fn fields(&mut self, depth: u32, take: &mut dyn FnMut(&mut Self, Field) -> io::Result<bool>) -> io::Result<()> {
        let mut last = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            last = if head >> 4 == 0 { self.integer()? } else { last + i64::from(head >> 4) };
            let kind = head & 0x0f;
            if !take(self, Field { id: last, kind })? {
                self.skip(kind, depth)?;
            }
        }
    }

    fn skip(&mut self, kind: u8, depth: u32) -> io::Result<()> {
        if depth > MOST_DEPTH {
            return Err(invalid());
        }
        match kind {
            TRUE | FALSE => Ok(()),
            I8 => self.byte().map(drop),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.pass(8),
            BINARY => {
                let length = self.varint()?;
                self.pass(length)
            }
            LIST | SET => {
                let head = self.byte()?;
                let (count, kind) = (head >> 4, head & 0x0f);
                let count = if count == 15 { self.varint()? } else { u64::from(count) };
                for _ in 0..count {
                    // A truth value in a list takes a byte, unlike in a structure.
                    if matches!(kind, TRUE | FALSE) { self.byte().map(drop)? } else { self.skip(kind, depth + 1)? }
                }
                Ok(())
            }
            STRUCT => self.fields(depth + 1, &mut |_, _| Ok(false)),
            _ => Err(invalid()),
        }
    }

    fn pass(&mut self, length: u64) -> io::Result<()> {
        let passed = io::copy(&mut self.from.take(length), &mut io::sink())?;
        self.taken += passed;
        if passed == length { Ok(()) } else { Err(invalid()) }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.from.read_exact(&mut byte)?;
        self.taken += 1;
        Ok(byte[0])
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(invalid())
    }

    fn integer(&mut self) -> io::Result<i64> {
        let zigzag = self.varint()?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a page header makes no sense")
}
