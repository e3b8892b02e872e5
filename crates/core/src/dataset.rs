//! Datasets: immutable revisions of named series, with a profile to read before training.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::frequency::Frequency;
use super::ids::DatasetId;

/// How the rows of an upload are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One row per point: time, value columns and, if there are several series, a series id.
    Long,
    /// One row per time, one column per series.
    Wide,
    /// One row per series: its id, then its values in order. Only a `.tsf` file has times in this layout.
    Rows,
}

/// The form of the uploaded file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Csv,
    Parquet,
    /// An array of row objects.
    Json,
    /// One row object per line.
    Ndjson,
    /// The format of the Monash forecasting archive: a head of `@` lines, then one line per series.
    Tsf,
}

/// What to do with rows that have the same series and time but different values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DuplicatePolicy {
    /// Reject the upload and name the lines.
    #[default]
    Refuse,
    /// Keep the row that comes first in the file.
    First,
    /// Keep the row that comes last in the file.
    Last,
}

/// What a column contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Finite numbers, or missing.
    Number,
    /// Short strings from a small set (or true and false), or missing.
    Category,
}

/// One value column, over all series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
    /// The number of points without a value.
    pub missing: u64,
    /// The time of the last point with a value, over all series. Absent for data without times, and in profiles
    /// stored before this field was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<jiff::Timestamp>,
    /// The statistics of a numeric column, over the points that have a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberSummary>,
    /// The most frequent categories, at most 50, most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryCount>,
}

/// Statistics over the points that have a value. `std` is the population standard deviation: it divides by the number
/// of values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NumberSummary {
    pub min: f64,
    pub mean: f64,
    pub max: f64,
    pub std: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CategoryCount {
    pub value: String,
    pub points: u64,
}

/// Something to know before training on the data or using the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// A stable code, for programs.
    pub code: String,
    /// A message for people.
    pub detail: String,
}

/// Consecutive steps of a series' regular grid that have no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    pub series: String,
    /// The first and the last time without a row (RFC 3339, UTC).
    pub from: jiff::Timestamp,
    pub to: jiff::Timestamp,
    /// The number of times without a row.
    pub steps: u64,
}

/// The number of series that share a frequency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FrequencyCount {
    /// Absent for series without times, with one point, or with irregular times.
    pub frequency: Option<Frequency>,
    pub series: u64,
}

/// How the seasons of a dataset were determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeasonReason {
    /// The upload's options state them.
    Given,
    /// They are the usual ones of the frequency.
    Frequency,
    /// A sample of the series has autocorrelation peaks at them.
    Autocorrelation,
}

/// The content of an upload, as found while reading it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    pub format: Format,
    pub layout: Layout,
    /// Why this layout was chosen: the caller stated it, or how it was detected from the columns.
    pub layout_reason: String,
    /// The columns of the file that contain the time and the series id.
    pub time_column: Option<String>,
    pub series_column: Option<String>,
    /// The number of rows in the file, before duplicates were dropped.
    pub rows: u64,
    /// The number of points kept, over all series. Equals the number of rows in the stored Parquet file.
    pub points: u64,
    pub series: u64,
    /// The number of points of the shortest and the longest series.
    pub shortest: u64,
    pub longest: u64,
    /// The first and the last time over all series (RFC 3339, UTC). Absent if the data has no times.
    pub start: Option<jiff::Timestamp>,
    pub end: Option<jiff::Timestamp>,
    /// The frequency, if all series have the same one; for data without times, the one given at upload.
    pub frequency: Option<Frequency>,
    /// Most frequent first, at most 20.
    pub frequencies: Vec<FrequencyCount>,
    /// The lengths of the seasons in points, in ascending order. The first one is the main season. Empty if there is none, and in
    /// profiles stored before this field was added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seasons: Vec<usize>,
    /// How the seasons were determined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub season_reason: Option<SeasonReason>,
    /// The number of grid steps without a row, over all series, between each series' first and last point.
    pub gaps: u64,
    /// The first gaps: up to three per series, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_gaps: Vec<Gap>,
    /// The number of rows dropped: exact duplicates, and contradicting rows dropped by the policy.
    pub duplicates_dropped: u64,
    /// Series and numeric columns with a single value, as `series/column`. At most 20 are named.
    pub constant: Vec<String>,
    pub columns: Vec<Column>,
    pub warnings: Vec<Warning>,
}

impl Profile {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The main season in points, or 1 if there is none.
    pub fn season(&self) -> usize {
        // Profiles stored before seasons were added only have the frequency.
        let usual = || self.frequency.map_or(1, Frequency::season);
        self.seasons.first().copied().unwrap_or_else(usual)
    }
}

/// A dataset, represented by its newest revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dataset {
    pub id: DatasetId,
    pub name: String,
    pub revision: u32,
    /// The SHA-256 of the stored Parquet file.
    pub sha256: String,
    pub bytes: u64,
    pub created_at: jiff::Timestamp,
    pub profile: Profile,
}

/// One series of a dataset, as returned in lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesSummary {
    pub key: String,
    pub points: u64,
    pub start: Option<jiff::Timestamp>,
    pub end: Option<jiff::Timestamp>,
    pub frequency: Option<Frequency>,
    pub gaps: u64,
}

/// The key of the only series in data without series ids.
pub const ONLY_SERIES: &str = "series";
