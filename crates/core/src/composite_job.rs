//! A job that runs others: what it does next, as a function of how its children stand.
//!
//! [`next`] is pure and says all that is to be done at once; the store does it in one transaction
//! under the lock of the parent's row. So a step happens whole or not at all, may be computed by
//! any server at any time, and computed twice it does nothing twice. The parent needs no worker, no
//! lease and no memory but its row and its children's.

mod backtest;
mod search;

use std::collections::BTreeMap;

use super::alias::AliasName;
use super::ids::{JobId, ModelId};
use super::job::{Job, JobError, JobStatus};
use super::leaderboard::{BoardChild, Leaderboard};
use super::metric_name::MetricName;
use super::metric_values::Baselines;
use super::order::{CompareOrder, JobSpec};
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
    /// Children that shall not go on.
    pub stop: Vec<JobId>,
    pub end: Option<Outcome>,
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

    fn progress(&self) -> f64 {
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
    match &composite.parent.order {
        JobSpec::Compare(order) => compare(order, composite, &mut transition),
        JobSpec::Search(order) => search::next(order, composite, &mut transition),
        JobSpec::Backtest(order) => backtest::next(order, composite, &mut transition),
        JobSpec::Train(_) | JobSpec::Finetune(_) => {}
    }
    transition
}

fn compare(order: &CompareOrder, composite: &CompositeJob, transition: &mut Transition) {
    if !composite.is_over() {
        return;
    }
    let children: BTreeMap<u32, &ChildJob> = composite.children.iter().map(|child| (child.slot, child)).collect();
    let mut variants: Vec<(String, Vec<BoardChild>)> = Vec::new();
    for (slot, contender) in (0..).zip(order.contenders()) {
        let Some(child) = children.get(&slot) else { continue };
        let entry = board_child(child, order);
        match variants.last_mut() {
            Some((variant, entries)) if *variant == contender.variant => entries.push(entry),
            _ => variants.push((contender.variant, vec![entry])),
        }
    }
    let mut board = Leaderboard::new(order.metric, variants, baselines(&children));
    // The naive forecast's errors, in the data's units, tell windows apart and nothing else.
    let naive = |child: &ChildJob| {
        let naive = &child.job.metrics.as_ref()?.baselines.naive;
        Some([&naive.validation, &naive.test].map(|part| part.as_ref().map(|part| part.mae)))
    };
    let mut judged = children.values().filter_map(|child| naive(child));
    let first = judged.next();
    if judged.any(|other| Some(other) != first) {
        board.notes.push(
            "the variants were not all judged on the same windows: some need more points before the first one"
                .to_owned(),
        );
    }
    transition.end = Some(conclude(board, order.alias.clone(), &children));
}

fn board_child(child: &ChildJob, order: &CompareOrder) -> BoardChild {
    let job = &child.job;
    let metrics = job.metrics.as_ref().map(|metrics| metrics.model.clone());
    let seconds = job.started_at.zip(job.finished_at).map(|(from, to)| to.duration_since(from).as_secs_f64());
    BoardChild {
        job: job.id,
        seed: job.order.train().map_or(0, |order| order.training.seed),
        status: job.status,
        value: metrics.as_ref().and_then(|metrics| order.metric.of(metrics)),
        model: job.model,
        seconds,
        parameters: child.parameters,
        metrics,
        error: job.error.clone().filter(|_| job.status == JobStatus::Failed),
    }
}

/// A child that failed is shown with its error; only where none is left to rank has the parent
/// failed too.
fn conclude(board: Leaderboard, alias: Option<AliasName>, children: &BTreeMap<u32, &ChildJob>) -> Outcome {
    if board.winner.is_some() {
        let model = board.model;
        return Outcome::Succeeded { result: Box::new(JobResult::Compare(board)), model, alias };
    }
    let error = none_succeeded(children, &board.metric);
    Outcome::Failed { error, result: Some(Box::new(JobResult::Compare(board))) }
}

/// Of the first child in the order's order that has them, whichever ended first.
fn baselines(children: &BTreeMap<u32, &ChildJob>) -> Option<Baselines> {
    children.values().find_map(|child| child.job.metrics.as_ref()).map(|metrics| metrics.baselines.clone())
}

fn none_succeeded(children: &BTreeMap<u32, &ChildJob>, metric: &MetricName) -> JobError {
    let detail = match children.values().find_map(|child| child.job.error.as_ref()) {
        Some(first) => {
            format!("none of its {} trainings succeeded; the first failed of: {}", children.len(), first.detail)
        }
        None => format!(
            "none of its {} trainings gave the metric {}: they were cancelled, or have no such part",
            children.len(),
            metric
        ),
    };
    JobError { code: "all_children_failed".to_owned(), detail }
}
