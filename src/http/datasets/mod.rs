//! Dataset endpoints: list, show, download as Parquet, delete.

mod ingest;
mod media_type;
mod options;
pub(super) mod series;
pub(super) mod upload;
mod values_body;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::AppState;
use super::download::{self, Download};
use super::extract::{Id, PageParams, Params};
use super::page::List;
use super::problem::{Code, Problem};
use crate::service::artifacts;
use gatecast_blobs::Key;
use gatecast_core::dataset::Dataset;
use gatecast_core::ids::DatasetId;
use gatecast_store::DatasetDeletion;

/// List datasets, newest first.
#[utoipa::path(get, path = "/v1/datasets", tag = "datasets", params(PageParams),
    responses((status = 200, description = "A page of datasets", body = List<Dataset>)))]
pub(super) async fn list(
    State(app): State<AppState>,
    Params(page): Params<PageParams>,
) -> Result<Json<List<Dataset>>, Problem> {
    Ok(Json(List::of(app.store.datasets(page.page()?).await?)))
}

/// Get a dataset with its profile.
#[utoipa::path(get, path = "/v1/datasets/{id}", tag = "datasets", params(("id" = DatasetId, Path)),
    responses((status = 200, description = "The dataset", body = Dataset)))]
pub(super) async fn show(State(app): State<AppState>, Id(id): Id<DatasetId>) -> Result<Json<Dataset>, Problem> {
    Ok(Json(find(&app, id).await?))
}

/// Delete a dataset. Its models are kept. Fails while a queued or running job needs the dataset.
#[utoipa::path(delete, path = "/v1/datasets/{id}", tag = "datasets", params(("id" = DatasetId, Path)),
    responses((status = 204, description = "Deleted")))]
pub(super) async fn delete(State(app): State<AppState>, Id(id): Id<DatasetId>) -> Result<StatusCode, Problem> {
    match artifacts::delete_dataset(&app.store, &app.blobs, id).await? {
        DatasetDeletion::Deleted(_) => Ok(StatusCode::NO_CONTENT),
        DatasetDeletion::NotFound => Err(missing(id)),
        DatasetDeletion::NeededBy(job) => Err(Problem::new(
            Code::DatasetInUse,
            format!("job {job} needs the dataset: wait for its end, or cancel it"),
        )),
    }
}

/// Download the stored points as Parquet: series, time (if the data has times), value columns.
#[utoipa::path(get, path = "/v1/datasets/{id}/content", tag = "datasets", params(("id" = DatasetId, Path)),
    responses((status = 200, description = "The file", content_type = "application/vnd.apache.parquet")))]
pub(super) async fn content(
    State(app): State<AppState>,
    Id(id): Id<DatasetId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let dataset = find(&app, id).await?;
    let file = Download {
        key: Key::dataset_points(id, &dataset.sha256)?,
        content_type: "application/vnd.apache.parquet",
        file_name: format!("{id}.parquet"),
        sha256: dataset.sha256,
        damaged: ("the dataset", Code::DatasetCorrupt),
    };
    download::send(&app, file, &headers).await
}

pub(super) async fn find(app: &AppState, id: DatasetId) -> Result<Dataset, Problem> {
    app.store.dataset(id).await?.ok_or_else(|| missing(id))
}

fn missing(id: DatasetId) -> Problem {
    Problem::not_found(format!("there is no dataset {id}"))
}
