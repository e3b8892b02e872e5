//! Work that must not end with its request, and work that blocks.

use tokio::task::JoinError;

use super::AppState;
use super::problem::Problem;

/// Runs `work` off the async threads.
pub(super) fn blocking<T, W>(app: &AppState, work: W) -> impl Future<Output = Result<T, Problem>> + use<T, W>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let task = app.tasks.spawn_blocking(work);
    async { task.await.map_err(broken) }
}

/// Runs `work` to its end even where the client leaves before.
pub(super) async fn spawn_detached<T: Send + 'static>(
    app: &AppState,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    app.tasks.spawn(work).await.map_err(broken)
}

/// The task panicked; the log has the place.
fn broken(error: JoinError) -> Problem {
    Problem::internal(&error)
}
