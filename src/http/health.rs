//! Health endpoints: whether the server is alive, and whether it is ready for requests.

use axum::extract::State;

use super::AppState;
use super::problem::{Code, Problem};

/// Check that the process is running.
#[utoipa::path(get, path = "/healthz", tag = "server", responses((status = 200, description = "Alive", body = String)))]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Retry interval, in seconds.
const RETRY: u16 = 2;

/// Check that the database responds, jobs can run, and the server is not shutting down.
#[utoipa::path(get, path = "/readyz", tag = "server", responses((status = 200, description = "Ready", body = String)))]
pub(super) async fn ready(State(app): State<AppState>) -> Result<&'static str, Problem> {
    let unready = |detail: String| Problem::new(Code::NotReady, detail).retry_after(RETRY);
    if app.stopping.is_cancelled() {
        return Err(unready("the server is shutting down".to_owned()));
    }
    let down = app.loops.down();
    if !down.is_empty() {
        return Err(unready(format!("being restarted after a fault: {}", down.join(", "))));
    }
    app.store.ping().await.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "the database does not answer");
        unready("the database does not answer".to_owned())
    })?;
    Ok("ready\n")
}
