//! Advances jobs that run others. It takes no worker: a transition is a short transaction, made
//! whenever a job ends here and at every poll, for ends that other servers brought about.
//!
//! Several servers on one database all coordinate: a transition is made under the lock of the
//! parent's row, and made a second time it changes nothing.
//!
//! A poll reads a few numbers of each parent, in one query. The parent's order and its children are
//! read only where those numbers have changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pool::Shared;
use gatecast_core::composite_job;
use gatecast_core::ids::JobId;
use gatecast_store::{OpenComposite, StoreError};

/// The pause after the database failed.
const AFTER_ERROR: Duration = Duration::from_secs(3);
/// How often children are read whose progress alone has changed.
const PROGRESS: Duration = Duration::from_secs(5);

pub(super) async fn run(shared: Arc<Shared>) {
    let mut seen = HashMap::new();
    loop {
        // Registered before the look, so that an end which comes between the two is not missed.
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

/// A parent as it was when it was last asked for its next transition.
#[derive(Debug, Clone, Copy)]
struct Seen {
    state: OpenComposite,
    at: Instant,
    deadline: Option<jiff::Timestamp>,
}

impl Seen {
    /// Whether the parent may have something to do that it did not have then.
    fn is_outdated(&self, state: &OpenComposite, now: Instant, time: jiff::Timestamp) -> bool {
        let progress_aside = OpenComposite { progress: self.state.progress, ..*state };
        progress_aside != self.state
            || self.deadline.is_some_and(|deadline| deadline <= time)
            || (state.progress != self.state.progress && now.duration_since(self.at) >= PROGRESS)
    }
}

/// Makes every parent's next transition. One that fails does not hold the others up.
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
