//! Job endpoints: create, list, show, cancel, retry, delete, metrics and points.

pub(super) mod events;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::download::{self, Download, is_known, not_modified};
use super::extract::{Id, PageSize, Params, page};
use super::json::ValidJson;
use super::page::List;
use super::problem::{Code, Problem};
use super::tasks::spawn_detached;
use crate::service::{artifacts, order_job, retry_job};
use gatecast_blobs::Key;
use gatecast_core::ids::{DatasetId, JobId};
use gatecast_core::job::{Job, JobKind, JobStatus, JobSummary};
use gatecast_core::kinds::JobRequest;
use gatecast_core::metric_values::EpochReport;
use gatecast_core::result::JobResult;
use gatecast_store::{Cancellation, JobDeletion, JobFilter};

/// Create a job. It is checked against its dataset, queued, and run in the background.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = JobRequest,
    responses((status = 202, description = "Queued", body = Job,
        headers(("location" = String, description = "The job's address")))))]
pub(super) async fn create(
    State(app): State<AppState>,
    ValidJson(request): ValidJson<JobRequest>,
) -> Result<Response, Problem> {
    Ok(accepted(order_job(&app.store, request).await?))
}

/// Filters and the page of the list of jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct JobParams {
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: PageSize,
    /// The `next` of the previous page.
    #[param(pattern = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
    after: Option<String>,
    #[param(inline)]
    status: Option<JobStatus>,
    #[param(inline)]
    kind: Option<JobKind>,
    #[param(inline)]
    dataset: Option<DatasetId>,
    /// Return only the children of this job.
    #[param(inline)]
    parent: Option<JobId>,
}

/// List jobs, newest first, without `order`, `metrics` and `result`; request a single job for those.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(JobParams),
    responses((status = 200, description = "A page of jobs", body = List<JobSummary>)))]
pub(super) async fn list(
    State(app): State<AppState>,
    Params(params): Params<JobParams>,
) -> Result<Json<List<JobSummary>>, Problem> {
    let JobParams { limit, after, status, kind, dataset, parent } = params;
    let filter = JobFilter { status, kind, dataset, parent };
    Ok(Json(List::of(app.store.jobs(filter, page(limit, after.as_deref())?).await?)))
}

/// Get a job. Its ETag changes with the job: send it as `If-None-Match` to poll cheaply.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 200, description = "The job", body = Job), (status = 304, description = "Unchanged")))]
pub(super) async fn show(
    State(app): State<AppState>,
    Id(id): Id<JobId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let job = find(&app, id).await?;
    let tag = format!("\"{}\"", job.version);
    if is_known(&headers, &tag) {
        return Ok(not_modified(&tag));
    }
    Ok(([(header::ETAG, tag)], Json(job)).into_response())
}

/// Cancel a job. A queued job ends at once; a running job is stopped by its worker shortly after (202). A job
/// that runs other jobs is cancelled together with them, and ends once they have ended.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 200, description = "Cancelled", body = Job), (status = 202, description = "Being cancelled", body = Job)))]
pub(super) async fn cancel(State(app): State<AppState>, Id(id): Id<JobId>) -> Result<Response, Problem> {
    match app.store.cancel_job(id).await? {
        Cancellation::Cancelled(job) => Ok((StatusCode::OK, Json(job)).into_response()),
        Cancellation::Requested(job) => Ok((StatusCode::ACCEPTED, Json(job)).into_response()),
        Cancellation::AlreadyEnded(job) => {
            Err(Problem::new(Code::JobEnded, format!("the job has ended before: it {}", ended_as(job.status))))
        }
        Cancellation::NotFound => Err(missing(id)),
    }
}

/// Retry a failed or cancelled job: creates a new job with the same `order` on the same revision of the data,
/// whose `retry_of` is this job's id. It starts from scratch.
#[utoipa::path(post, path = "/v1/jobs/{id}/retry", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 202, description = "Queued", body = Job,
        headers(("location" = String, description = "The new job's address")))))]
