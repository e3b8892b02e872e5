//! How many uploads are taken at once, and the threads they run on.
//!
//! An upload lasts as long as its client likes, so it must hold nothing that others wait for: it has
//! a thread of its own, not one of the runtime's blocking pool, and there are at most as many as the
//! settings allow. One more is refused at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::AppState;
use super::problem::{Code, Problem};

/// Seconds after which a refused client may try again. An upload takes seconds, as a rule.
const RETRY_AFTER: u16 = 5;

/// The uploads that are running, counted.
#[derive(Debug)]
pub struct Uploads {
    permits: Arc<Semaphore>,
    most: usize,
}

/// One upload's place among those that are allowed, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    _permit: OwnedSemaphorePermit,
}

impl Uploads {
    pub fn new(most: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(most)), most }
    }

    /// Takes a place, or refuses with 429.
    pub(super) fn admit(&self) -> Result<Admission, Problem> {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        permit.map(|permit| Admission { _permit: permit }).map_err(|_| {
            let detail = format!("{} uploads are running, as many as the server allows; try again later", self.most);
            Problem::new(Code::TooManyUploads, detail).retry_after(RETRY_AFTER)
        })
    }
}

/// Runs an upload's blocking work on a thread of its own; its result comes through the channel,
/// which closes without one if the thread panics. The upload keeps its place until the work has
/// ended, whether or not the client still waits for it.
pub(super) fn on_own_thread<T: Send + 'static>(
    app: &AppState,
    admission: Admission,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, Problem> {
    let (done, result) = oneshot::channel();
    // Shutdown waits for the thread as it does for tasks.
    let token = app.tasks.token();
    let run = move || {
        let _running = (admission, token);
        // The handler may have gone with its client.
        let _ = done.send(work());
    };
    std::thread::Builder::new().name("upload".to_owned()).spawn(run).map_err(|error| Problem::internal(&error))?;
    Ok(result)
}
