//! Is the server alive, and may it be sent work?

use axum::extract::State;

use super::AppState;
use super::problem::{Code, Problem};

/// The process runs and answers.
#[utoipa::path(get, path = "/healthz", tag = "server", responses((status = 200, description = "Alive", body = String)))]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The store answers, and the server is not shutting down.
#[utoipa::path(get, path = "/readyz", tag = "server", responses((status = 200, description = "Ready", body = String)))]
pub(super) async fn ready(State(app): State<AppState>) -> Result<&'static str, Problem> {
    let unready = |detail: &str| Problem::new(Code::NotReady, detail);
    if app.stopping.is_cancelled() {
        return Err(unready("the server is shutting down"));
    }
    app.store.ping().await.map_err(|error| {
        tracing::warn!(%error, "the store does not answer");
        unready("the store does not answer")
    })?;
    Ok("ready\n")
}
