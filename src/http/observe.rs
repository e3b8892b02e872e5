//! Middleware around every request: request id, log line, panics, and problem bodies.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;
use uuid::Uuid;

use super::problem::{CONTENT_TYPE, Code, Problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The policy of responses that do not set one: a browser loads nothing, and no page may frame the response.
const NO_CONTENT: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");

/// The outermost layer: every response passes through it.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map_or("-".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", id);
    async move {
        let line = Line { method, path, start: Instant::now(), status: None };
        let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        let response = answered.unwrap_or_else(|_| Problem::unexplained().into_response());
        let response = finish(response, &id);
        line.answered(response.status());
        response
    }
    .instrument(span)
    .await
}

/// The request's log line, written even if the client disconnects before the response.
struct Line {
    method: Method,
    path: String,
    start: Instant,
    status: Option<StatusCode>,
}

impl Line {
    fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Self { method, path, start, status } = self;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        match status {
            Some(status) => tracing::info!(%method, path, status = status.as_u16(), ms, "answered"),
            None => tracing::info!(%method, path, ms, "the client left"),
        }
    }
}

/// The client's request id, if it is short and safe to log, otherwise a new one.
fn request_id(headers: &HeaderMap) -> String {
    let sane = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(sane);
    given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Sets a problem as the body of every error, including the router's own errors.
fn finish(mut response: Response, id: &str) -> Response {
    let problem = response.extensions_mut().remove::<Problem>().or_else(|| from_router(&response));
    if let Some(problem) = problem {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = problem.render(id);
        response.headers_mut().extend(allow.map(|allow| (header::ALLOW, allow)));
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(NO_CONTENT);
    response
}

fn from_router(response: &Response) -> Option<Problem> {
    let status = response.status();
    let told = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == CONTENT_TYPE);
    if told || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => (Code::NotFound, "nothing has this address; /docs lists those there are"),
        StatusCode::METHOD_NOT_ALLOWED => {
            (Code::MethodNotAllowed, "this address does not support the method; see `Allow`")
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            (Code::Timeout, "the request took longer than the request time and was abandoned")
        }
        StatusCode::BAD_REQUEST => (Code::BadRequest, "the address cannot be read"),
        _ => return Some(Problem::unexplained()),
    };
    Some(Problem::new(code, detail))
}
