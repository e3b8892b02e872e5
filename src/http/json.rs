//! JSON bodies, read so that every mistake is named by its place.
//!
//! Two passes: the first holds the text to the grammar, to a depth and to keys that stand once
//! (serde would let the last of two win); the second reads the type and says at which pointer a
//! field is unknown, missing or of another kind. Then the type's own rules are checked.

mod shape;
mod words;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use garde::Validate;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::AppState;
use super::aliases::AliasTarget;
use super::body::Chunks;
use super::problem::{Code, Problem};
use crate::config::{ByteSize, Limits};
use gatecast_core::forecast::ForecastRequest;
use gatecast_core::kinds::JobRequest;
use gatecast_core::resolve::{FieldError, fields};

pub(super) use words::plain;

/// A body that passed all checks a body can pass by itself.
pub(super) struct ValidJson<T>(pub T);

/// A type that bodies can hold.
pub(super) trait JsonBody: Sized {
    /// The longest body that is read.
    fn limit(limits: &Limits) -> ByteSize;
    /// Reads a body whose shape is sound.
    fn read(body: &[u8]) -> Result<Self, Problem>;
}

impl<T: JsonBody> FromRequest<AppState> for ValidJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        expect_json(&parts.headers)?;
        let body = Chunks::new(&parts.headers, body, T::limit(&app.settings.limits))?.collect().await?;
        shape::check(&body).map_err(|detail| Problem::new(Code::InvalidJson, detail))?;
        T::read(&body).map(Self)
    }
}

impl JsonBody for AliasTarget {
    fn limit(limits: &Limits) -> ByteSize {
        limits.json
    }

    fn read(body: &[u8]) -> Result<Self, Problem> {
        valid(typed(&mut serde_json::Deserializer::from_slice(body))?)
    }
}

impl JsonBody for ForecastRequest {
    fn limit(limits: &Limits) -> ByteSize {
        limits.forecast
    }

    fn read(body: &[u8]) -> Result<Self, Problem> {
        valid(typed(&mut serde_json::Deserializer::from_slice(body))?)
    }
}

impl JsonBody for JobRequest {
    fn limit(limits: &Limits) -> ByteSize {
        limits.json
    }

    fn read(body: &[u8]) -> Result<Self, Problem> {
        let whole: Value = typed(&mut serde_json::Deserializer::from_slice(body))?;
        Self::read(whole).map_err(Problem::invalid_fields)
    }
}

/// Checks the body of `POST /v1/jobs` by itself, as the server does before it looks at the dataset. The
/// error is the problem document of the response.
pub fn check_job(body: &[u8]) -> Result<(), Value> {
    let invalid = |detail| Problem::new(Code::InvalidJson, detail);
    let read = shape::check(body).map_err(invalid).and_then(|()| <JobRequest as JsonBody>::read(body));
    let checked = read.and_then(|request| request.check().map_err(Problem::invalid_fields));
    checked.map(drop).map_err(|problem| serde_json::to_value(problem).unwrap_or_default())
}

fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()?.parse::<mime::Mime>().ok());
    let json = kind.is_some_and(|kind| {
        kind.type_() == mime::APPLICATION && (kind.subtype() == mime::JSON || kind.suffix() == Some(mime::JSON))
    });
    let encoded = headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    match (json, encoded) {
        (true, false) => Ok(()),
        (false, _) => Err(unsupported("this address takes JSON: send `Content-Type: application/json`")),
        (true, true) => Err(unsupported("this address takes JSON without a `Content-Encoding`")),
    }
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(Code::UnsupportedMediaType, detail)
}

fn typed<'de, T: DeserializeOwned, D: serde::Deserializer<'de>>(from: D) -> Result<T, Problem>
where
    D::Error: std::fmt::Display,
{
    read_fields(from).map_err(|fault| Problem::invalid_fields(vec![fault]))
}

/// Reads a type, or says which field of it cannot be taken.
pub(super) fn read_fields<'de, T: DeserializeOwned, D: serde::Deserializer<'de>>(from: D) -> Result<T, FieldError>
where
    D::Error: std::fmt::Display,
{
    serde_path_to_error::deserialize(from).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            match segment {
                Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
                Segment::Map { key } => push_key(&mut pointer, key),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let fault = words::explain(&error.inner().to_string());
        if let Some(name) = &fault.field
            && !pointer.ends_with(&escaped(name))
        {
            push_key(&mut pointer, name);
        }
        FieldError { pointer, detail: fault.detail }
    })
}

fn valid<T: Validate<Context = ()>>(value: T) -> Result<T, Problem> {
    fields::check(value).map_err(Problem::invalid_fields)
}

fn push_key(pointer: &mut String, key: &str) {
    pointer.push_str(&escaped(key));
}

fn escaped(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests;
