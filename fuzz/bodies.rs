//! The checks of the fuzz targets. The integration tests also compile this file and run the checks on stable Rust as property
//! tests (`tests/it/fuzz.rs`). Each function panics on a violation.

use std::path::Path;

use gatecast_core::dataset::Format;
use gatecast_data::{Encoding, Frame, IngestError, Refusal, UploadLimits, UploadOptions, ingest};
use gatecast_model::bundle;
use tempfile::TempDir;

/// Small limits, so that a limit that is not enforced shows up as memory use or time.
const LIMITS: UploadLimits = UploadLimits {
    bytes: 1 << 20,
    ratio: 100,
    line_bytes: 16 << 10,
    columns: 200,
    value_columns: 50,
    series: 1_000,
    series_bytes: 64 << 10,
    key_bytes: 128,
    points: 20_000,
    categories: 100,
    run_bytes: 256 << 10,
    batch_bytes: 4 << 20,
};

/// An upload whose format is detected from its bytes.
pub(super) fn upload(bytes: &[u8]) {
    ingested(bytes, None);
}

/// An upload that claims to be Parquet.
pub(super) fn parquet(bytes: &[u8]) {
    ingested(bytes, Some(Format::Parquet));
}

/// Checks that the upload is either refused with a reason and leaves no files, or is stored within the limits, readable, and
/// byte for byte reproducible.
fn ingested(bytes: &[u8], format: Option<Format>) {
    let options = UploadOptions { format, limits: LIMITS, ..UploadOptions::default() };
    let (first, second) = (folder(), folder());
    match ingest(bytes, Encoding::Identity, &options, first.path()) {
        Ok(found) => {
            assert!(found.profile.points <= LIMITS.points, "{} points", found.profile.points);
            let numbers = found.profile.columns.iter().filter(|column| column.numbers.is_some());
            let names: Vec<String> = numbers.map(|column| column.name.clone()).collect();
            let frame = Frame::read(&found.points, &found.index, &names).expect("what was stored can be read");
            assert_eq!(frame.series.len() as u64, found.profile.series);
            assert!(frame.columns.iter().all(|column| column.values.len() as u64 == found.profile.points));
            let again =
                ingest(bytes, Encoding::Identity, &options, second.path()).expect("accepted once, accepted twice");
            assert_eq!(again.sha256, found.sha256, "the same upload gives the same bytes");
        }
        Err(IngestError::Refused(refusal) | IngestError::TooLarge(refusal)) => {
            let Refusal { code, detail, .. } = *refusal;
            assert!(!code.is_empty() && !detail.is_empty());
            assert!(is_empty(first.path()), "a refused upload left files behind");
        }
        Err(error) => panic!("the caller's bytes were reported as a fault of the machine: {error}"),
    }
}

/// A model file: it is either refused with a code, or writing and reading the model again returns the same model.
pub(super) fn safetensors(bytes: &[u8]) {
    let folder = folder();
    let (path, copy) = (folder.path().join("model"), folder.path().join("copy"));
    std::fs::write(&path, bytes).expect("a file can be written");
    match bundle::read(&path) {
        Ok(model) => {
            bundle::write(&copy, &model).expect("a model that was read can be written");
            assert_eq!(bundle::read(&copy).expect("and read again"), model);
        }
        Err(error) => assert!(!error.code().is_empty() && error.code() != "bundle_io", "{error}"),
    }
}

/// The body of `POST /v1/jobs`: it is either accepted, or answered by a problem with status 400 or 422 and valid pointers.
pub(super) fn job_request(bytes: &[u8]) {
    if let Err(problem) = gatecast::http::check_job(bytes) {
        let status = problem["status"].as_u64();
        assert!(matches!(status, Some(400 | 422)), "{problem}");
        assert!(problem["code"].as_str().is_some_and(|code| !code.is_empty()), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        for error in problem["errors"].as_array().into_iter().flatten() {
            let pointer = error["pointer"].as_str().unwrap_or("none");
            assert!(pointer.is_empty() || pointer.starts_with('/'), "{problem}");
        }
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}
