//! Jobs: ordered, listed, watched, cancelled, deleted.

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

/// Order a job. It is checked against its dataset, queued, and run in the background.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = JobRequest,
    responses((status = 202, description = "Queued", body = Job,
        headers(("location" = String, description = "The job's address")))))]
pub(super) async fn create(
    State(app): State<AppState>,
    ValidJson(request): ValidJson<JobRequest>,
) -> Result<Response, Problem> {
    Ok(accepted(order_job(&app.store, request).await?))
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct JobParams {
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: PageSize,
    /// `next` of the page before.
    #[param(pattern = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
    after: Option<String>,
    #[param(inline)]
    status: Option<JobStatus>,
    #[param(inline)]
    kind: Option<JobKind>,
    #[param(inline)]
    dataset: Option<DatasetId>,
    /// The children of this job alone.
    #[param(inline)]
    parent: Option<JobId>,
}

/// All jobs, newest first, without their orders, metrics and results: one job has those.
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

/// One job. Its ETag changes whenever it does: send it back as `If-None-Match` to poll cheaply.
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

/// Cancel a job. A queued one ends at once; a running one as soon as its worker hears of it (202).
/// A job that runs others is cancelled with all of them, and ends once they have.
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

/// Try a failed or cancelled job again: a new job of the same order on the same revision of the data,
/// whose `retry_of` names this one. It begins from nothing.
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

/// Delete a job that has ended, with its history and, if it ran others, theirs. Models stay.
#[utoipa::path(delete, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 204, description = "Deleted")))]
pub(super) async fn delete(State(app): State<AppState>, Id(id): Id<JobId>) -> Result<StatusCode, Problem> {
    let (store, blobs) = (app.store.clone(), app.blobs.clone());
    // A long history takes a while to delete, and half of one is of no use.
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

/// A part of a training's history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EpochPage {
    epochs: Vec<EpochReport>,
    /// To give as `after` for the next page; null on the last.
    next: Option<u32>,
}

/// Which epochs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EpochParams {
    /// The most epochs.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<u32>,
    /// `next` of the page before: only epochs with a higher number.
    #[param(maximum = 4294967295u64)]
    after: Option<u32>,
}

/// The most epochs in one answer.
const MAX_EPOCHS: u32 = 1_000;

/// The training's history, epoch by epoch, a page at a time.
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

/// All points of a backtest, as Parquet: fold, series, target, step, time (where the data has times),
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
