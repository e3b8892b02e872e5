//! Reads the dataset of a training and writes the bundle of its model.

use std::fs::File;
use std::io;
use std::path::Path;

use gatecast_core::trainer::DatasetSource;
use gatecast_data::Frame;
use gatecast_files::hash_reader;
use gatecast_files::safetensors::{HeaderError, MAX_HEADER_BYTES};
use gatecast_model::bundle::{self, Bundle, BundleError, Written};
use gatecast_model::error::LearnError;

/// Reads the columns of a dataset after checking the hash of its points.
pub fn read(dataset: &DatasetSource, columns: &[String]) -> Result<Frame, LearnError> {
    let points = File::open(&dataset.path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LearnError::DatasetGone,
        _ => LearnError::storage("reading the dataset", error),
    })?;
    let (sha256, _) = hash_reader(points).map_err(|error| LearnError::storage("reading the dataset", error))?;
    if sha256 != dataset.sha256 {
        return Err(LearnError::DatasetCorrupt("its hash does not match".to_owned()));
    }
    Ok(Frame::read(&dataset.path, &dataset.index, columns)?)
}

/// Writes a bundle durably.
pub fn write_bundle(path: &Path, bundle: &Bundle) -> Result<Written, LearnError> {
    bundle::write(path, bundle).map_err(|error| match error {
        BundleError::Io(error) => LearnError::storage("writing the model", error),
        BundleError::Header(HeaderError::TooLong(bytes)) => LearnError::TooLarge(format!(
            "the model's header would have {bytes} bytes, but the limit is {MAX_HEADER_BYTES}: use fewer or shorter category texts"
        )),
        other => LearnError::Broken(other.to_string()),
    })
}
