//! The HTTP API. Only this module deals with statuses and headers.
//!
//! A request passes `observe` (id, log line, panics, problem bodies), then `origin_check` (foreign hosts and
//! origins), then `body_timeout` (slow bodies), then its handler. A handler extracts its input, calls one
//! function that is independent of HTTP, and builds the response.

mod aliases;
mod body;
mod datasets;
mod download;
mod error;
mod extract;
mod health;
mod index;
mod jobs;
mod json;
mod models;
mod observe;
mod openapi;
mod origin_check;
mod page;
mod params;
mod problem;
pub mod server;
mod system;
mod tasks;
mod uploads;

pub use json::check_job;

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::{Router, middleware};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::Settings;
use crate::jobs::{LoopHealth, Trainers};
use crate::service::forecasts::Forecaster;
use gatecast_blobs::Blobs;
use gatecast_data::Datasets;
use gatecast_store::Store;

/// State shared by all handlers.
#[derive(Debug)]
pub struct App {
    pub settings: Settings,
    pub store: Store,
    pub blobs: Blobs,
    pub forecaster: Forecaster,
    pub trainers: Arc<Trainers>,
    pub datasets: Arc<Datasets>,
    /// Which loops of the pool are down.
    pub loops: Arc<LoopHealth>,
    /// The folder for uploads in progress, on the same disk as the blobs.
    pub scratch: PathBuf,
    pub uploads: Uploads,
    /// Cancelled at shutdown.
    pub stopping: CancellationToken,
    /// Permits to parse long JSON bodies, which takes a core and several times the body's size in memory.
    pub readers: Arc<Semaphore>,
    /// Tasks that outlive their request. Shutdown waits for them.
    pub tasks: TaskTracker,
}

pub use uploads::Uploads;

pub type AppState = Arc<App>;

/// Handlers subject to the request timeout, and handlers that stream long uploads.
fn routes() -> (OpenApiRouter<AppState>, OpenApiRouter<AppState>) {
    let prompt = OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(datasets::list))
        .routes(routes!(datasets::show, datasets::delete))
        .routes(routes!(datasets::content))
        .routes(routes!(datasets::series::list))
        .routes(routes!(datasets::series::values))
        .routes(routes!(jobs::list, jobs::create))
        .routes(routes!(jobs::show, jobs::delete))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::metrics))
        .routes(routes!(jobs::points))
        .routes(routes!(jobs::events::events))
        .routes(routes!(models::list))
        .routes(routes!(models::show, models::delete))
        .routes(routes!(models::bundle))
        .routes(routes!(models::forecast::forecast))
        .routes(routes!(aliases::list))
        .routes(routes!(aliases::show, aliases::put, aliases::delete))
        .routes(routes!(system::system))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready));
    let streaming =
        OpenApiRouter::new().routes(routes!(datasets::upload::upload)).routes(routes!(models::import::import));
    (prompt, streaming)
}

/// The router of the whole service.
pub fn router(app: AppState) -> Router {
    let (prompt, streaming) = routes();
    let time = app.settings.limits.request_time();
    let prompt = prompt.layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, time));
    let (router, api) = prompt.merge(streaming).split_for_parts();
    router
        .merge(openapi::pages(openapi::complete(api)))
        .merge(index::routes())
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(app.clone(), body::body_timeout))
        .layer(middleware::from_fn_with_state(app.clone(), origin_check::origin_check))
        .layer(middleware::from_fn(observe::observe))
        .with_state(app)
}

/// The OpenAPI document, as served at `/openapi.json` and stored in `docs/openapi.json`.
pub fn document() -> serde_json::Value {
    let (prompt, streaming) = routes();
    openapi::complete(prompt.merge(streaming).into_openapi())
}
