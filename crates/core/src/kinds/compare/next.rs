//! The next step of a comparison: wait for all trainings, then rank them.

use std::collections::BTreeMap;

use super::CompareSpec;
use crate::alias::AliasName;
use crate::composite_job::{ChildJob, CompositeJob, Outcome, Transition, baselines, none_succeeded};
use crate::job::JobStatus;
use crate::kinds::plan::Candidate;
use crate::leaderboard::{BoardChild, Leaderboard};
use crate::result::JobResult;

pub(super) fn next(spec: &CompareSpec, composite: &CompositeJob, transition: &mut Transition) {
    if !composite.is_over() {
        return;
    }
    let children: BTreeMap<u32, &ChildJob> = composite.children.iter().map(|child| (child.slot, child)).collect();
    let mut variants: Vec<(String, Vec<BoardChild>)> = Vec::new();
    for (slot, candidate) in (0..).zip(&spec.plan) {
        let Some(child) = children.get(&slot) else { continue };
        let entry = board_child(candidate, child, spec);
        match variants.last_mut() {
            Some((variant, entries)) if *variant == candidate.name => entries.push(entry),
            _ => variants.push((candidate.name.clone(), vec![entry])),
        }
    }
    let mut board = Leaderboard::new(spec.metric, variants, baselines(&children));
    // The naive forecast's errors are in the data's units and depend on the evaluated windows alone.
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
    transition.end = Some(conclude(board, spec.alias.clone(), &children));
}

fn board_child(candidate: &Candidate, child: &ChildJob, spec: &CompareSpec) -> BoardChild {
    let job = &child.job;
    let metrics = job.metrics.as_ref().map(|metrics| metrics.model.clone());
    let seconds = job.started_at.zip(job.finished_at).map(|(from, to)| to.duration_since(from).as_secs_f64());
    BoardChild {
        job: job.id,
        seed: candidate.training(child).map_or(0, |train| train.training.seed),
        status: job.status,
        value: metrics.as_ref().and_then(|metrics| spec.metric.of(metrics)),
        model: job.model,
        seconds,
        parameters: child.parameters,
        metrics,
        error: job.error.clone().filter(|_| job.status == JobStatus::Failed),
    }
}

/// A failed child is shown with its error. The parent fails only if no child is left to rank.
fn conclude(board: Leaderboard, alias: Option<AliasName>, children: &BTreeMap<u32, &ChildJob>) -> Outcome {
    if board.winner.is_some() {
        let model = board.model;
        return Outcome::Succeeded { result: Box::new(JobResult::Compare(board)), model, alias };
    }
    let error = none_succeeded(children, &board.metric);
    Outcome::Failed { error, result: Some(Box::new(JobResult::Compare(board))) }
}
