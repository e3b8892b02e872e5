//! The kinds of jobs: their requests, their specs and what each kind needs.
//!
//! A [`JobRequest`] is what a caller sends. Checking its fields one by one yields a [`CheckedRequest`]. Resolving
//! that against the dataset and the model that it names yields a [`JobSpec`], which is stored and run: every value
//! that training depends on is present. Every caller that creates a job takes this path; requests are checked nowhere
//! else.
//!
//! Each kind is one module here and one line of the table below. `docs/howto/job-kind.md` describes how to add one.

mod backtest;
mod compare;
mod finetune;
mod plan;
mod search;
mod stored;
mod train;
mod v1;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::alias::ModelRef;
use crate::composite_job::{CompositeJob, NewChildJob, Transition};
use crate::dataset::Dataset;
use crate::ids::DatasetId;
use crate::model::Model;
use crate::reader;
use crate::resolve::FieldError;

pub use backtest::{BacktestRequest, BacktestSpec, CheckedBacktest, ModelBacktest, RefitBacktest};
pub use compare::{CheckedCompare, CompareRequest, CompareSpec};
pub use finetune::{CheckedFinetune, FinetuneRequest, FinetuneSpec, ScalingChoice};
pub use plan::{Candidate, MOST_CHILDREN};
pub use search::{Budget, CheckedSearch, Draw, Method, Range, SearchRequest, SearchSpec};
pub use stored::VERSION;
pub use train::{CheckedTrain, TrainRequest, TrainSpec};

/// The dataset and the model that a request names, to be looked up before it is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names<'r> {
    /// With its JSON pointer in the request. `None`: the dataset that the model was trained on.
    pub dataset: Option<(&'static str, DatasetId)>,
    pub model: Option<&'r ModelRef>,
}

/// The results of looking up [`Names`].
#[derive(Debug, Clone, Copy)]
pub struct Found<'f> {
    pub dataset: &'f Dataset,
    pub model: Option<&'f Model>,
}

/// A kind of request.
trait JobRequestKind {
    type Checked;

    /// Checks each field and the fields against each other, and expands partial trainings.
    fn check(self) -> Result<Self::Checked, Vec<FieldError>>;
}

/// A request whose fields are each valid.
trait Checked {
    type Spec;

    fn names(&self) -> Names<'_>;

    /// Checks the request against the dataset and the model, and fills in the defaults.
    fn resolve(self, found: &Found<'_>) -> Result<Self::Spec, Vec<FieldError>>;
}

/// What the rest of the program needs to know about a spec of any kind. The defaults are those of a job that runs as
/// one process.
trait JobSpecKind {
    /// The display name.
    fn name(&self) -> &str;

    /// The training, if this job is one.
    fn train(&self) -> Option<&TrainSpec> {
        None
    }

    /// The trainings that are queued with the job, by slot. A job that has any runs no process: the coordinator
    /// advances it.
    fn plan(&self) -> &[Candidate] {
        &[]
    }

    fn set_plan(&mut self, _plan: Vec<Candidate>) {}

    /// Computes the next step of a job with a plan.
    fn next(&self, _composite: &CompositeJob, _transition: &mut Transition) {}
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident($name:literal): $request:ident, $checked:ident, $spec:ident;)+) => {
        /// The body of `POST /v1/jobs`.
        #[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        pub enum JobRequest {
            $($(#[doc = $doc])+ $kind(Box<$request>),)+
        }

        /// A request whose fields are each valid. Only [`JobRequest::check`] creates it.
        #[derive(Debug, Clone)]
        pub enum CheckedRequest {
            $($kind(Box<$checked>),)+
        }

        /// A job with every value resolved. Its serialised form is the job's `order` in the API; [`JobSpec::write`]
        /// returns the stored form.
        #[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        pub enum JobSpec {
            $($(#[doc = $doc])+ $kind(Box<$spec>),)+
        }

        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum JobKind {
            $($kind,)+
        }

        impl JobKind {
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }

        impl JobRequest {
            fn read_kind(kind: JobKind, fields: &Value) -> Result<Self, reader::Misfit> {
                match kind {
                    $(JobKind::$kind => reader::read(fields).map(Self::$kind),)+
                }
            }

            /// Checks each field and the fields against each other.
            pub fn check(self) -> Result<CheckedRequest, Vec<FieldError>> {
                match self {
                    $(Self::$kind(request) => request.check().map(Box::new).map(CheckedRequest::$kind),)+
                }
            }
        }

        impl CheckedRequest {
            /// Returns what to look up before the request is resolved.
            pub fn names(&self) -> Names<'_> {
                match self {
                    $(Self::$kind(request) => request.names(),)+
                }
            }

            /// Checks the request against the dataset and the model, and fills in the defaults.
            pub fn resolve(self, found: &Found<'_>) -> Result<JobSpec, Vec<FieldError>> {
                match self {
                    $(Self::$kind(request) => request.resolve(found).map(Box::new).map(JobSpec::$kind),)+
                }
            }
        }

        impl JobSpec {
            pub fn kind(&self) -> JobKind {
                match self {
                    $(Self::$kind(_) => JobKind::$kind,)+
                }
            }

            fn inner(&self) -> &dyn JobSpecKind {
                match self {
                    $(Self::$kind(spec) => spec.as_ref(),)+
                }
            }

            fn inner_mut(&mut self) -> &mut dyn JobSpecKind {
                match self {
                    $(Self::$kind(spec) => spec.as_mut(),)+
                }
            }

            fn read_kind(kind: JobKind, fields: &Value) -> Result<Self, reader::Misfit> {
                match kind {
                    $(JobKind::$kind => reader::read_stored(fields).map(Self::$kind),)+
                }
            }
        }
    };
}

