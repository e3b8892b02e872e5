//! The kinds of jobs: what can be asked for, what is made of it, and what each kind needs.
//!
//! A [`JobRequest`] is what a caller sends. Its fields are checked one by one, which gives a
//! [`CheckedRequest`]; that is resolved against the dataset and the model that it names, which gives a
//! [`JobSpec`]. A spec is what is stored and run: every value that training depends on is present.
//! Every caller that orders a job takes this path, and nothing else checks requests.
//!
//! Each kind is one module here and one line of the table below. `docs/howto/job-kind.md` tells how to
//! add one.

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

/// What a request names, to be looked up before it is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names<'r> {
    /// With its place in the request. `None`: the dataset that the model was trained on.
    pub dataset: Option<(&'static str, DatasetId)>,
    pub model: Option<&'r ModelRef>,
}

/// What was found under the names.
#[derive(Debug, Clone, Copy)]
pub struct Found<'f> {
    pub dataset: &'f Dataset,
    pub model: Option<&'f Model>,
}

/// A kind of request.
trait JobRequestKind {
    type Checked;

    /// Checks the fields, each by itself and against each other, and expands what is given as parts.
    fn check(self) -> Result<Self::Checked, Vec<FieldError>>;
}

/// A request whose fields are each valid.
trait Checked {
    type Spec;

    fn names(&self) -> Names<'_>;

    /// Holds it against what it names, and fills in what it leaves open.
    fn resolve(self, found: &Found<'_>) -> Result<Self::Spec, Vec<FieldError>>;
}

/// What the rest of the program needs to know of a spec of any kind. The defaults are those of a job
/// that runs as one process.
trait JobSpecKind {
    /// For people.
    fn name(&self) -> &str;

    /// The training that this job is.
    fn train(&self) -> Option<&TrainSpec> {
        None
    }

    /// The trainings that are queued with the job, by slot. A job that has some runs no process: the
    /// coordinator advances it.
    fn plan(&self) -> &[Candidate] {
        &[]
    }

    fn set_plan(&mut self, _plan: Vec<Candidate>) {}

    /// What a job with a plan does next.
    fn next(&self, _composite: &CompositeJob, _transition: &mut Transition) {}
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident($name:literal): $request:ident, $checked:ident, $spec:ident;)+) => {
        /// What `POST /v1/jobs` takes.
        #[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        pub enum JobRequest {
            $($(#[doc = $doc])+ $kind(Box<$request>),)+
        }

        /// A request whose fields are each valid; made by [`JobRequest::check`] alone.
        #[derive(Debug, Clone)]
        pub enum CheckedRequest {
            $($kind(Box<$checked>),)+
        }

        /// A job with every value settled. Serialised, it is the job's `order` as the API shows it;
        /// [`JobSpec::write`] gives the form that is stored.
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

            /// Checks the fields, each by itself and against each other.
            pub fn check(self) -> Result<CheckedRequest, Vec<FieldError>> {
                match self {
                    $(Self::$kind(request) => request.check().map(Box::new).map(CheckedRequest::$kind),)+
                }
            }
        }

        impl CheckedRequest {
            /// What must be looked up before the request can be resolved.
            pub fn names(&self) -> Names<'_> {
                match self {
                    $(Self::$kind(request) => request.names(),)+
                }
            }

            /// Holds the request against what it names, and fills in what it leaves open.
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
    /// Train several and rank them.
    Compare("compare"): CompareRequest, CheckedCompare, CompareSpec;
    /// Train with values drawn from ranges and keep the best.
    Search("search"): SearchRequest, CheckedSearch, SearchSpec;
    /// Learn on from a stored model.
    Finetune("finetune"): FinetuneRequest, CheckedFinetune, FinetuneSpec;
    /// Forecast the past and compare with what came.
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
    /// Reads a request. Each kind is read by its own type, for serde's tagged enums lose the place of
    /// a mistake.
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
    /// For people.
    pub fn name(&self) -> &str {
        self.inner().name()
    }

    /// The job runs others and waits for them; no worker claims it.
    pub fn coordinates(&self) -> bool {
        !self.inner().plan().is_empty()
    }

    /// The training that this job is; `None` for the other kinds.
    pub fn train(&self) -> Option<&TrainSpec> {
        self.inner().train()
    }

    /// The trainings that are queued with the job, by slot.
    pub fn plan(&self) -> &[Candidate] {
        self.inner().plan()
    }

    /// The jobs that are queued with this one. `None` where the spec was stored by version 1, which
    /// kept the trainings in the children's rows alone.
    pub fn children(&self) -> Option<Vec<NewChildJob>> {
        let child = |(slot, candidate): (u32, &Candidate)| {
            let train = candidate.train.clone()?;
            Some(NewChildJob { slot, name: train.name.clone(), order: Self::from(train) })
        };
        (0..).zip(self.plan()).map(child).collect()
    }

    /// What a job that runs others does next.
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
