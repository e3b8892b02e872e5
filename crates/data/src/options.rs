//! What a caller may say about an upload. Whatever is left out is recognised from the data.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use gatecast_core::dataset::{DuplicatePolicy, Format, Layout};
use gatecast_core::frequency::Frequency;

/// How to read one upload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadOptions {
    pub format: Option<Format>,
    pub layout: Option<Layout>,
    /// The column that holds the time.
    pub time_column: Option<String>,
    /// The column that holds the series id.
    pub series_column: Option<String>,
    pub time_format: Option<TimeFormat>,
    /// How to read dates such as 01/02/2001.
    pub date_order: Option<DateOrder>,
    /// Of CSV: whether the first row has the names of the columns.
    pub header: Option<Header>,
    /// Of CSV.
    pub delimiter: Option<Delimiter>,
    pub decimal: Decimal,
    pub duplicates: DuplicatePolicy,
    /// The frequency of all series. Times that do not fit it are refused.
    pub frequency: Option<Frequency>,
    /// The lengths of the seasons in points, ascending. Left out: recognised.
    pub seasons: Vec<usize>,
    pub limits: UploadLimits,
}

/// How an upload is compressed on its way: its `Content-Encoding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// As it is; a gzip or zstd file is recognised all the same and unpacked, once.
    #[default]
    Identity,
    Gzip,
    Zstd,
}

/// How the times of an upload are written. Left out: any ISO 8601 date or date and time,
/// YYYY/MM/DD, dates with the year last, and whole numbers where the column's name says what they are: times or numbers of
/// steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// Dates and times in digits and separators, by their shape.
    Calendar,
    /// YYYY, YYYYMM or YYYYMMDD.
    Compact,
    /// Whole seconds since 1970 UTC.
    EpochSeconds,
    /// Whole milliseconds since 1970 UTC.
    EpochMillis,
    /// Whole microseconds since 1970 UTC.
    EpochMicros,
    /// Whole numbers that count steps, without a calendar: 1, 2, 3.
    Steps,
}

/// The order of day and month in dates that end with the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// Month first: 12/31/2001.
    Mdy,
    /// Day first: 31/12/2001.
    Dmy,
}

/// Whether the first row of a CSV file has the names of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Header {
    Yes,
    /// The columns are called V1, V2 and so on.
    No,
}

/// What separates the cells of a CSV row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delimiter {
    Comma,
    Semicolon,
    Tab,
    Pipe,
}

impl Delimiter {
    pub(crate) const ALL: [Self; 4] = [Self::Comma, Self::Semicolon, Self::Tab, Self::Pipe];

    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Pipe => b'|',
        }
    }
}

/// The decimal mark of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decimal {
    #[default]
    Point,
    Comma,
}

/// Bounds on one upload: past any of them it is refused, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadLimits {
    /// Bytes after decompression.
    pub bytes: u64,
    /// Decompressed bytes to one compressed byte, past the first 64 MiB.
    pub ratio: u64,
    /// Bytes of one row of text.
    pub line_bytes: usize,
    /// Columns of a wide upload, or points of a series that is one row.
    pub columns: usize,
    /// Value columns of a long upload.
    pub value_columns: usize,
    pub series: usize,
    /// Bytes of all series ids together.
    pub series_bytes: usize,
    /// Bytes of one series id.
    pub key_bytes: usize,
    pub points: u64,
    /// Distinct texts of a category column; one that has more is left out, with a warning.
    pub categories: usize,
    /// Memory of one sorted run; about four of them are in memory at the worst moment.
    pub run_bytes: usize,
    /// Memory for the Parquet pages that are decoded at a time.
    pub batch_bytes: u64,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            bytes: 8 << 30,
            ratio: 200,
            line_bytes: 4 << 20,
            columns: 50_000,
            value_columns: 1_000,
            series: 1_000_000,
            series_bytes: 128 << 20,
            key_bytes: 512,
            points: 1_000_000_000,
            categories: 1_000,
            run_bytes: 32 << 20,
            batch_bytes: 256 << 20,
        }
    }
}

/// The format that a content type or, failing that, a file name means.
pub fn format_hint(content_type: Option<&str>, file_name: Option<&str>) -> Option<Format> {
    let by_type = content_type.and_then(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "text/csv" | "application/csv" | "text/tab-separated-values" => Some(Format::Csv),
            "application/vnd.apache.parquet" | "application/parquet" | "application/x-parquet" => Some(Format::Parquet),
            "application/json" | "text/json" => Some(Format::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
                Some(Format::Ndjson)
            }
            _ => None,
        }
    });
    by_type.or_else(|| {
        let name = file_name?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        match name.rsplit('.').next()? {
            "csv" | "tsv" => Some(Format::Csv),
            "parquet" => Some(Format::Parquet),
            "json" => Some(Format::Json),
            "ndjson" | "jsonl" => Some(Format::Ndjson),
            "tsf" => Some(Format::Tsf),
            _ => None,
        }
    })
}
