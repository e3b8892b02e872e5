//! Composite jobs: jobs that run other jobs. The next step is a function of the states of the children.
//!
//! [`next`] is pure and returns all changes at once. The store applies them in one transaction while it holds the
//! lock on the parent's row, so a step is applied completely or not at all. Any server may compute a step at any
//! time, and applying it twice has no further effect. The parent needs no worker and no lease; its only state is its
//! own row and its children's.

use std::collections::BTreeMap;

use super::alias::AliasName;
use super::ids::{JobId, ModelId};
use super::job::{Job, JobError, JobStatus};
use super::kinds::JobSpec;
use super::metric_name::MetricName;
use super::metric_values::Baselines;
use super::result::JobResult;

/// A parent and its children by slot.
#[derive(Debug, Clone, PartialEq)]
pub struct CompositeJob {
    pub parent: Job,
    pub children: Vec<ChildJob>,
    /// The time by the clock that leases use.
    pub now: jiff::Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ChildJob {
    /// The child's position in the parent's spec, unique among the children.
    pub slot: u32,
    pub job: Job,
    /// The number of parameters of the child's model.
    pub parameters: Option<u64>,
}

/// A child to be queued.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChildJob {
    pub slot: u32,
    pub name: String,
    pub order: JobSpec,
}

/// The changes to apply.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transition {
    /// Whether to set the parent to `running`.
    pub start: bool,
    /// From 0 to 1.
    pub progress: f64,
    pub spawn: Vec<NewChildJob>,
    /// Children to cancel.
    pub stop: Vec<JobId>,
    pub end: Option<Outcome>,
    /// When the next step must be computed even if no child changes.
    pub deadline: Option<jiff::Timestamp>,
}

/// The outcome of a parent.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Succeeded { result: Box<JobResult>, model: Option<ModelId>, alias: Option<AliasName> },
    Failed { error: JobError, result: Option<Box<JobResult>> },
    Cancelled,
}

impl CompositeJob {
    /// Whether every child has ended.
    pub fn is_over(&self) -> bool {
        self.children.iter().all(|child| child.job.status.is_final())
    }

    pub(crate) fn progress(&self) -> f64 {
        let of = |child: &ChildJob| if child.job.status.is_final() { 1.0 } else { child.job.progress };
        let sum: f64 = self.children.iter().map(of).sum();
        if self.children.is_empty() { 0.0 } else { sum / self.children.len() as f64 }
    }
}

/// The next step of a parent that has not ended.
pub fn next(composite: &CompositeJob) -> Transition {
    let begun = composite.children.iter().any(|child| child.job.status != JobStatus::Queued);
    let mut transition = Transition {
        start: composite.parent.status == JobStatus::Queued && begun,
        progress: composite.progress(),
        ..Transition::default()
    };
    if composite.parent.cancel_requested {
        transition.end = composite.is_over().then_some(Outcome::Cancelled);
        return transition;
    }
    // The store ends a parent whose spec cannot be read.
    if let Some(order) = &composite.parent.order {
        order.next(composite, &mut transition);
    }
    transition
}

/// The baselines of the first child, by slot, that has them. They do not depend on which child ended first.
pub(crate) fn baselines(children: &BTreeMap<u32, &ChildJob>) -> Option<Baselines> {
    children.values().find_map(|child| child.job.metrics.as_ref()).map(|metrics| metrics.baselines.clone())
}

pub(crate) fn none_succeeded(children: &BTreeMap<u32, &ChildJob>, metric: &MetricName) -> JobError {
    let detail = match children.values().find_map(|child| child.job.error.as_ref()) {
        Some(first) => {
            format!("none of its {} trainings succeeded; first error: {}", children.len(), first.detail)
        }
        None => format!(
            "none of its {} trainings gave the metric {}: they were cancelled, or have no such part",
            children.len(),
            metric
        ),
    };
    JobError { code: "all_children_failed".to_owned(), detail }
}
