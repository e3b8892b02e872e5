//! Reads what the supervisor needs of a safetensors file: whether it is complete, and its manifest. Tensor
//! data is not read.

use std::fs::File;
use std::io;
use std::path::Path;

use gatecast_core::model::Manifest;
use gatecast_files::safetensors::{HeaderError, read_header};

/// Reads the manifest from a model's file.
pub(super) fn manifest(path: &Path) -> io::Result<Manifest> {
    let (header, _) =
        File::open(path).map_err(HeaderError::from).and_then(|mut file| read_header(&mut file)).map_err(|error| {
            match error {
                HeaderError::Io(error) => error,
                error => io::Error::new(io::ErrorKind::InvalidData, error),
            }
        })?;
    let text = header.metadata.get("gatecast");
    let text = text.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the model has no manifest"))?;
    serde_json::from_str(text).map_err(io::Error::from)
}

/// Whether the file is as long as its header says.
pub(super) fn is_whole(path: &Path) -> bool {
    File::open(path).is_ok_and(|mut file| read_header(&mut file).is_ok())
}
