//! Sees to jobs that run others. It holds no worker's place: its steps are short transactions, taken
//! whenever a job ends here and at every poll, for ends that other servers brought about.
//!
//! Several servers on one database all coordinate: a step is taken under the lock of the parent's
//! row, and says nothing new to whoever comes second.

use std::sync::Arc;
use std::time::Duration;

use super::pool::Shared;
use gatecast_core::composite_job;

/// The pause after the database failed.
const AFTER_ERROR: Duration = Duration::from_secs(3);

pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        // Registered before the look, so that an end which comes between the two is not slept over.
        let mut notice = std::pin::pin!(shared.store.ends().notified());
        notice.as_mut().enable();
        let pause = match look(&shared).await {
            Ok(()) => shared.config.poll,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "jobs that run others are not seen to");
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

/// Takes every parent's next step. One that cannot be taken does not hold the others up.
async fn look(shared: &Shared) -> Result<(), gatecast_store::StoreError> {
    let mut failed = None;
    for parent in shared.store.open_parents().await? {
        if shared.stop.is_cancelled() {
            break;
        }
        if let Err(error) = shared.store.advance(parent, composite_job::next).await {
            tracing::warn!(job = %parent, error = &error as &dyn std::error::Error, "a step was not taken");
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}
