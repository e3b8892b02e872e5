//! Jobs: what was requested, the state and the outcome.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{DatasetId, JobId, ModelId};
pub use super::kinds::JobKind;
use super::kinds::JobSpec;
use super::metric_values::FinalMetrics;
use super::result::JobResult;
use super::trainer::WindowCounts;

/// `queued → running → succeeded | failed | cancelled`. A running job may return to `queued` after a machine fault or
/// a shutdown, and a queued job may be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl JobStatus {
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Whether the job has ended: a final status never changes.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a job failed, or why its last attempt did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobError {
    /// A stable code, such as `diverged`, `dataset_deleted`, `series_too_short` or `attempts_exhausted`.
    pub code: String,
    /// A message for people. It says what to change if the request is at fault.
    pub detail: String,
}

/// A job, as returned by the API.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Job {
    pub id: JobId,
    pub kind: JobKind,
    pub name: String,
    pub status: JobStatus,
    /// From 0 to 1.
    pub progress: f64,
    /// The number of times a worker started the job.
    pub attempt: u32,
    /// Whether a cancel was requested and has not yet taken effect.
    pub cancel_requested: bool,
    /// The engine that runs the job. Absent until the job runs.
    pub engine: Option<String>,
    /// Why this engine was chosen.
    pub engine_reason: Option<String>,
    pub dataset: DatasetId,
    pub dataset_revision: u32,
    /// The request, with every omitted field filled in. It can be sent again without its read-only fields. Absent if
    /// another version of the program wrote it and this one cannot read it.
    pub order: Option<JobSpec>,
    pub created_at: jiff::Timestamp,
    pub started_at: Option<jiff::Timestamp>,
    pub finished_at: Option<jiff::Timestamp>,
    /// An estimate from the epochs so far. Absent unless running.
    pub eta_seconds: Option<f64>,
    pub error: Option<JobError>,
    /// The job that this one belongs to.
    pub parent: Option<JobId>,
    /// The failed or cancelled job that this one retries.
    pub retry_of: Option<JobId>,
    /// The model that a training produced. For a comparison or a search, the winner's best model.
    pub model: Option<ModelId>,
    pub metrics: Option<FinalMetrics>,
    /// The result of a job that is not a training.
    pub result: Option<JobResult>,
    /// Increases with every change of the job. Used as the ETag.
    #[serde(skip)]
    pub version: i64,
}

/// A job, as returned in lists: without its `order`, metrics and result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobSummary {
    pub id: JobId,
    pub kind: JobKind,
    pub name: String,
    pub status: JobStatus,
    /// From 0 to 1.
    pub progress: f64,
    /// The number of times a worker started the job.
    pub attempt: u32,
    /// A cancel was requested and has not yet taken effect.
    pub cancel_requested: bool,
    /// The engine that runs the job. Absent until the job runs.
    pub engine: Option<String>,
    pub dataset: DatasetId,
    pub dataset_revision: u32,
    pub created_at: jiff::Timestamp,
    pub started_at: Option<jiff::Timestamp>,
    pub finished_at: Option<jiff::Timestamp>,
    /// An estimate from the epochs so far. Absent unless running.
    pub eta_seconds: Option<f64>,
    pub error: Option<JobError>,
    /// The job that this one belongs to.
    pub parent: Option<JobId>,
    /// The failed or cancelled job that this one retries.
    pub retry_of: Option<JobId>,
    /// The model that a training produced. For a comparison or a search, the winner's best model.
    pub model: Option<ModelId>,
}

/// Describes an attempt whose data is read and whose network is built: the data of a `started` event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StartFacts {
    pub attempt: u32,
    pub engine: String,
    /// Why this engine was chosen.
    pub reason: String,
    /// `cpu`, `cuda:0`, …
    pub device: String,
    /// The number of trainable parameters.
    pub parameters: u64,
    pub windows: WindowCounts,
    /// The last epoch of the checkpoint that the attempt resumes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_after: Option<u32>,
}

/// An event of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobEvent {
    /// Increases by 1 per job, from 1, without gaps.
    pub sequence: i64,
    pub at: jiff::Timestamp,
    pub kind: JobEventKind,
    /// `status`: `{status, attempt, error?, model?}`; `started`: engine, device and size of the network; `epoch`: an
    /// epoch report; `warning` and `info`: `{code, detail}`.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobEventKind {
    Status,
    Started,
    Epoch,
    Warning,
    Info,
}

impl JobEventKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Started => "started",
            Self::Epoch => "epoch",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}
