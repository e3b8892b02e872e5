//! A dataset: immutable revisions of named series, and the profile a person reads before training.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::frequency::Frequency;
use super::ids::DatasetId;

/// How the rows of an upload were laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One row a point: time, value columns, and (where there are several series) a series id.
    Long,
    /// One row a time, one column a series.
    Wide,
    /// One row a series: its id, then its values in order, without times.
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
    /// One row object a line.
    Ndjson,
}

/// What to do with rows that give one series and time different values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DuplicatePolicy {
    /// Refuse the upload and name the lines.
    #[default]
    Refuse,
    /// Keep the row that comes first in the file.
    First,
    /// Keep the row that comes last in the file.
    Last,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Finite numbers, or missing.
    Number,
    /// Short texts from a small set (or true and false), or missing.
    Category,
}

/// One value column over all series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
    /// Points without a value.
    pub missing: u64,
    /// The time of the last point with a value, over all series. Absent for data without times, and in profiles that were stored
    /// before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<jiff::Timestamp>,
    /// The statistics of a number column, over the points that have a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberSummary>,
    /// The most frequent categories, at most 50, most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryCount>,
}

/// Of the points that have a value; `std` divides by their count.
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

/// Something a person would want to know before training on the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub detail: String,
}

/// Steps of a series' even grid without a row, one after another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    pub series: String,
    /// The first and the last time without a row, RFC 3339 UTC.
    pub from: jiff::Timestamp,
    pub to: jiff::Timestamp,
    /// The number of times without a row.
    pub steps: u64,
}

/// The number of series that share a frequency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FrequencyCount {
    /// Absent for series without times, of one point, or with no even step.
    pub frequency: Option<Frequency>,
    pub series: u64,
}

/// What an upload was found to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    pub format: Format,
    pub layout: Layout,
    /// Why this layout: the caller said so, or what in the columns told it.
    pub layout_reason: String,
    /// The columns of the file that hold the time and the series id.
    pub time_column: Option<String>,
    pub series_column: Option<String>,
    /// Rows read from the file, before duplicates were dropped.
    pub rows: u64,
    /// Points kept, over all series: what the stored Parquet file has as rows.
    pub points: u64,
    pub series: u64,
    /// Points of the shortest and the longest series.
    pub shortest: u64,
    pub longest: u64,
    /// First and last time over all series, RFC 3339 UTC; absent where the data has no times.
    pub start: Option<jiff::Timestamp>,
    pub end: Option<jiff::Timestamp>,
    /// The frequency that all series share, if they do.
    pub frequency: Option<Frequency>,
    /// Most frequent first, at most 20.
    pub frequencies: Vec<FrequencyCount>,
    /// Steps of a series' even grid, between its first and last point, that have no row.
    pub gaps: u64,
    /// The first gaps: up to three of a series, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_gaps: Vec<Gap>,
    /// Rows dropped as exact copies of another, or by the policy for contradicting ones.
    pub duplicates_dropped: u64,
    /// Series and number columns that hold one single value, as `series/column`, at most 20 named.
    pub constant: Vec<String>,
    pub columns: Vec<Column>,
    pub warnings: Vec<Warning>,
}

impl Profile {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// A dataset as the API shows it: its newest revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dataset {
    pub id: DatasetId,
    pub name: String,
    pub revision: u32,
    /// Of the stored Parquet file.
    pub sha256: String,
    pub bytes: u64,
    pub created_at: jiff::Timestamp,
    pub profile: Profile,
}

/// One series of a dataset, as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesSummary {
    pub key: String,
    pub points: u64,
    pub start: Option<jiff::Timestamp>,
    pub end: Option<jiff::Timestamp>,
    pub frequency: Option<Frequency>,
    pub gaps: u64,
}

/// The key of the only series of data that names none.
pub const ONLY_SERIES: &str = "series";
