//! `/`: an overview of the addresses.

use axum::Router;
use axum::routing::get;

use super::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/", get(index))
}

async fn index() -> &'static str {
    concat!(
        "Gatecast ",
        env!("CARGO_PKG_VERSION"),
        "\n\n\
         /docs           the API, to read and to try\n\
         /openapi.json   the same for programs\n\
         /v1/datasets    series\n\
         /v1/jobs        trainings\n\
         /v1/models      models\n\
         /v1/system      this server\n"
    )
}