kinds! {
    /// Train one network.
    Train("train"): TrainRequest, CheckedTrain, TrainSpec;
    /// Train several networks and rank them.
    Compare("compare"): CompareRequest, CheckedCompare, CompareSpec;
    /// Train with values drawn from ranges and keep the best model.
    Search("search"): SearchRequest, CheckedSearch, SearchSpec;
    /// Continue training a stored model.
    Finetune("finetune"): FinetuneRequest, CheckedFinetune, FinetuneSpec;
    /// Forecast past points and compare the forecasts with the actual values.
    Backtest("backtest"): BacktestRequest, CheckedBacktest, BacktestSpec;
}

impl JobKind {
    fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// For messages: `` `train`, `compare`, … or `backtest` ``.
    fn list() -> String {
        let names: Vec<String> = Self::ALL.iter().map(|kind| format!("`{}`", kind.name())).collect();
        match names.split_last() {
            Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
            _ => names.concat(),
        }
    }
}

impl JobRequest {
    /// Reads a request. Each kind is read by its own type, because serde's internally tagged enums lose the location
    /// of an error.
    pub fn read(mut value: Value) -> Result<Self, Vec<FieldError>> {
        let one = |pointer: &str, detail: String| Err(vec![FieldError::new(pointer, detail)]);
        let Some(fields) = value.as_object_mut() else {
            return one("", "expected an object such as {\"kind\": \"train\", \"dataset\": \"…\"}".to_owned());
        };
        let kind = match fields.remove("kind") {
            Some(Value::String(kind)) => match JobKind::of(&kind) {
                Some(kind) => kind,
                None => return one("/kind", format!("`{kind}` is not a kind of job; expected {}", JobKind::list())),
            },
            Some(_) => return one("/kind", format!("expected a text: {}", JobKind::list())),
            None => return one("/kind", format!("the field is missing; expected {}", JobKind::list())),
        };
        Self::read_kind(kind, &value).map_err(|misfit| vec![FieldError::new(misfit.pointer(), misfit.detail())])
    }
}

impl JobSpec {
    /// The display name.
    pub fn name(&self) -> &str {
        self.inner().name()
    }

    /// Whether the job runs other jobs and waits for them. No worker claims such a job.
    pub fn coordinates(&self) -> bool {
        !self.inner().plan().is_empty()
    }

    /// The training that this job is, or `None` for other kinds.
    pub fn train(&self) -> Option<&TrainSpec> {
        self.inner().train()
    }

    /// The trainings that are queued with the job, by slot.
    pub fn plan(&self) -> &[Candidate] {
        self.inner().plan()
    }

    /// The jobs that are queued with this one. `None` if the spec was stored by version 1, which kept the trainings
    /// only in the children's rows.
    pub fn children(&self) -> Option<Vec<NewChildJob>> {
        let child = |(slot, candidate): (u32, &Candidate)| {
            let train = candidate.train.clone()?;
            Some(NewChildJob { slot, name: train.name.clone(), order: Self::from(train) })
        };
        (0..).zip(self.plan()).map(child).collect()
    }

    /// Computes the next step of a job that runs others.
    pub(crate) fn next(&self, composite: &CompositeJob, transition: &mut Transition) {
        self.inner().next(composite, transition);
    }
}

impl From<TrainSpec> for JobSpec {
    fn from(spec: TrainSpec) -> Self {
        Self::Train(Box::new(spec))
    }
}

#[cfg(test)]
mod tests;
