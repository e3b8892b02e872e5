//! Small Parquet files that would need gigabytes: they are refused before memory is allocated.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray};
use gatecast_data::{IngestError, UploadOptions};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};

use super::Upload;

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()))
}

fn parquet(columns: Vec<(String, ArrayRef)>, properties: WriterPropertiesBuilder) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

/// A text column with one long text that is stored once and referenced by every row.
fn repeated(rows: usize, bytes: usize) -> ArrayRef {
    let texts = Arc::new(StringArray::from(vec!["x".repeat(bytes)]));
    Arc::new(DictionaryArray::<Int32Type>::try_new(Int32Array::from(vec![0; rows]), texts).unwrap())
}

fn numbers(rows: usize) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64)))
}

/// The peak memory of this process, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Ingests the file in a separate process, to measure its peak memory. Returns the refusal, or `None` if
/// the upload was accepted, and the peak memory.
fn refusal(name: &str, file: &[u8]) -> (Option<String>, u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, file).unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "parquet_bombs::in_a_process_of_its_own", "--nocapture"])
        .env("GATECAST_TEST_BOMB", &path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = told.lines().find_map(|line| line.strip_prefix("bomb: ")).unwrap();
    let (peak, code) = told.split_once(' ').unwrap();
    (Some(code.to_owned()).filter(|code| code != "taken"), peak.parse().unwrap())
}

#[test]
fn in_a_process_of_its_own() {
    let Some(path) = std::env::var_os("GATECAST_TEST_BOMB") else { return };
    let mut options = UploadOptions::default();
    options.limits.batch_bytes = 64 << 20;
    let found = Upload::with(options).stream(std::fs::File::open(path).unwrap());
    let code = match &found {
        Ok(_) => "taken",
        Err(IngestError::TooLarge(refusal)) => refusal.code,
        Err(other) => panic!("{other}"),
    };
    eprintln!("bomb: {} {code}", peak_memory());
}

#[test]
fn a_dictionary_with_one_long_text_is_read_in_bounded_memory() {
    let rows = 2_000;
    let mut columns: Vec<(String, ArrayRef)> =
        (0..4).map(|at| (format!("text{at}"), repeated(rows, 1_000_000))).collect();
    columns.push(("value".to_owned(), numbers(rows)));
    let file = parquet(columns, properties());
    assert!(file.len() < 64 << 10, "{}", file.len());
    let (code, peak) = refusal("dictionary", &file);
    assert_eq!(code.as_deref(), Some("upload_too_large"));
    assert!(peak < 200 << 20, "{} MB", peak >> 20);
}

#[test]
fn a_page_over_the_limit_is_not_decompressed() {
    // Texts of a megabyte in one page, compressed to almost nothing; more than the limit of one batch.
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..150).map(|_| "x".repeat(1 << 20))));
    let large = properties().set_dictionary_enabled(false).set_data_page_size_limit(1 << 30);
    let file = parquet(vec![("text".to_owned(), texts), ("value".to_owned(), numbers(150))], large);
    assert!(file.len() < 1 << 20, "{}", file.len());
    let (code, peak) = refusal("page", &file);
    assert_eq!(code.as_deref(), Some("upload_too_large"));
    assert!(peak < 100 << 20, "{} MB", peak >> 20);
}

#[test]
fn texts_with_a_long_common_prefix_are_read_in_bounded_memory() {
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|_| "x".repeat(200_000))));
    let batch = RecordBatch::try_from_iter([("text", texts), ("value", numbers(100))]).unwrap();
    let prefix = properties()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BYTE_ARRAY)
        .set_column_encoding("value".into(), Encoding::PLAIN);
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(prefix.build())).unwrap();
    for _ in 0..80 {
        writer.write(&batch).unwrap();
    }
    writer.close().unwrap();
    assert!(file.len() < 1 << 20, "{}", file.len());
    let (code, peak) = refusal("prefix", &file);
    assert_eq!(code.as_deref(), Some("upload_too_large"));
    assert!(peak < 250 << 20, "{} MB", peak >> 20);
}

#[test]
fn claimed_numbers_of_rows_and_cells_are_limited() {
    let mut options = UploadOptions::default();
    options.limits.bytes = 25_000;
    let columns: Vec<(String, ArrayRef)> =
        (0..30).map(|at| (format!("c{at}"), Arc::new(Int32Array::from(vec![0; 1_000])) as ArrayRef)).collect();
    let error = Upload::with(options).send(parquet(columns, properties())).unwrap_err();
    assert_eq!(error.code(), "upload_too_large");
    assert!(error.detail().contains("claims 30000 cells"), "{error}");
}

#[test]
fn ordinary_texts_are_read_in_every_encoding() {
    let rows = 30_000;
    let text = |row: usize| format!("{} {row}", "a shop with quite a long name".repeat(3));
    let ids: Vec<String> = (0..rows).map(|row| text(row % 7)).collect();
    let times: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("{}", 1_700_000_000 + row / 7 * 60))));
    let columns = || {
        let ids: ArrayRef = Arc::new(StringArray::from_iter_values(&ids));
        vec![("id".to_owned(), ids), ("epoch".to_owned(), Arc::clone(&times)), ("value".to_owned(), numbers(rows))]
    };
    let plain = || properties().set_dictionary_enabled(false).set_column_encoding("value".into(), Encoding::PLAIN);
    let expected = Upload::new().send(parquet(columns(), properties())).unwrap();
    assert_eq!((expected.profile.series, expected.profile.points), (7, rows as u64));
    for (name, written) in [
        ("plain", plain()),
        ("delta lengths", plain().set_encoding(Encoding::DELTA_LENGTH_BYTE_ARRAY)),
        ("prefixes", plain().set_encoding(Encoding::DELTA_BYTE_ARRAY)),
        ("version 2", plain().set_writer_version(WriterVersion::PARQUET_2_0)),
        ("a dictionary that overflows", properties().set_dictionary_page_size_limit(300)),
        (
            "small pages and groups",
            properties().set_data_page_row_count_limit(100).set_max_row_group_row_count(Some(999)),
        ),
    ] {
        let found = Upload::new().send(parquet(columns(), written)).unwrap();
        assert_eq!(found.sha256, expected.sha256, "{name}");
    }
    // A small memory limit makes the batches smaller; the upload does not fail.
    let mut options = UploadOptions::default();
    options.limits.batch_bytes = 4 << 20;
    let found =
        Upload::with(options).send(parquet(columns(), plain().set_encoding(Encoding::DELTA_BYTE_ARRAY))).unwrap();
    assert_eq!(found.sha256, expected.sha256);
}
