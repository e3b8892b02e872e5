//! JSON bodies, read so that every mistake is named by its place.
//!
//! Two passes: the first holds the text to the grammar, to a depth and to keys that stand once
//! (serde would let the last of two win); the second reads the type and says at which pointer a
//! field is unknown, missing or of another kind. Then the type's own rules are checked.

mod orders;
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
use gatecast_core::order::JobSpec;
use gatecast_core::resolve::FieldError;

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

/// Reads `kind` first and then the rest as that kind's order: read as one tagged type, mistakes
/// within would lose their place.
impl JsonBody for JobSpec {
    fn limit(limits: &Limits) -> ByteSize {
        limits.json
    }

    fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut whole: Value = typed(&mut serde_json::Deserializer::from_slice(body))?;
        let Some(fields) = whole.as_object_mut() else {
            return Err(field("", "expected an object such as {\"kind\": \"train\", \"dataset\": \"…\"}"));
        };
        match fields.remove("kind") {
            Some(Value::String(kind)) => orders::read(&kind, whole),
            Some(_) => Err(field("/kind", format!("expected a text: {}", orders::KINDS))),
            None => Err(field("/kind", format!("the field is missing: expected {}", orders::KINDS))),
        }
    }
}

/// Objects of an order; serde would take a list for one, its items for the fields in their order.
const OBJECTS: [&str; 8] = [
    "/data",
    "/data/covariates",
    "/data/split",
    "/model",
    "/training",
    "/training/optimizer",
    "/training/schedule",
    "/training/early_stopping",
];

/// Checks the body of `POST /v1/jobs` by itself, as the server does before it looks at the dataset. The
/// error is the problem document of the response.
pub fn check_job(body: &[u8]) -> Result<(), Value> {
    let invalid = |detail| Problem::new(Code::InvalidJson, detail);
    let read = shape::check(body).map_err(invalid).and_then(|()| <JobSpec as JsonBody>::read(body));
    read.map(drop).map_err(|problem| serde_json::to_value(problem).unwrap_or_default())
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

fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Problem {
    Problem::invalid_fields(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
}

fn typed<'de, T: DeserializeOwned, D: serde::Deserializer<'de>>(from: D) -> Result<T, Problem>
where
    D::Error: std::fmt::Display,
{
    fields(from).map_err(|fault| Problem::invalid_fields(vec![fault]))
}

/// Reads a type, or says which field of it cannot be taken.
pub(super) fn fields<'de, T: DeserializeOwned, D: serde::Deserializer<'de>>(from: D) -> Result<T, FieldError>
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
    checked(value).map_err(Problem::invalid_fields)
}

/// The value, if it keeps its type's own rules.
fn checked<T: Validate<Context = ()>>(value: T) -> Result<T, Vec<FieldError>> {
    let Err(report) = value.validate() else { return Ok(value) };
    let errors = report
        .iter()
        .map(|(path, error)| FieldError { pointer: pointer(&path.to_string()), detail: words::rule(error.message()) });
    Err(errors.collect())
}

/// Places that hold one of several types: which one is no part of the body's path.
const VARIANTS: [&str; 5] =
    ["/split/training", "/split/validation", "/split/test", "/training/clip", "/optimizer/learning_rate"];

/// `data.split.validation[0]` as a JSON pointer. A variant's number is no part of the body's path.
fn pointer(path: &str) -> String {
    let mut pointer = String::new();
    for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
        push_key(&mut pointer, part.trim_end_matches(']'));
    }
    let is_variant = |place: &str| VARIANTS.iter().any(|variant| place.ends_with(variant));
    match pointer.strip_suffix("/0").filter(|place| is_variant(place)) {
        Some(place) => place.to_owned(),
        None => pointer,
    }
}

fn push_key(pointer: &mut String, key: &str) {
    pointer.push_str(&escaped(key));
}

fn escaped(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests;
