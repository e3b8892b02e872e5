//! Writes the values of a series as JSON, in chunks, while the client reads.
//!
//! A response of millions of values is never in memory as a whole, and no JSON value is allocated per number.

use std::convert::Infallible;
use std::fmt::Write;
use std::ops::Range;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use gatecast_core::dataset::{ColumnKind, SeriesSummary};
use gatecast_data::{ReadError, SeriesColumn, SeriesValues};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::problem::Problem;

/// The number of values per chunk.
const PIECE: usize = 8_192;

/// The points of one series.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the answer for the OpenAPI document; it is written as `Part`s")]
pub(in crate::http) struct Values {
    series: SeriesSummary,
    /// The position of each point within the series, from 0.
    positions: Vec<u64>,
    /// Omitted if the data has no times.
    #[schema(required = false, nullable = false)]
    timestamps: Option<Vec<Timestamp>>,
    columns: Vec<ValueColumn>,
}

/// One column's values: one per position, null if the value is missing.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the answer for the OpenAPI document")]
pub(in crate::http) struct ValueColumn {
    name: String,
    kind: ColumnKind,
    values: Vec<Option<CellValue>>,
}

/// A number in a numeric column, a string in a category column.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the answer for the OpenAPI document")]
pub(in crate::http) enum CellValue {
    Number(f64),
    Text(String),
}

/// One chunk of the body.
enum Part {
    Text(String),
    Positions(Range<usize>),
    Times(Range<usize>),
    /// The values of the column with this index.
    Column(usize, Range<usize>),
}

pub(super) fn response(values: SeriesValues) -> Result<Response, Problem> {
    if let Some(&time) = values.times.iter().flatten().find(|&&time| Timestamp::from_microsecond(time).is_err()) {
        return Err(ReadError::Corrupt(format!("it holds an impossible time, {time}")).into());
    }
    let pieces = parts(&values).into_iter().map(move |part| Ok::<_, Infallible>(Bytes::from(part.render(&values))));
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(stream::iter(pieces))).into_response())
}

fn parts(values: &SeriesValues) -> Vec<Part> {
    let ranges = |length: usize| (0..length).step_by(PIECE).map(move |start| start..(start + PIECE).min(length));
    let mut parts = vec![Part::Text(format!("{{\"series\":{},\"positions\":[", json(&values.series.summary)))];
    parts.extend(ranges(values.positions.len()).map(Part::Positions));
    if let Some(times) = &values.times {
        parts.push(Part::Text("],\"timestamps\":[".to_owned()));
        parts.extend(ranges(times.len()).map(Part::Times));
    }
    parts.push(Part::Text("],\"columns\":[".to_owned()));
    for (at, column) in values.columns.iter().enumerate() {
        let (name, kind) = match column {
            SeriesColumn::Numbers { name, .. } => (name, ColumnKind::Number),
            SeriesColumn::Categories { name, .. } => (name, ColumnKind::Category),
        };
        let comma = if at > 0 { "," } else { "" };
        let start = format!("{comma}{{\"name\":{},\"kind\":{},\"values\":[", json(name), json(&kind));
        parts.push(Part::Text(start));
        parts.extend(ranges(column.len()).map(|range| Part::Column(at, range)));
        parts.push(Part::Text("]}".to_owned()));
    }
    parts.push(Part::Text("]}".to_owned()));
    parts
}

impl Part {
    fn render(self, values: &SeriesValues) -> String {
        match self {
            Self::Text(text) => text,
            Self::Positions(range) => list(&values.positions, range, json),
            Self::Times(range) => list(values.times.as_deref().unwrap_or_default(), range, |&time| {
                json(&Timestamp::from_microsecond(time).ok())
            }),
            Self::Column(at, range) => match values.columns.get(at) {
                // serde_json writes NaN, a missing value, as null.
                Some(SeriesColumn::Numbers { values, .. }) => list(values, range, json),
                Some(SeriesColumn::Categories { values, .. }) => list(values, range, json),
                None => String::new(),
            },
        }
    }
}

/// Renders a range of a list's items, each preceded by a comma except the list's first.
fn list<T>(items: &[T], range: Range<usize>, render: impl Fn(&T) -> String) -> String {
    let mut text = String::new();
    let start = range.start;
    for (at, item) in items.get(range).unwrap_or_default().iter().enumerate() {
        let comma = if start + at > 0 { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{}", render(item));
    }
    text
}

fn json<T: Serialize>(value: &T) -> String {
    // Strings and numbers always serialize.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
