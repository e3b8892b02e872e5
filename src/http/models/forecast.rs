//! `POST /v1/models/{id}/forecast`.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::http::AppState;
use crate::http::aliases::ModelPath;
use crate::http::json::ValidJson;
use crate::http::problem::Problem;
use gatecast_core::alias::ModelRef;
use gatecast_core::forecast::{ForecastRequest, ForecastResponse};

/// Forecast stored series, or series sent with the request.
#[utoipa::path(post, path = "/v1/models/{id}/forecast", tag = "models", params(("id" = ModelRef, Path)),
    request_body = ForecastRequest,
    responses((status = 200, description = "One forecast for each series and target", body = ForecastResponse)))]
pub(in crate::http) async fn forecast(
    State(app): State<AppState>,
    ModelPath(id): ModelPath,
    ValidJson(request): ValidJson<ForecastRequest>,
) -> Result<Response, Problem> {
    // The body is already JSON, so that up to 128 MiB are not serialized on an async thread.
    let body = app.forecaster.forecast(id, request).await?;
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
