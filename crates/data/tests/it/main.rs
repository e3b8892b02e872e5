//! Ingestion of uploads, and reading of datasets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod bounds;
mod damage;
mod forms;
mod headers;
mod layouts;
mod parquet_bombs;
mod reading;
mod refusals;
mod seasons;
mod sorting;
mod steps;
mod tsf;

use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use gatecast_data::{Encoding, Frame, IngestError, Ingested, UploadOptions, ingest};
use tempfile::TempDir;

/// Options for uploads, with a scratch folder.
struct Upload {
    scratch: Arc<TempDir>,
    options: UploadOptions,
    encoding: Encoding,
}

impl Upload {
    fn new() -> Self {
        Self::with(UploadOptions::default())
    }

    fn with(options: UploadOptions) -> Self {
        Self { scratch: Arc::new(tempfile::tempdir().unwrap()), options, encoding: Encoding::Identity }
    }

    fn encoded(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    fn send(&self, content: impl AsRef<[u8]> + Sync) -> Result<Taken, IngestError> {
        self.stream(Cursor::new(content.as_ref()))
    }

    /// Ingests the content and checks that a refusal leaves nothing in the scratch folder.
    fn stream(&self, content: impl Read + Send) -> Result<Taken, IngestError> {
        let found = ingest(content, self.encoding, &self.options, self.scratch.path());
        if found.is_err() {
            assert!(is_empty(self.scratch.path()), "a refused upload left files behind");
        }
        found.map(|found| Taken { found, _scratch: Arc::clone(&self.scratch) })
    }
}

/// An accepted upload. Its files are deleted when it is dropped.
#[derive(Debug)]
struct Taken {
    found: Ingested,
    _scratch: Arc<TempDir>,
}

impl std::ops::Deref for Taken {
    type Target = Ingested;

    fn deref(&self) -> &Ingested {
        &self.found
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

/// All numeric columns of a stored dataset.
fn frame(found: &Ingested) -> Frame {
    let numbers = found.profile.columns.iter().filter(|column| column.numbers.is_some());
    let names: Vec<String> = numbers.map(|column| column.name.clone()).collect();
    Frame::read(&found.points, &found.index, &names).unwrap()
}

fn micros(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

fn warnings(found: &Ingested) -> Vec<&str> {
    found.profile.warnings.iter().map(|warning| warning.code.as_str()).collect()
}

/// The line numbers in a refusal.
fn lines_of(error: &IngestError) -> Vec<u64> {
    error.row_errors().iter().map(|row| row.line).collect()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}
