//! The `Content-Type` of an upload.

use crate::http::problem::{Code, Problem};

/// Accepted subtypes of `application`. Some do not describe the data: `curl --data-binary` sends
/// `application/x-www-form-urlencoded` by default.
const APPLICATION: [&str; 14] = [
    "csv",
    "gzip",
    "json",
    "jsonl",
    "ndjson",
    "octet-stream",
    "vnd.apache.parquet",
    "vnd.ms-excel",
    "x-gzip",
    "x-jsonlines",
    "x-ndjson",
    "x-parquet",
    "x-www-form-urlencoded",
    "zstd",
];

/// Rejects types that no upload has, such as `image/png`. A missing type is accepted.
pub(super) fn expect(content_type: &str) -> Result<(), Problem> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let allowed = match essence.split_once('/') {
        None => essence.is_empty(),
        Some(("text", subtype)) => subtype != "html",
        Some(("application", subtype)) => APPLICATION.contains(&subtype),
        Some(_) => false,
    };
    let detail = "expected CSV, JSON, NDJSON, TSF or Parquet: send a `Content-Type` such as `text/csv`, or none";
    if allowed { Ok(()) } else { Err(Problem::new(Code::UnsupportedMediaType, detail)) }
}
