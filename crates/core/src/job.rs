//! A job: one order, its life from `queued` to exactly one end, and what it left behind.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{DatasetId, JobId, ModelId};
pub use super::kinds::JobKind;
use super::kinds::JobSpec;
use super::metric_values::FinalMetrics;
use super::result::JobResult;
use super::trainer::WindowCounts;

/// `queued → running → succeeded | failed | cancelled`; a running job may go back to `queued`
/// (a fault of the machine, a shutdown), and a queued one may be cancelled.
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

    /// Nothing more will happen to the job.
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

/// Why a job failed, or what its last attempt failed of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobError {
    /// Stable: `diverged`, `dataset_deleted`, `series_too_short`, `attempts_exhausted`, …
    pub code: String,
    /// For people; says what to change where the order is at fault.
    pub detail: String,
}

/// A job as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Job {
    pub id: JobId,
    pub kind: JobKind,
    pub name: String,
    pub status: JobStatus,
    /// From 0 to 1.
    pub progress: f64,
    /// How often a worker took the job up; 0 while none has.
    pub attempt: u32,
    /// A cancel was asked for and has not yet taken effect.
    pub cancel_requested: bool,
    /// The engine that runs it, once it runs.
    pub engine: Option<String>,
    /// Why it is this engine.
    pub engine_reason: Option<String>,
    pub dataset: DatasetId,
    pub dataset_revision: u32,
    /// What was ordered, with every open field filled in. It can be sent again without its read-only
    /// fields. Absent where another version of the program wrote it and this one cannot read it.
    pub order: Option<JobSpec>,
    pub created_at: jiff::Timestamp,
    pub started_at: Option<jiff::Timestamp>,
    pub finished_at: Option<jiff::Timestamp>,
    /// A guess from the epochs so far; absent unless running.
    pub eta_seconds: Option<f64>,
    pub error: Option<JobError>,
    /// The job this one belongs to.
    pub parent: Option<JobId>,
    /// The failed or cancelled job whose order this one tries again.
    pub retry_of: Option<JobId>,
    /// What a training left; of a comparison, the winner's best model.
    pub model: Option<ModelId>,
    pub metrics: Option<FinalMetrics>,
    /// What a job that is no training found out.
    pub result: Option<JobResult>,
    /// Rises with every change of the row; the API's ETag.
    #[serde(skip)]
    pub version: i64,
}

/// A job as lists show it: without its order, its metrics and its result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobSummary {
    pub id: JobId,
    pub kind: JobKind,
    pub name: String,
    pub status: JobStatus,
    /// From 0 to 1.
    pub progress: f64,
    /// The number of times a worker took the job up.
    pub attempt: u32,
    /// A cancel was requested and has not yet taken effect.
    pub cancel_requested: bool,
    /// The engine that runs it, once it runs.
    pub engine: Option<String>,
    pub dataset: DatasetId,
    pub dataset_revision: u32,
    pub created_at: jiff::Timestamp,
    pub started_at: Option<jiff::Timestamp>,
    pub finished_at: Option<jiff::Timestamp>,
    /// An estimate from the epochs so far; absent unless running.
    pub eta_seconds: Option<f64>,
    pub error: Option<JobError>,
    /// The job this one belongs to.
    pub parent: Option<JobId>,
    /// The failed or cancelled job whose order this one tries again.
    pub retry_of: Option<JobId>,
    /// The model that a training left; of a comparison, the winner's best model.
    pub model: Option<ModelId>,
}

/// What an attempt runs, once its data is read and its network stands: the data of a `started` event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StartFacts {
    pub attempt: u32,
    pub engine: String,
    /// Why this engine.
    pub reason: String,
    /// `cpu`, `cuda:0`, …
    pub device: String,
    /// Learnable numbers in the network.
    pub parameters: u64,
    pub windows: WindowCounts,
    /// The last epoch of the checkpoint that the attempt goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_after: Option<u32>,
}

/// One thing that happened to a job, in the order it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobEvent {
    /// From 1, without holes, by job.
    pub sequence: i64,
    pub at: jiff::Timestamp,
    pub kind: JobEventKind,
    /// `status`: `{status, attempt, error?, model?}`; `started`: what runs; `epoch`: an epoch report;
    /// `warning` and `info`: `{code, detail}`.
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
