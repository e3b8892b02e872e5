//! Keeps a lease: sends heartbeats, and retries writes during a short outage of the database.
//!
//! The worker measures its lease from before each renewal was sent, on a monotonic clock. So it stops no
//! later than the moment another worker may claim the job, even if it cannot reach the database.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use gatecast_store::queue::{HeartbeatResponse, Lease, LeasePolicy, WriteOutcome};
use gatecast_store::{Store, StoreError};

/// The timeout of one statement, after which it is retried.
const STATEMENT_WAIT: Duration = Duration::from_secs(10);
const BEFORE_RETRY: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct LeaseKeeper<'a> {
    store: &'a Store,
    pub(super) lease: Lease,
    terms: LeasePolicy,
    held_until: Instant,
}

impl<'a> LeaseKeeper<'a> {
    /// `lease` must have been acquired just now.
    pub(super) fn new(store: &'a Store, lease: Lease, terms: LeasePolicy) -> Self {
        Self { store, lease, terms, held_until: Instant::now() + terms.lease }
    }

    /// Renews the lease and writes the progress. If the database does not answer, the lease remains valid
    /// until it expires.
    pub(super) async fn beat(&mut self, progress: f64, eta_seconds: Option<f64>) -> HeartbeatResponse {
        let asked = Instant::now();
        let beat = self.store.heartbeat(self.lease, &self.terms, progress, eta_seconds);
        match timeout(STATEMENT_WAIT.min(self.terms.lease / 2), beat).await {
            Ok(Ok(beat)) => {
                self.held_until = asked + self.terms.lease;
                return beat;
            }
            Ok(Err(error)) => self.report(&error),
            Err(_) => tracing::warn!(job = %self.lease.job, "the database did not answer a heartbeat in time"),
        }
        if Instant::now() < self.held_until { HeartbeatResponse::Continue } else { HeartbeatResponse::Lost }
    }

    /// Writes, and retries while the lease is valid. Retrying a write whose result is unknown is safe: all
    /// writes are fenced and idempotent.
    pub(super) async fn write<F>(&self, mut write: impl FnMut(Store, Lease) -> F) -> WriteOutcome
    where
        F: Future<Output = Result<WriteOutcome, StoreError>>,
    {
        loop {
            match timeout(STATEMENT_WAIT, write(self.store.clone(), self.lease)).await {
                Ok(Ok(fenced)) => return fenced,
                Ok(Err(error)) => self.report(&error),
                Err(_) => tracing::warn!(job = %self.lease.job, "the database did not answer a write in time"),
            }
            if Instant::now() + BEFORE_RETRY >= self.held_until {
                return WriteOutcome::Lost;
            }
            tokio::time::sleep(BEFORE_RETRY).await;
        }
    }

    fn report(&self, error: &StoreError) {
        tracing::warn!(job = %self.lease.job, error = error as &dyn std::error::Error, "the store failed a worker");
    }
}
