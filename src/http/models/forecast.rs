//! `POST /v1/models/{id}/forecast`.

use axum::Json;
use axum::extract::State;

use crate::http::AppState;
use crate::http::aliases::ModelPath;
use crate::http::json::ValidJson;
use crate::http::problem::Problem;
use gatecast_core::alias::ModelRef;
use gatecast_core::forecast::{ForecastRequest, ForecastResponse};

/// What comes next, for series given by their latest values or by their keys in a dataset.
#[utoipa::path(post, path = "/v1/models/{id}/forecast", tag = "models", params(("id" = ModelRef, Path)),
    request_body = ForecastRequest,
    responses((status = 200, description = "One forecast a series and target", body = ForecastResponse)))]
pub(in crate::http) async fn forecast(
    State(app): State<AppState>,
    ModelPath(id): ModelPath,
    ValidJson(request): ValidJson<ForecastRequest>,
) -> Result<Json<ForecastResponse>, Problem> {
    Ok(Json(app.forecaster.forecast(id, request).await?))
}
