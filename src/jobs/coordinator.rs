//! Advances jobs that run other jobs. Such a job takes no worker: a transition is a short transaction, made
//! whenever a job ends on this server, and at every poll to catch jobs that ended on other servers.
//!
//! Several servers on one database all run a coordinator. A transition is made under a lock on the parent's
//! row and is idempotent.
//!
//! A poll reads a few numbers per parent in one query. The parent's spec and its children are read only if
//! those numbers have changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pool::Shared;
use gatecast_core::composite_job;
use gatecast_core::ids::JobId;
use gatecast_store::{OpenComposite, StoreError};

/// The pause after the database failed.
const AFTER_ERROR: Duration = Duration::from_secs(3);
/// How often children are read when only their progress has changed.
const PROGRESS: Duration = Duration::from_secs(5);

pub(super) async fn run(shared: Arc<Shared>) {
    let mut seen = HashMap::new();
    loop {
        // Registered before the poll, so that a notification between the poll and the wait is not missed.
        let mut notice = std::pin::pin!(shared.store.ends().notified());
        notice.as_mut().enable();
        let pause = match look(&shared, &mut seen).await {
            Ok(()) => shared.config.poll,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "jobs that run others are not advanced");
                AFTER_ERROR
            }
        };
        tokio::select! {
            () = notice => {}
            () = tokio::time::sleep(pause) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// A parent's state at its last transition.
#[derive(Debug, Clone, Copy)]
struct Seen {
    state: OpenComposite,
    at: Instant,
    deadline: Option<jiff::Timestamp>,
}

impl Seen {
    /// Whether the parent may have a new transition to make.
    fn is_outdated(&self, state: &OpenComposite, now: Instant, time: jiff::Timestamp) -> bool {
        let progress_aside = OpenComposite { progress: self.state.progress, ..*state };
        progress_aside != self.state
            || self.deadline.is_some_and(|deadline| deadline <= time)
            || (state.progress != self.state.progress && now.duration_since(self.at) >= PROGRESS)
    }
}

/// Makes the next transition of every parent. A failed transition does not delay the others.
async fn look(shared: &Shared, seen: &mut HashMap<JobId, Seen>) -> Result<(), StoreError> {
    let open = shared.store.open_composites().await?;
    seen.retain(|id, _| open.iter().any(|state| state.id == *id));
    let mut failed = None;
    for state in open {
        if shared.stop.is_cancelled() {
            break;
        }
        let at = Instant::now();
        if seen.get(&state.id).is_some_and(|seen| !seen.is_outdated(&state, at, jiff::Timestamp::now())) {
            continue;
        }
        match shared.store.advance(state.id, composite_job::next).await {
            Ok(advance) => {
                seen.insert(state.id, Seen { state, at, deadline: advance.deadline });
            }
            Err(error) => {
                let cause = &error as &dyn std::error::Error;
                tracing::warn!(job = %state.id, error = cause, "a job that runs others was not advanced");
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::job::JobStatus;

    #[test]
    fn children_are_read_only_where_something_has_changed() {
        let state = OpenComposite {
            id: JobId::new(),
            status: JobStatus::Running,
            cancel_requested: false,
            children: 3,
            begun: 2,
            ended: 1,
            progress: 1.25,
        };
        let (at, time) = (Instant::now(), jiff::Timestamp::UNIX_EPOCH);
        let later = time + jiff::SignedDuration::from_secs(60);
        let seen = Seen { state, at, deadline: Some(later) };
        assert!(!seen.is_outdated(&state, at + 100 * PROGRESS, time));
        for changed in [
            OpenComposite { ended: 2, ..state },
            OpenComposite { begun: 3, ..state },
            OpenComposite { children: 4, ..state },
            OpenComposite { cancel_requested: true, ..state },
            OpenComposite { status: JobStatus::Queued, ..state },
        ] {
            assert!(seen.is_outdated(&changed, at, time), "{changed:?}");
        }
        assert!(seen.is_outdated(&state, at, later), "the time is over");
        let further = OpenComposite { progress: 1.5, ..state };
        assert!(!seen.is_outdated(&further, at, time), "progress can wait");
        assert!(seen.is_outdated(&further, at + PROGRESS, time));
    }
}
