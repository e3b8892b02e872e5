//! Error responses: `application/problem+json` (RFC 9457).

mod code;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gatecast_core::resolve::FieldError;
use gatecast_core::validate::fold;
use serde::Serialize;
use utoipa::ToSchema;

pub(in crate::http) use code::Code;

pub(super) const CONTENT_TYPE: &str = "application/problem+json";

/// An error, for programs (`code`) and for people (`detail`).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: status and code identify the problem.
    #[schema(example = "about:blank")]
    r#type: &'static str,
    /// The reason phrase of the status.
    title: &'static str,
    #[serde(serialize_with = "as_number")]
    #[schema(value_type = u16)]
    status: StatusCode,
    /// An error code for programs. Codes are stable.
    #[schema(example = "not_found")]
    code: &'static str,
    /// What is wrong and what to do, for people.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// The request id. The server's log has more details under this id.
    #[schema(value_type = String)]
    request_id: Box<str>,
    /// The invalid fields of the body.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<FieldProblem>)]
    errors: Box<[FieldProblem]>,
    /// The first invalid rows of an upload.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<RowProblem>)]
    rows: Box<[RowProblem]>,
    /// The value of the header `Retry-After`, in seconds.
    #[serde(skip)]
    retry_after: Option<u16>,
}

/// An invalid field.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct FieldProblem {
    /// A JSON pointer into the body (RFC 6901).
    #[schema(example = "/model/layers/0")]
    pub pointer: String,
    pub detail: String,
}

/// An invalid row.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct RowProblem {
    /// The line of CSV and NDJSON (a CSV header is line 1), the row of JSON and Parquet. Starts at 1.
    pub line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    #[schema(example = "not_a_number")]
    pub code: &'static str,
    pub detail: String,
}

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        let status = code.status();
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status,
            code: code.name(),
            detail: detail.into().into_boxed_str(),
            request_id: Box::default(),
            errors: Box::default(),
            rows: Box::default(),
            retry_after: None,
        }
    }

    /// A body with invalid fields. Equal errors in one list are merged.
    pub(super) fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let field = |FieldError { pointer, detail }| FieldProblem { pointer, detail };
        let errors: Vec<FieldProblem> = fold(errors).into_iter().map(field).collect();
        let detail = match errors.as_slice() {
            [only] if only.pointer.is_empty() => only.detail.clone(),
            [only] => format!("{}: {}", only.pointer, only.detail),
            several => format!("{} fields are invalid; see `errors`", several.len()),
        };
        Self { errors: errors.into(), ..Self::new(Code::InvalidBody, detail) }
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Code::NotFound, detail)
    }

    pub(super) fn cut_off() -> Self {
        Self::new(Code::BodyCutOff, "the body ended before its announced length")
    }

    /// An internal error. The cause is only logged; the client gets its request id.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut causes = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            causes = format!("{causes}: {cause}");
            next = cause.source();
        }
        tracing::error!(error = causes, "request failed");
        Self::unexplained()
    }

    /// An internal error that is already logged.
    pub(super) fn unexplained() -> Self {
        Self::new(Code::Internal, "internal error; see the server log for this request id")
    }

    pub(super) fn with_rows(mut self, rows: Vec<RowProblem>) -> Self {
        self.rows = rows.into();
        self
    }

    /// Sets the header `Retry-After`.
    pub(super) fn retry_after(mut self, seconds: u16) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// A stored file is damaged and has to be repaired by hand. The log has the details.
    pub(super) fn damaged(code: Code, what: &str, error: &dyn std::fmt::Display) -> Self {
        tracing::error!(code = code.name(), %error, "{what} is damaged");
        Self::new(code, format!("{what} is damaged on the server's disk: restore it from a backup, or make it anew"))
    }

    /// The response, once the request id is known.
    pub(super) fn render(mut self, request_id: &str) -> Response {
        self.request_id = request_id.into();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Leaves the body to `observe`, which has the request id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

fn as_number<S: serde::Serializer>(status: &StatusCode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u16(status.as_u16())
}
