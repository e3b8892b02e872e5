//! `GET /v1/jobs/{id}/events`: a job's past and future events, as server-sent events.
//!
//! The store is the only source: a change notification only wakes the stream, which then reads all events
//! after the last one it sent. So no event is lost or duplicated, even across reconnects (`Last-Event-ID`)
//! and restarts. The stream subscribes before the first read, and also polls for changes made by other
//! servers. It ends after the event that reports the job's end, at shutdown, and when the job is deleted.

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use tokio::sync::broadcast::{self, error::RecvError};
use utoipa::IntoParams;

use super::find;
use crate::http::AppState;
use crate::http::extract::{Id, Params};
use crate::http::problem::{Code, Problem};
use gatecast_core::ids::JobId;
use gatecast_core::job::JobEvent;
use gatecast_store::StoreError;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The number of events read from the store at a time.
const BATCH: u32 = 256;
/// The poll interval, for changes made by other servers.
const POLL: Duration = Duration::from_secs(2);
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Where to start in the events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct EventParams {
    /// Return only events with a higher sequence number. The header `Last-Event-ID` takes precedence.
    #[param(minimum = 0, maximum = 9223372036854775807i64)]
    after: Option<i64>,
}

/// Stream the job's events as server-sent events, from the first event until the job has ended. Each has its
/// sequence number as `id`, its kind as `event` (`status`, `started`, `epoch`, `warning`, `info`) and a
/// `JobEvent` as `data`.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "jobs", params(("id" = JobId, Path), EventParams,
        ("last-event-id" = Option<i64>, Header, minimum = 0, description = "The last event seen. It takes precedence over `after`")),
    responses((status = 200, description = "Events", body = String, content_type = "text/event-stream")))]
pub(in crate::http) async fn events(
    State(app): State<AppState>,
    Id(id): Id<JobId>,
    Params(params): Params<EventParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = match headers.get(LAST_EVENT_ID) {
        Some(last) => {
            let last = last.to_str().ok().and_then(|last| last.parse::<i64>().ok()).filter(|last| *last >= 0);
            last.ok_or_else(|| Problem::new(Code::InvalidQuery, "header `Last-Event-ID`: expected a sequence number"))?
        }
        None => params.after.unwrap_or(0),
    };
    let changes = app.store.changes();
    find(&app, id).await?;
    let follow = Follow { app, id, after, changes, read: VecDeque::new(), ended: false };
    let events = Sse::new(stream::unfold(follow, Follow::next))
        .keep_alive(KeepAlive::new().interval(HEARTBEAT).text("still here"));
    Ok(([("x-accel-buffering", "no")], events).into_response())
}

/// One client's position in one job's events.
struct Follow {
    app: AppState,
    id: JobId,
    /// The last event sent.
    after: i64,
    changes: broadcast::Receiver<JobId>,
    /// Events read but not yet sent.
    read: VecDeque<JobEvent>,
    ended: bool,
}

impl Follow {
    /// Returns the next event; `None` ends the stream. The stream also ends on a store error: the client's
    /// next connection continues from the last event.
    async fn next(mut self) -> Option<(Result<Event, axum::Error>, Self)> {
        while self.read.is_empty() {
            if self.ended {
                return None;
            }
            match self.refill().await {
                Ok(()) if self.read.is_empty() && !self.ended => self.woken().await?,
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, "an event stream ended early");
                    return None;
                }
            }
        }
        let event = self.read.pop_front()?;
        self.after = event.sequence;
        let sent = Event::default().id(event.sequence.to_string()).event(event.kind.name()).json_data(&event);
        Some((sent, self))
    }

    /// Reads new events. The job is read first: if it has ended, the event of its end is among the events
    /// read afterwards.
    async fn refill(&mut self) -> Result<(), StoreError> {
        let job = self.app.store.job(self.id).await?;
        let events = self.app.store.events(self.id, self.after, BATCH).await?;
        let over = job.is_none_or(|job| job.status.is_final());
        self.ended = over && events.len() < BATCH as usize;
        self.read.extend(events);
        Ok(())
    }

    /// Waits until there may be new events; returns `None` at shutdown.
    async fn woken(&mut self) -> Option<()> {
        let poll = tokio::time::sleep(POLL);
        tokio::pin!(poll);
        loop {
            tokio::select! {
                () = self.app.stopping.cancelled() => return None,
                () = &mut poll => return Some(()),
                changed = self.changes.recv() => match changed {
                    Ok(job) if job != self.id => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return Some(()),
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }
}
