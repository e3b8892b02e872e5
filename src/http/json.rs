//! JSON request bodies.
//!
//! A body is first checked against the schema that the OpenAPI document shows for it, which reports every
//! error at once, and then deserialized. Deserialization is not expected to fail.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use utoipa::ToSchema;

use super::aliases::AliasTarget;
use super::body::Chunks;
use super::problem::{Code, Problem};
use super::{AppState, tasks};
use crate::config::{ByteSize, Limits};
use gatecast_core::forecast::ForecastRequest;
use gatecast_core::kinds::JobRequest;
use gatecast_core::resolve::FieldError;
use gatecast_core::validate::{self, Invalid, Validator};

/// Longer bodies are parsed on blocking threads, with limited concurrency.
const SHORT: usize = 64 << 10;

/// A body that is valid by itself, without looking up what it names.
pub(super) struct ValidJson<T>(pub T);

/// The type of a JSON body.
pub(super) trait JsonBody: ToSchema + Send + Sized + 'static {
    /// The maximum size of the body.
    fn limit(limits: &Limits) -> ByteSize;

    /// Deserializes a body that matches the schema.
    fn read(body: &[u8]) -> Result<Self, Vec<FieldError>>;
}

impl<T: JsonBody> FromRequest<AppState> for ValidJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        expect_json(&parts.headers)?;
        let body = Chunks::new(&parts.headers, body, T::limit(&app.settings.limits))?.collect().await?;
        if body.len() <= SHORT {
            return read(&body).map(Self);
        }
        // The permit is held until the work ends, even if the client disconnects.
        let permit = app.readers.clone().acquire_owned().await.map_err(|closed| Problem::internal(&closed))?;
        tasks::blocking(app, move || {
            let read = read(&body).map(Self);
            drop(permit);
            read
        })
        .await?
    }
}

fn read<T: JsonBody>(body: &[u8]) -> Result<T, Problem> {
    Validator::of::<T>().check(body).map_err(|invalid| match invalid {
        Invalid::Syntax(detail) => Problem::new(Code::InvalidJson, detail),
        Invalid::Fields(errors) => Problem::invalid_fields(errors),
    })?;
    T::read(body).map_err(Problem::invalid_fields)
}

impl JsonBody for AliasTarget {
    fn limit(limits: &Limits) -> ByteSize {
        limits.json
    }

    fn read(body: &[u8]) -> Result<Self, Vec<FieldError>> {
        validate::parse(body)
    }
}

impl JsonBody for ForecastRequest {
    fn limit(limits: &Limits) -> ByteSize {
        limits.forecast
    }

    fn read(body: &[u8]) -> Result<Self, Vec<FieldError>> {
        validate::parse(body)
    }
}

impl JsonBody for JobRequest {
    fn limit(limits: &Limits) -> ByteSize {
        limits.json
    }

    fn read(body: &[u8]) -> Result<Self, Vec<FieldError>> {
        Self::read(validate::parse(body)?)
    }
}

/// Checks the body of `POST /v1/jobs` by itself, as the server does before it looks up the dataset. The error
/// is the problem document of the response.
pub fn check_job(body: &[u8]) -> Result<(), serde_json::Value> {
    let read = read::<JobRequest>(body);
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
        (false, _) => Err(unsupported("expected JSON: send `Content-Type: application/json`")),
        (true, true) => Err(unsupported("expected JSON without a `Content-Encoding`")),
    }
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(Code::UnsupportedMediaType, detail)
}

#[cfg(test)]
mod tests;
