//! Unpacks and bounds the bytes of an upload.
//!
//! One layer of gzip or zstd is taken off, whether the caller announced it or the bytes show it; a
//! second one is refused. Errors of the client's stream, of the compression and of the bounds
//! travel inside [`io::Error`] as [`IngestError`], through whatever reads from here, and
//! [`recover`] takes them out again.

use std::cell::Cell;
use std::io::{self, BufReader, Cursor, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use crate::error::IngestError;
use crate::options::{Encoding, UploadLimits};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Below this much output no ratio is suspicious: small files of one value compress a thousandfold.
const RATIO_FREE: u64 = 64 << 20;

/// The decompressed, bounded content of an upload.
pub(super) fn open<'a>(
    upload: impl Read + 'a,
    encoding: Encoding,
    limits: &UploadLimits,
) -> Result<Box<dyn Read + 'a>, IngestError> {
    let taken = Rc::new(Cell::new(0));
    let (head, rest) = peek(Upload { from: upload, taken: Rc::clone(&taken) })?;
    let shown = shown_by(&head);
    let packed = match (encoding, shown) {
        (Encoding::Identity, shown) => shown,
        (announced, Some(shown)) if announced == shown => Some(shown),
        // An empty body is refused for being empty, further on.
        (_, _) if head.is_empty() => None,
        (announced, _) => {
            let name = name(announced);
            return Err(IngestError::refuse(
                "wrong_encoding",
                format!("Content-Encoding says {name}, the bytes are not {name}"),
            ));
        }
    };
    let bytes = Cursor::new(head).chain(rest);
    let content: Box<dyn Read + 'a> = match packed {
        None => Box::new(bytes),
        Some(packed) => {
            let (head, rest) = peek(Unpacked { from: decoder(packed, bytes)?, name: name(packed) })?;
            if shown_by(&head).is_some() {
                return Err(IngestError::refuse(
                    "nested_compression",
                    "the upload is compressed twice; send it compressed once",
                ));
            }
            Box::new(Cursor::new(head).chain(rest))
        }
    };
    Ok(Box::new(Bounded { from: content, taken, given: 0, limits: *limits }))
}

/// The ingest error inside an I/O error, or the machine's fault if there is none.
pub(super) fn recover(error: io::Error) -> IngestError {
    error.downcast::<IngestError>().unwrap_or_else(IngestError::machine)
}

fn decoder<'a>(packed: Encoding, bytes: impl Read + 'a) -> Result<Box<dyn Read + 'a>, IngestError> {
    let bytes = BufReader::with_capacity(128 << 10, bytes);
    Ok(match packed {
        Encoding::Identity => Box::new(bytes),
        Encoding::Gzip => Box::new(MultiGzDecoder::new(bytes)),
        Encoding::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(bytes).map_err(IngestError::machine)?),
    })
}

fn shown_by(head: &[u8]) -> Option<Encoding> {
    if head.starts_with(&GZIP) {
        Some(Encoding::Gzip)
    } else if head.starts_with(&ZSTD) {
        Some(Encoding::Zstd)
    } else {
        None
    }
}

fn name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Identity => "identity",
        Encoding::Gzip => "gzip",
        Encoding::Zstd => "zstd",
    }
}

/// The first four bytes, or all where there are fewer.
fn peek<R: Read>(mut from: R) -> Result<(Vec<u8>, R), IngestError> {
    let mut head = Vec::with_capacity(4);
    from.by_ref().take(4).read_to_end(&mut head).map_err(recover)?;
    Ok((head, from))
}

/// The client's stream: counts what it gives, and marks its errors as the stream's.
struct Upload<R> {
    from: R,
    taken: Rc<Cell<u64>>,
}

impl<R: Read> Read for Upload<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.from.read(buffer) {
            Ok(count) => {
                self.taken.set(self.taken.get() + count as u64);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            // An ingest error is a refusal of the caller's own, of a body past its limit for one.
            Err(error) => Err(io::Error::other(match error.downcast::<IngestError>() {
                Ok(refusal) => refusal,
                Err(error) => IngestError::Interrupted(error.to_string()),
            })),
        }
    }
}

/// A decoder: what it cannot decode is the upload's fault.
struct Unpacked<R> {
    from: R,
    name: &'static str,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.from.read(buffer).map_err(|error| match error.downcast::<IngestError>() {
            Ok(inner) => io::Error::other(inner),
            Err(_) => io::Error::other(IngestError::refuse(
                "corrupt_compression",
                format!("the {} stream is damaged or cut short", self.name),
            )),
        })
    }
}

struct Bounded<R> {
    from: R,
    taken: Rc<Cell<u64>>,
    given: u64,
    limits: UploadLimits,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.given += count as u64;
        if self.given > self.limits.bytes {
            let detail = format!("the upload holds more than {} bytes once unpacked", self.limits.bytes);
            return Err(io::Error::other(IngestError::too_large("upload_too_large", detail)));
        }
        if self.given > RATIO_FREE && self.given / self.taken.get().max(1) > self.limits.ratio {
            let detail = format!("the upload unpacks to more than {} times its size", self.limits.ratio);
            return Err(io::Error::other(IngestError::too_large("compression_ratio", detail)));
        }
        Ok(count)
    }
}
