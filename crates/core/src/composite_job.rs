//! A job that runs others: what it does next, as a function of how its children stand.
//!
//! [`next`] is pure and says all that is to be done at once; the store does it in one transaction
//! under the lock of the parent's row. So a step happens whole or not at all, may be computed by
//! any server at any time, and computed twice it does nothing twice. The parent needs no worker, no
//! lease and no memory but its row and its children's.

use std::collections::BTreeMap;

use super::alias::AliasName;
use super::ids::{JobId, ModelId};
use super::job::{Job, JobError, JobStatus};
use super::kinds::JobSpec;
use super::metric_name::MetricName;
use super::metric_values::Baselines;
use super::result::JobResult;

/// A parent and its children, by slot.
#[derive(Debug, Clone, PartialEq)]
pub struct CompositeJob {
    pub parent: Job,
    pub children: Vec<ChildJob>,
    /// By the clock that leases are measured with.
    pub now: jiff::Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ChildJob {
    /// Its place in the parent's order: no two children share one.
    pub slot: u32,
    pub job: Job,
    /// Of its model.
    pub parameters: Option<u64>,
}

/// A child about to be queued.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChildJob {
    pub slot: u32,
    pub name: String,
    pub order: JobSpec,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transition {
    /// The parent begins to run.
    pub start: bool,
    /// From 0 to 1.
    pub progress: f64,
    pub spawn: Vec<NewChildJob>,
    /// Children to cancel.
    pub stop: Vec<JobId>,
    pub end: Option<Outcome>,
    /// When time alone changes what is to be done.
    pub deadline: Option<jiff::Timestamp>,
}

/// How a parent ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Succeeded { result: Box<JobResult>, model: Option<ModelId>, alias: Option<AliasName> },
    Failed { error: JobError, result: Option<Box<JobResult>> },
    Cancelled,
}

impl CompositeJob {
    /// Every child has ended.
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
    // The store ends a parent whose order cannot be read.
    if let Some(order) = &composite.parent.order {
        order.next(composite, &mut transition);
    }
    transition
}

/// Of the first child in the order's order that has them, whichever ended first.
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
