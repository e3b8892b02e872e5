//! Model endpoints: list, show, export, import, delete, forecast.

pub(super) mod forecast;
pub(super) mod import;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::AppState;
use super::aliases::ModelPath;
use super::download::{self, Download};
use super::extract::{Id, PageParams, Params};
use super::page::List;
use super::problem::{Code, Problem};
use crate::service::artifacts;
use gatecast_blobs::Key;
use gatecast_core::alias::ModelRef;
use gatecast_core::ids::ModelId;
use gatecast_core::model::{Model, ModelSummary};

/// List models, newest first, without their manifests; request a single model for its manifest.
#[utoipa::path(get, path = "/v1/models", tag = "models", params(PageParams),
    responses((status = 200, description = "A page of models", body = List<ModelSummary>)))]
pub(super) async fn list(
    State(app): State<AppState>,
    Params(page): Params<PageParams>,
) -> Result<Json<List<ModelSummary>>, Problem> {
    Ok(Json(List::of(app.store.models(page.page()?).await?)))
}

/// Get a model with its manifest.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "models", params(("id" = ModelRef, Path)),
    responses((status = 200, description = "The model", body = Model)))]
pub(super) async fn show(State(app): State<AppState>, ModelPath(id): ModelPath) -> Result<Json<Model>, Problem> {
    Ok(Json(find(&app, id).await?))
}

/// Delete a model and its aliases. An alias is not accepted here, because it may be moved to another model
/// before the request arrives.
#[utoipa::path(delete, path = "/v1/models/{id}", tag = "models", params(("id" = ModelId, Path)),
    responses((status = 204, description = "Deleted")))]
pub(super) async fn delete(State(app): State<AppState>, Id(id): Id<ModelId>) -> Result<StatusCode, Problem> {
    let deleted = artifacts::delete_model(&app.store, &app.blobs, id).await;
    // The row may be deleted even if deleting the file failed.
    app.forecaster.forget(id).await;
    if deleted? { Ok(StatusCode::NO_CONTENT) } else { Err(missing(id)) }
}

/// Export a model as a safetensors file that contains its manifest. `POST /v1/models` imports it.
#[utoipa::path(get, path = "/v1/models/{id}/bundle", tag = "models", params(("id" = ModelRef, Path)),
    responses((status = 200, description = "The bundle", content_type = "application/octet-stream")))]
pub(super) async fn bundle(
    State(app): State<AppState>,
    ModelPath(id): ModelPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let model = find(&app, id).await?;
    let file = Download {
        key: Key::model(id),
        content_type: "application/octet-stream",
        file_name: format!("{id}.safetensors"),
        sha256: model.sha256,
        damaged: ("the model", Code::ModelCorrupt),
    };
    download::send(&app, file, &headers).await
}

pub(super) async fn find(app: &AppState, id: ModelId) -> Result<Model, Problem> {
    app.store.model(id).await?.ok_or_else(|| missing(id))
}

fn missing(id: ModelId) -> Problem {
    Problem::not_found(format!("there is no model {id}"))
}
