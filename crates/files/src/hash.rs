//! SHA-256 of a stream, as lower-case hexadecimal.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The SHA-256 and the length of everything in `from`.
pub fn hash_reader(mut from: impl Read) -> io::Result<(String, u64)> {
    let mut sink = HashingWriter::new(io::sink());
    io::copy(&mut from, &mut sink)?;
    Ok(sink.finish().1)
}

/// Passes bytes on to a writer, and hashes and counts them.
#[derive(Debug)]
pub struct HashingWriter<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> HashingWriter<W> {
    pub fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    /// The writer, and the SHA-256 and length of the bytes written to it.
    pub fn finish(self) -> (W, (String, u64)) {
        (self.inner, (hex(&self.hash.finalize()), self.bytes))
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(data)?;
        self.hash.update(data.get(..written).unwrap_or(data));
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_covers_the_written_bytes() {
        let mut writer = HashingWriter::new(Vec::new());
        writer.write_all(b"a").unwrap();
        writer.write_all(b"bc").unwrap();
        let (written, (sha256, bytes)) = writer.finish();
        assert_eq!((written.as_slice(), bytes), (&b"abc"[..], 3));
        assert_eq!(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hash_reader(&b"abc"[..]).unwrap(), (sha256, 3));
    }
}
