//! Stored files, sent in pieces; and entity tags.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::problem::Problem;
use gatecast_blobs::Key;

/// A stored file on its way out.
pub(super) struct Download {
    pub key: Key,
    pub content_type: &'static str,
    /// Of our making: it becomes part of a header.
    pub file_name: String,
    pub sha256: String,
}

/// The file, or 304 where the client has it already.
pub(super) async fn send(app: &AppState, file: Download, request: &HeaderMap) -> Result<Response, Problem> {
    let tag = format!("\"{}\"", file.sha256);
    if is_known(request, &tag) {
        return Ok(not_modified(&tag));
    }
    let (length, bytes) = app.blobs.stream(&file.key).await?;
    let disposition = format!("attachment; filename=\"{}\"", file.file_name);
    let headers = [
        (header::CONTENT_TYPE, file.content_type.to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::ETAG, tag),
    ];
    Ok((headers, Body::from_stream(bytes)).into_response())
}

/// `If-None-Match` names this tag.
pub(super) fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let lists = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    let mut known = lists.flat_map(|list| list.split(',')).map(|known| known.trim());
    known.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

pub(super) fn not_modified(tag: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
