//! The files a training reads and leaves: the dataset's points in, the model's bundle out.

use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::bundle::{self, Bundle, BundleError, Written};
use super::checkpoint::hex;
use super::error::LearnError;
use crate::data::Frame;
use crate::domain::trainer::DatasetSource;

/// Reads the columns of a dataset, after its points were found to be what the hash says.
pub fn read(dataset: &DatasetSource, columns: &[String]) -> Result<Frame, LearnError> {
    let points = File::open(&dataset.path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LearnError::DatasetGone,
        _ => LearnError::storage("reading the dataset", &error),
    })?;
    let (sha256, _) = hash(points).map_err(|error| LearnError::storage("reading the dataset", &error))?;
    if sha256 != dataset.sha256 {
        return Err(LearnError::DatasetCorrupt("their hash differs".to_owned()));
    }
    Ok(Frame::read(&dataset.path, &dataset.path.with_extension("index.parquet"), columns)?)
}

/// SHA-256 in hex, and the length.
pub fn hash(mut file: File) -> io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let bytes = io::copy(&mut file, &mut HashWriter(&mut hash))?;
    Ok((hex(&hash.finalize()), bytes))
}

struct HashWriter<'h>(&'h mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a bundle durably.
pub fn write_bundle(path: &Path, bundle: &Bundle) -> Result<Written, LearnError> {
    bundle::write(path, bundle).map_err(|error| match error {
        BundleError::Io(error) => LearnError::storage("writing the model", &error),
        other => LearnError::Broken(other.to_string()),
    })
}
