//! How to read the rows of an upload: which column is what.

use super::times::TimeRange;
use crate::options::TimeFormat;
use gatecast_core::dataset::{ColumnKind, Layout, Warning};
use gatecast_core::frequency::Frequency;

/// What a schema was inferred to be.
#[derive(Debug)]
pub(super) enum Inferred {
    Plan(Box<ColumnPlan>),
    /// The first row of the file is not its header but a series.
    FirstRowIsData,
}

/// How to read every row.
#[derive(Debug)]
pub(super) struct ColumnPlan {
    pub(super) layout: Layout,
    pub(super) reason: String,
    pub(super) time: Option<usize>,
    pub(super) time_format: TimeFormat,
    /// Whole numbers that are times by a format that was recognised, not told: no other is one.
    pub(super) time_range: Option<TimeRange>,
    pub(super) series: Option<usize>,
    /// Long: the value columns. Wide and rows: one, called `value`.
    pub(super) columns: Vec<PlannedColumn>,
    /// Wide: the columns that are series.
    pub(super) wide: Vec<usize>,
    pub(super) warnings: Vec<Warning>,
    /// The file has no header: the names of its columns count them.
    pub(super) headerless: bool,
    /// The frequency that the file states.
    pub(super) frequency: Option<Frequency>,
}

impl ColumnPlan {
    /// Whether points have times of the calendar, rather than a place or a number of steps.
    pub(super) fn has_times(&self) -> bool {
        self.time.is_some() && !self.counts_steps()
    }

    pub(super) fn counts_steps(&self) -> bool {
        self.time.is_some() && self.time_format == TimeFormat::Steps
    }
}

#[derive(Debug)]
pub(super) struct PlannedColumn {
    /// Its place in the file.
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) kind: ColumnKind,
}

pub(super) fn warning(code: &str, detail: impl Into<String>) -> Warning {
    Warning { code: code.to_owned(), detail: detail.into() }
}
