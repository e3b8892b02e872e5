//! Limits on request bodies: too long, too slow, or cut off.
//!
//! [`BodyTimeout`] gives a client a time limit per 16 KiB (or for the rest of the body, if that is shorter).
//! This stops a client that sends one byte per second but not one with a slow connection. The server's own
//! slowness in reading is not counted, because the timer runs only while the server waits for data.
//!
//! A body that its handler did not read is drained for a limited time: many clients read the response only
//! after they have sent everything, and would see a connection error instead of the response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use axum::extract::multipart::MultipartError;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http_body_util::{LengthLimitError, Limited};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::AppState;
use super::problem::{Code, Problem};
use crate::config::ByteSize;

const GRANT: usize = 16 * 1024;
/// How much of an unread body is drained, and for how long.
const READ_OFF: usize = 64 << 20;
const READ_OFF_TIME: Duration = Duration::from_secs(5);

/// The client sent too little for too long.
#[derive(Debug, thiserror::Error)]
#[error("the body came too slowly")]
struct TooSlow;

struct BodyTimeout {
    inner: Body,
    ended: bool,
    app: AppState,
    allowance: Duration,
    left: Duration,
    since_grant: usize,
    /// Set while waiting for data: the start of the wait, and the timer.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl HttpBody for BodyTimeout {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            if let Some((since, _)) = self.waiting.take() {
                self.left = self.left.saturating_sub(since.elapsed());
            }
            self.ended = !matches!(frame, Some(Ok(_)));
            if let Some(Ok(frame)) = &frame {
                self.since_grant += frame.data_ref().map_or(0, Bytes::len);
                if self.since_grant >= GRANT {
                    self.since_grant = 0;
                    self.left = self.allowance;
                }
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let left = self.left;
        let (_, deadline) = self.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + left)))
        });
        ready!(deadline.as_mut().poll(cx));
        self.ended = true;
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for BodyTimeout {
    fn drop(&mut self) {
        if self.ended || self.inner.is_end_stream() {
            return;
        }
        let mut rest = std::mem::take(&mut self.inner).into_data_stream();
        let stopping = self.app.stopping.clone();
        self.app.tasks.spawn(async move {
            let read_off = async {
                let mut seen = 0;
                while let Some(Ok(piece)) = rest.next().await
                    && seen < READ_OFF
                {
                    seen += piece.len();
                }
            };
            tokio::select! {
                _ = tokio::time::timeout(READ_OFF_TIME, read_off) => {}
                () = stopping.cancelled() => {}
            }
        });
    }
}

/// Applies the timeout to every request's body.
pub(super) async fn body_timeout(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let allowance = app.settings.limits.body_time();
    let paced = |inner| {
        let app = app.clone();
        Body::new(BodyTimeout { inner, ended: false, app, allowance, left: allowance, since_grant: 0, waiting: None })
    };
    next.run(request.map(paced)).await
}

/// A body of at most `limit` bytes, chunk by chunk.
pub(super) struct Chunks {
    stream: BodyDataStream,
    limit: ByteSize,
    seen: u64,
}

impl Chunks {
    /// Rejects a body at once if its `Content-Length` exceeds the limit.
    pub(super) fn new(headers: &HeaderMap, body: Body, limit: ByteSize) -> Result<Self, Problem> {
        announced(headers, limit)?;
        Ok(Self { stream: body.into_data_stream(), limit, seen: 0 })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let Some(chunk) = self.stream.next().await else { return Ok(None) };
        let chunk = chunk.map_err(|error| broken(&error))?;
        self.seen += chunk.len() as u64;
        if self.seen > self.limit.0 { Err(too_large(self.limit)) } else { Ok(Some(chunk)) }
    }

    pub(super) async fn collect(mut self) -> Result<Bytes, Problem> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.next().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }
}

fn announced(headers: &HeaderMap, limit: ByteSize) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit.0) { Err(too_large(limit)) } else { Ok(()) }
}

fn too_large(limit: ByteSize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("the body is over the limit of {limit}"))
}

/// The request with a body that fails once it exceeds `limit`.
pub(super) fn limited(request: Request, limit: ByteSize) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    announced(&parts.headers, limit)?;
    let most = usize::try_from(limit.0).unwrap_or(usize::MAX);
    Ok(Request::from_parts(parts, Body::new(Limited::new(body, most))))
}

/// The problem for a body that ended with an error.
fn broken(error: &(dyn std::error::Error + 'static)) -> Problem {
    known(error).unwrap_or_else(Problem::cut_off)
}

/// The problem for a form that cannot be read further.
pub(super) fn broken_form(error: &MultipartError) -> Problem {
    known(error).unwrap_or_else(|| Problem::new(Code::InvalidForm, "the form is malformed, or ended before its end"))
}

fn known(error: &(dyn std::error::Error + 'static)) -> Option<Problem> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<TooSlow>() {
            let detail = "the body came too slowly; the server stopped waiting for it";
            return Some(Problem::new(Code::BodyTooSlow, detail));
        }
        if error.is::<LengthLimitError>() {
            let detail = "the body is over the limit; /v1/system says what it is";
            return Some(Problem::new(Code::BodyTooLarge, detail));
        }
        cause = error.source();
    }
    None
}
