//! Which `Content-Type` an upload may have.

use crate::http::problem::{Code, Problem};

/// Subtypes of `application`. Some say nothing of the data: `curl --data-binary` sends
/// `application/x-www-form-urlencoded` unless it is told another type.
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

/// Refuses types that no upload is of, such as `image/png`. No type is as good as an unknown one.
pub(super) fn expect(content_type: &str) -> Result<(), Problem> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let allowed = match essence.split_once('/') {
        None => essence.is_empty(),
        Some(("text", subtype)) => subtype != "html",
        Some(("application", subtype)) => APPLICATION.contains(&subtype),
        Some(_) => false,
    };
    let detail = "expected CSV, JSON, NDJSON or Parquet: send a `Content-Type` such as `text/csv`, or none";
    if allowed { Ok(()) } else { Err(Problem::new(Code::UnsupportedMediaType, detail)) }
}
