//! Downloads of stored files, and entity tags.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::AppState;
use super::problem::{Code, Problem};
use gatecast_blobs::{BlobError, Key};

/// A file up to this size is checked before the response starts; a longer file is checked before the response ends.
const CHECKED_FIRST: u64 = 8 << 20;

/// A stored file to send.
pub(super) struct Download {
    pub key: Key,
    pub content_type: &'static str,
    /// Chosen by the server, because it becomes part of a header.
    pub file_name: String,
    pub sha256: String,
    /// A description of the file, and the problem code if its hash differs.
    pub damaged: (&'static str, Code),
}

/// Sends the file, or 304 if the client has it already.
///
/// The bytes are hashed while they are sent. If the hash differs, a long response is aborted before its
/// announced length, so that no client accepts a damaged file as complete.
pub(super) async fn send(app: &AppState, file: Download, request: &HeaderMap) -> Result<Response, Problem> {
    let tag = format!("\"{}\"", file.sha256);
    if is_known(request, &tag) {
        return Ok(not_modified(&tag));
    }
    let (length, bytes) = app.blobs.stream(&file.key).await?;
    let checked = checked(bytes, file.sha256);
    let body = if length <= CHECKED_FIRST {
        let pieces: Result<Vec<Bytes>, DownloadError> = checked.try_collect().await;
        match pieces {
            Ok(pieces) => Body::from(pieces.concat()),
            Err(DownloadError::Blob(error)) => return Err(error.into()),
            Err(error @ DownloadError::Hash) => {
                let (what, code) = file.damaged;
                return Err(Problem::damaged(code, what, &error));
            }
        }
    } else {
        let (what, code) = file.damaged;
        Body::from_stream(checked.inspect_err(move |error| {
            tracing::error!(code = code.name(), %error, "{what} is damaged: its download was broken off");
        }))
    };
    let disposition = format!("attachment; filename=\"{}\"", file.file_name);
    let headers = [
        (header::CONTENT_TYPE, file.content_type.to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::ETAG, tag),
    ];
    Ok((headers, body).into_response())
}

#[derive(Debug, thiserror::Error)]
enum DownloadError {
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("the hash of the file differs")]
    Hash,
}

/// The same bytes; the last chunk is only yielded if the hash is correct.
fn checked(
    bytes: impl Stream<Item = Result<Bytes, BlobError>> + Send + Unpin + 'static,
    sha256: String,
) -> impl Stream<Item = Result<Bytes, DownloadError>> + Send + Unpin + 'static {
    let state = (bytes, Sha256::new(), None, sha256);
    let next = |(mut bytes, mut hash, held, sha256): (_, Sha256, Option<Bytes>, String)| async move {
        let mut held = held;
        loop {
            let piece: Option<Bytes> = StreamExt::next(&mut bytes).await.transpose()?;
            let Some(piece) = piece else {
                // The last chunk has already been yielded, so the stream ends.
                let Some(last) = held.take() else { return Ok(None) };
                let found = hash.finalize_reset();
                if gatecast_files::hex(&found) != sha256 {
                    return Err(DownloadError::Hash);
                }
                return Ok(Some((last, (bytes, hash, None, sha256))));
            };
            hash.update(&piece);
            if let Some(before) = held.replace(piece) {
                return Ok(Some((before, (bytes, hash, held, sha256))));
            }
        }
    };
    Box::pin(stream::try_unfold(state, next))
}

/// Whether `If-None-Match` contains this tag.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The chunks that a client receives of "abc", and whether they end with an error.
    async fn pieces(sha256: &str) -> (Vec<Bytes>, bool) {
        let bytes = stream::iter(["a", "b", "c"].map(|piece| Ok(Bytes::from_static(piece.as_bytes()))));
        let (mut seen, mut checked) = (Vec::new(), checked(bytes, sha256.to_owned()));
        while let Some(piece) = checked.next().await {
            match piece {
                Ok(piece) => seen.push(piece),
                Err(_) => return (seen, true),
            }
        }
        (seen, false)
    }

    #[tokio::test]
    async fn the_last_piece_waits_for_the_hash() {
        let right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(pieces(right).await, (vec!["a".into(), "b".into(), "c".into()], false));
        assert_eq!(pieces(&right.replace('b', "0")).await, (vec!["a".into(), "b".into()], true));
    }
}
