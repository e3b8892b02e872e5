//! `POST /v1/models`: imports a bundle, after checking all of it.

use std::path::PathBuf;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use utoipa::IntoParams;

use crate::http::body::Chunks;
use crate::http::extract::Params;
use crate::http::problem::Problem;
use crate::http::{AppState, tasks};
use crate::service::artifacts::{self, KeepError};
use crate::service::forecasts::check_bundle;
use gatecast_core::ids::ModelId;
use gatecast_core::model::Model;
use gatecast_store::NewModel;

/// Settings of the import.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ImportParams {
    /// The model's name. Default: the name of the job that trained the model.
    #[param(min_length = 1, max_length = 200, format = "name", pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: Option<String>,
}

/// Import a bundle, as returned by `GET /v1/models/{id}/bundle`.
#[utoipa::path(post, path = "/v1/models", tag = "models", params(ImportParams),
    request_body(content_type = "application/octet-stream", description = "The bundle", content = Vec<u8>),
    responses((status = 201, description = "The model", body = Model,
        headers(("location" = String, description = "The model's address")))))]
pub(in crate::http) async fn import(
    State(app): State<AppState>,
    Params(params): Params<ImportParams>,
    request: Request,
) -> Result<Response, Problem> {
    let _admission = app.uploads.admit()?;
    let id = ModelId::new();
    let file = Scratch(app.scratch.join(format!("model-{id}")));
    let (sha256, bytes) = receive(&app, request, &file).await?;
    let path = file.0.clone();
    let manifest = tasks::blocking(&app, move || check_bundle(&path)).await??;
    let named = Some(manifest.order.name.clone()).filter(|name| !name.is_empty());
    let name = params.name.or(named).unwrap_or_else(|| "imported".to_owned());
    let new = NewModel { id, name, sha256, bytes, manifest };
    let model = tasks::spawn_detached(&app, keep(app.clone(), file, new)).await??;
    let location = format!("/v1/models/{}", model.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(model)).into_response())
}

/// Writes the body to the file. Returns its hash and length.
async fn receive(app: &AppState, request: Request, file: &Scratch) -> Result<(String, u64), Problem> {
    let (parts, body) = request.into_parts();
    let mut chunks = Chunks::new(&parts.headers, body, app.settings.limits.upload)?;
    let mut written = File::create(&file.0).await?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    while let Some(chunk) = chunks.next().await? {
        hash.update(&chunk);
        bytes += chunk.len() as u64;
        written.write_all(&chunk).await?;
    }
    written.flush().await?;
    Ok((gatecast_files::hex(&hash.finalize()), bytes))
}

async fn keep(app: AppState, file: Scratch, new: NewModel) -> Result<Model, KeepError> {
    artifacts::keep_model(&app.store, &app.blobs, &file.0, new).await
}

/// A file that is removed with its request, unless it was moved before.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // A missing file is not an error; a file that remains is removed at the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}
