//! A dataset in memory, as training reads it.

/// Some columns of a dataset, all series one after another.
///
/// Row `i` of every column and of `times` belongs to the same point; a series is a run of rows in
/// time order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    pub series: Vec<FrameSeries>,
    /// Microseconds since 1970 UTC; absent for data without times.
    pub times: Option<Vec<i64>>,
    pub columns: Vec<FrameColumn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameSeries {
    pub key: String,
    pub rows: std::ops::Range<usize>,
}

/// A number column; NaN where a point has no value.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameColumn {
    pub name: String,
    pub values: Vec<f64>,
}
