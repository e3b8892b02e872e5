//! From an upload to the two files of a dataset.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::IngestError;
use super::options::{Encoding, UploadOptions};
use crate::domain::dataset::Profile;

/// What an upload became. The two files lie in a folder of their own that goes when this does:
/// move them out first.
#[derive(Debug)]
pub struct Ingested {
    pub profile: Profile,
    /// Of the points file, in hex.
    pub sha256: String,
    /// Of the points file.
    pub bytes: u64,
    pub points: PathBuf,
    pub index: PathBuf,
}

/// Reads an upload and writes the dataset's two files into a folder of its own under `scratch`.
pub fn ingest(
    _upload: impl Read + Send,
    _encoding: Encoding,
    _options: &UploadOptions,
    _scratch: &Path,
) -> Result<Ingested, IngestError> {
    Err(IngestError::machine("not here yet"))
}