pub(super) async fn retry(State(app): State<AppState>, Id(id): Id<JobId>) -> Result<Response, Problem> {
    Ok(accepted(retry_job(&app.store, id).await?))
}

fn accepted(job: Job) -> Response {
    (StatusCode::ACCEPTED, [(header::LOCATION, format!("/v1/jobs/{}", job.id))], Json(job)).into_response()
}

fn ended_as(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Succeeded => "succeeded",
        JobStatus::Failed => "failed",
        JobStatus::Cancelled => "was cancelled",
        JobStatus::Queued | JobStatus::Running => "goes on",
    }
}

/// Delete a job that has ended, with its history and, if it ran other jobs, those jobs. Models are kept.
#[utoipa::path(delete, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 204, description = "Deleted")))]
pub(super) async fn delete(State(app): State<AppState>, Id(id): Id<JobId>) -> Result<StatusCode, Problem> {
    let (store, blobs) = (app.store.clone(), app.blobs.clone());
    // Deleting a long history takes a while and should not stop halfway.
    match spawn_detached(&app, async move { artifacts::delete_job(&store, &blobs, id).await }).await?? {
        JobDeletion::Deleted => Ok(StatusCode::NO_CONTENT),
        JobDeletion::NotFound => Err(missing(id)),
        JobDeletion::NotEnded(status) => {
            Err(Problem::new(Code::JobNotEnded, format!("the job is {}: cancel it first", status.name())))
        }
        JobDeletion::NeededBy(parent) => {
            Err(Problem::new(Code::JobInUse, format!("the job belongs to job {parent}, which has not ended")))
        }
    }
}

/// A page of a training's history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EpochPage {
    epochs: Vec<EpochReport>,
    /// The `after` of the next page; null on the last page.
    next: Option<u32>,
}

/// The page of epochs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EpochParams {
    /// The maximum number of epochs to return.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<u32>,
    /// The `next` of the previous page: returns only epochs with a higher number.
    #[param(maximum = 4294967295u64)]
    after: Option<u32>,
}

/// The maximum number of epochs in a response.
const MAX_EPOCHS: u32 = 1_000;

/// Get a training's history per epoch, in pages.
#[utoipa::path(get, path = "/v1/jobs/{id}/metrics", tag = "jobs", params(("id" = JobId, Path), EpochParams),
    responses((status = 200, description = "A page of the history", body = EpochPage)))]
pub(super) async fn metrics(
    State(app): State<AppState>,
    Id(id): Id<JobId>,
    Params(params): Params<EpochParams>,
) -> Result<Json<EpochPage>, Problem> {
    let limit = params.limit.unwrap_or(MAX_EPOCHS);
    let page = app.store.history(id, params.after.unwrap_or(0), limit).await?.ok_or_else(|| missing(id))?;
    Ok(Json(EpochPage { epochs: page.epochs, next: page.next }))
}

/// Download all points of a backtest as Parquet: fold, series, target, step, time (if the data has times),
/// forecast and actual.
#[utoipa::path(get, path = "/v1/jobs/{id}/points", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 200, description = "The file", content_type = "application/vnd.apache.parquet")))]
pub(super) async fn points(
    State(app): State<AppState>,
    Id(id): Id<JobId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let points = match find(&app, id).await?.result {
        Some(JobResult::Backtest(found)) => found.points,
        _ => None,
    };
    let none = "only a backtest of one model that succeeded has points; one that trains for each fold has them in its folds' jobs";
    let points = points.ok_or_else(|| Problem::not_found(none))?;
    let file = Download {
        key: Key::backtest_points(id),
        content_type: "application/vnd.apache.parquet",
        file_name: format!("{id}.parquet"),
        sha256: points.sha256,
        damaged: ("the points of the backtest", Code::PointsCorrupt),
    };
    download::send(&app, file, &headers).await
}

async fn find(app: &AppState, id: JobId) -> Result<Job, Problem> {
    app.store.job(id).await?.ok_or_else(|| missing(id))
}

fn missing(id: JobId) -> Problem {
    Problem::not_found(format!("there is no job {id}"))
}
