//! Loops that must run for the lifetime of the server.
//!
//! A loop that panics or returns before shutdown is logged and restarted, with exponential backoff. While one
//! is down the server is not ready: it would accept jobs that never run.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Which loops are down.
#[derive(Debug, Default)]
pub struct LoopHealth {
    down: Mutex<BTreeSet<&'static str>>,
}

impl LoopHealth {
    /// The loops that have ended and have not run steadily since.
    pub fn down(&self) -> Vec<&'static str> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    fn set(&self, name: &'static str, is_down: bool) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if is_down {
            down.insert(name)
        } else {
            down.remove(name)
        };
    }
}

/// The restart policy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restarts {
    pub(super) first_pause: Duration,
    pub(super) longest_pause: Duration,
    /// A restarted loop is steady once it has run for this long.
    pub(super) steady: Duration,
}

impl Default for Restarts {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            steady: Duration::from_secs(5),
        }
    }
}

/// Runs the future that `make` returns, and restarts it if it ends before `stop` fires.
pub(super) async fn supervise<F>(
    name: &'static str,
    tasks: TaskTracker,
    stop: CancellationToken,
    health: &LoopHealth,
    restarts: Restarts,
    make: impl Fn() -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut pause = restarts.first_pause;
    loop {
        let began = Instant::now();
        let mut running = std::pin::pin!(tasks.spawn(make()));
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = sleep(restarts.steady) => {
                health.set(name, false);
                running.await
            }
        };
        if stop.is_cancelled() {
            return;
        }
        health.set(name, true);
        match ended {
            Ok(()) => tracing::error!(name, "a loop of the server has ended and is started again"),
            Err(error) => tracing::error!(name, %error, "a loop of the server panicked and is started again"),
        }
        if began.elapsed() > restarts.steady {
            pause = restarts.first_pause;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        pause = (2 * pause).min(restarts.longest_pause);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    const QUICK: Restarts = Restarts {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
        steady: Duration::from_millis(1),
    };

    /// A loop whose first two runs end, the first by a panic.
    #[tokio::test]
    async fn a_loop_that_ends_is_reported_and_started_again() {
        let (tasks, stop, health) = (TaskTracker::new(), CancellationToken::new(), Arc::new(LoopHealth::default()));
        let (runs, steady) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let down_at_restart = Arc::new(Mutex::new(Vec::new()));
        let make = {
            let (runs, steady, health) = (Arc::clone(&runs), Arc::clone(&steady), Arc::clone(&health));
            let (down, stop) = (Arc::clone(&down_at_restart), stop.clone());
            move || {
                let run = runs.fetch_add(1, Ordering::SeqCst);
                down.lock().unwrap().push(health.down());
                let (steady, stop) = (Arc::clone(&steady), stop.clone());
                async move {
                    match run {
                        0 => panic!("the loop panics"),
                        1 => {}
                        _ => {
                            steady.notify_one();
                            stop.cancelled().await;
                        }
                    }
                }
            }
        };
        let supervised = {
            let (tasks, stop, health) = (tasks.clone(), stop.clone(), Arc::clone(&health));
            tasks.clone().spawn(async move { supervise("test", tasks, stop, &health, QUICK, make).await })
        };
        steady.notified().await;
        assert_eq!(runs.load(Ordering::SeqCst), 3);
        assert_eq!(*down_at_restart.lock().unwrap(), [vec![], vec!["test"], vec!["test"]]);
        while !health.down().is_empty() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        supervised.await.unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), 3, "a loop that ends at shutdown stays ended");
    }
}
