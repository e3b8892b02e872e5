//! Information about this server and its limits.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::AppState;
use super::problem::Problem;

/// The server, its engines and its limits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct System {
    version: &'static str,
    /// The engines that can run a network; `auto` picks the first that supports the device.
    engines: Vec<&'static str>,
    /// The devices that can run networks: `cpu`, `cuda:0`, …
    devices: Vec<String>,
    /// `sqlite` or `postgres`.
    database: &'static str,
    /// The number of concurrent trainings.
    workers: usize,
    training_threads: usize,
    limits: SystemLimits,
}

/// The server's limits, in bytes unless stated otherwise.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SystemLimits {
    upload: u64,
    /// The maximum size of an upload after decompression.
    unpacked: u64,
    json: u64,
    forecast: u64,
    /// The maximum number of series per dataset.
    series: u64,
    /// The maximum number of concurrent uploads.
    uploads: usize,
}

#[utoipa::path(get, path = "/v1/system", tag = "server", responses((status = 200, description = "The server", body = System)))]
pub(super) async fn system(State(app): State<AppState>) -> Result<Json<System>, Problem> {
    let limits = &app.settings.limits;
    Ok(Json(System {
        version: env!("CARGO_PKG_VERSION"),
        engines: app.trainers.engines().to_vec(),
        devices: app.trainers.devices().await.to_vec(),
        database: app.store.backend(),
        workers: app.settings.jobs.workers(),
        training_threads: app.settings.jobs.threads.get(),
        limits: SystemLimits {
            upload: limits.upload.0,
            unpacked: limits.unpacked.0,
            json: limits.json.0,
            forecast: limits.forecast.0,
            series: limits.series,
            uploads: limits.uploads(),
        },
    }))
}
