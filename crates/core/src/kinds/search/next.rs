//! The next step of a search.
//!
//! A trial's training in rung `r` has the slot `r × trials + trial`. A rung starts when the previous one has ended.
//! Its trials are trained from scratch with more epochs, so they do not depend on where a checkpoint of the previous
//! rung is stored.

use std::collections::BTreeMap;

use super::SearchSpec;
use crate::composite_job::{ChildJob, CompositeJob, NewChildJob, Outcome, Transition, baselines, none_succeeded};
use crate::job::{JobError, JobStatus};
use crate::kinds::JobSpec;
use crate::leaderboard::{Drawn, SearchBoard, Trial};
use crate::result::JobResult;

pub(super) fn next(spec: &SearchSpec, composite: &CompositeJob, transition: &mut Transition) {
    let children: BTreeMap<u32, &ChildJob> = composite.children.iter().map(|child| (child.slot, child)).collect();
    let spent = is_spent(spec, composite);
    transition.deadline = deadline(spec, composite).filter(|_| !spent);
    transition.progress = progress(spec, composite);
    if spent {
        let open =
            composite.children.iter().filter(|child| !child.job.status.is_final() && !child.job.cancel_requested);
        transition.stop = open.map(|child| child.job.id).collect();
    }
    if !composite.is_over() {
        return;
    }
    let reached = children.keys().next_back().map_or(0, |slot| *slot as usize / trials(spec));
    if !spent && reached + 1 < spec.rungs.len() {
        transition.spawn = rung(spec, &children, reached + 1);
    }
    if transition.spawn.is_empty() {
        transition.end = Some(conclude(spec, composite, &children));
    }
}

fn trials(spec: &SearchSpec) -> usize {
    spec.trials.len().max(1)
}

/// When the time budget ends. `None` before the first trial starts, and if there is no limit.
fn deadline(spec: &SearchSpec, composite: &CompositeJob) -> Option<jiff::Timestamp> {
    let seconds = jiff::SignedDuration::try_from_secs_f64(spec.budget.seconds?).ok()?;
    composite.parent.started_at?.checked_add(seconds).ok()
}

/// Whether the time budget is spent.
fn is_spent(spec: &SearchSpec, composite: &CompositeJob) -> bool {
    let since = composite.parent.started_at.map(|started| composite.now.duration_since(started).as_secs_f64());
    since.zip(spec.budget.seconds).is_some_and(|(since, most)| since >= most)
}

/// The trainings of a rung: the best of the previous rung, with more epochs.
fn rung(spec: &SearchSpec, children: &BTreeMap<u32, &ChildJob>, rung: usize) -> Vec<NewChildJob> {
    let before = rung - 1;
    let mut ranked: Vec<(f64, usize)> = (0..trials(spec))
        .filter_map(|trial| Some((value(spec, children.get(&slot(spec, before, trial))?)?, trial)))
        .collect();
    // Ties are broken by trial number.
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let ran = (0..trials(spec)).filter(|&trial| children.contains_key(&slot(spec, before, trial))).count();
    ranked.truncate(spec.method.survivors(ran));
    ranked.sort_by_key(|(_, trial)| *trial);
    let again = |(_, trial): (f64, usize)| {
        let child = children.get(&slot(spec, before, trial))?;
        let mut training = spec.plan.get(trial)?.training(child)?.clone();
        training.training.epochs = *spec.rungs.get(rung)?;
        let first = first_name(&children.get(&slot(spec, 0, trial))?.job.name);
        let name = format!("{first}, {} epochs", training.training.epochs);
        training.name.clone_from(&name);
        Some(NewChildJob { slot: slot(spec, rung, trial), name, order: JobSpec::from(training) })
    };
    ranked.into_iter().filter_map(again).collect()
}

/// The trial's name, cut so that the epochs of a later rung can be appended.
fn first_name(name: &str) -> String {
    name.chars().take(180).collect()
}

fn slot(spec: &SearchSpec, rung: usize, trial: usize) -> u32 {
    u32::try_from(rung * trials(spec) + trial).unwrap_or(u32::MAX)
}

fn value(spec: &SearchSpec, child: &ChildJob) -> Option<f64> {
    spec.metric.of(&child.job.metrics.as_ref()?.model)
}

/// The fraction of the epochs of all rungs that is done.
fn progress(spec: &SearchSpec, composite: &CompositeJob) -> f64 {
    let epochs = |rung: usize| f64::from(spec.rungs.get(rung).copied().unwrap_or_default());
    let (mut all, mut left) = (0.0, trials(spec));
    for rung in 0..spec.rungs.len() {
        all += left as f64 * epochs(rung);
        left = spec.method.survivors(left);
    }
    let done: f64 = composite
        .children
        .iter()
        .map(|child| {
            let part = if child.job.status.is_final() { 1.0 } else { child.job.progress };
            part * epochs(child.slot as usize / trials(spec))
        })
        .sum();
    if all > 0.0 { (done / all).min(1.0) } else { 0.0 }
}

fn conclude(spec: &SearchSpec, composite: &CompositeJob, children: &BTreeMap<u32, &ChildJob>) -> Outcome {
    let mut rows: Vec<Trial> = Vec::new();
    for trial in 0..trials(spec) {
        let ran: Vec<(usize, &&ChildJob)> =
            (0..spec.rungs.len()).filter_map(|rung| Some((rung, children.get(&slot(spec, rung, trial))?))).collect();
        // The trial's latest metric. If its last rung was cut off, that is the one of the rung before.
        let best = ran.iter().rev().find(|(_, child)| value(spec, child).is_some());
        let Some(&(rung, child)) = best.or(ran.last()) else { continue };
        let drawn = spec.ranges.iter().zip(spec.trials.get(trial).into_iter().flatten());
        let failed = ran.last().map_or(child, |(_, child)| child);
        rows.push(Trial {
            rank: None,
            trial: u32::try_from(trial).unwrap_or(u32::MAX),
            drawn: drawn.map(|(range, value)| Drawn { path: range.path.clone(), value: value.clone() }).collect(),
            rung: u32::try_from(rung).unwrap_or(u32::MAX),
            epochs: spec.rungs.get(rung).copied().unwrap_or_default(),
            value: value(spec, child),
            job: child.job.id,
            jobs: ran.iter().map(|(_, child)| child.job.id).collect(),
            model: child.job.model,
            parameters: child.parameters,
            status: failed.job.status,
            error: failed.job.error.clone().filter(|_| failed.job.status == JobStatus::Failed),
        });
    }
    let board = SearchBoard::new(spec.metric, spec.rungs.clone(), rows, baselines(children), is_spent(spec, composite));
    if board.winner.is_none() {
        let error: JobError = none_succeeded(children, &board.metric);
        return Outcome::Failed { error, result: Some(Box::new(JobResult::Search(board))) };
    }
    let model = board.model;
    Outcome::Succeeded { result: Box::new(JobResult::Search(board)), model, alias: spec.alias.clone() }
}
