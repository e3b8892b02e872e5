//! Work that continues without its request, and blocking work.

use tokio::task::JoinError;

use super::AppState;
use super::problem::Problem;

/// Runs `work` on a blocking thread.
pub(super) fn blocking<T, W>(app: &AppState, work: W) -> impl Future<Output = Result<T, Problem>> + use<T, W>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let task = app.tasks.spawn_blocking(work);
    async { task.await.map_err(broken) }
}

/// Runs `work` to completion even if the client disconnects.
pub(super) async fn spawn_detached<T: Send + 'static>(
    app: &AppState,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    app.tasks.spawn(work).await.map_err(broken)
}

/// The task panicked; the panic is logged with its location.
fn broken(error: JoinError) -> Problem {
    Problem::internal(&error)
}
