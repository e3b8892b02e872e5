//! Limits the number of concurrent uploads, and runs them on dedicated threads.
//!
//! A client controls how long its upload takes, so an upload does not occupy a shared resource: it runs on a
//! dedicated thread instead of the runtime's blocking pool. Uploads over the limit are rejected at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::AppState;
use super::problem::{Code, Problem};

/// Retry interval of a rejected client, in seconds. Most uploads take seconds.
const RETRY_AFTER: u16 = 5;

/// Limits concurrent uploads.
#[derive(Debug)]
pub struct Uploads {
    permits: Arc<Semaphore>,
    most: usize,
}

/// A permit for one upload, returned on drop.
#[derive(Debug)]
pub(super) struct Admission {
    _permit: OwnedSemaphorePermit,
}

impl Uploads {
    pub fn new(most: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(most)), most }
    }

    /// Acquires a permit, or fails with 429.
    pub(super) fn admit(&self) -> Result<Admission, Problem> {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        permit.map(|permit| Admission { _permit: permit }).map_err(|_| {
            let detail = format!("{} uploads are running, as many as the server allows; try again later", self.most);
            Problem::new(Code::TooManyUploads, detail).retry_after(RETRY_AFTER)
        })
    }
}

/// Runs an upload's blocking work on a dedicated thread and sends its result through the channel, which
/// closes without a result if the thread panics. The permit is held until the work has ended, even if the
/// client has disconnected.
pub(super) fn on_own_thread<T: Send + 'static>(
    app: &AppState,
    admission: Admission,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, Problem> {
    let (done, result) = oneshot::channel();
    // Shutdown waits for the thread as for other tasks.
    let token = app.tasks.token();
    let run = move || {
        let _running = (admission, token);
        // The handler may have been dropped with its client.
        let _ = done.send(work());
    };
    std::thread::Builder::new().name("upload".to_owned()).spawn(run).map_err(|error| Problem::internal(&error))?;
    Ok(result)
}
