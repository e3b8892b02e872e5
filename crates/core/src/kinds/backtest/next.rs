//! The next step of a backtest with refits.
//!
//! Fold `f` has two children: the training in slot `f` and, once the training has produced a model, that model's
//! single-fold backtest in slot `folds + f`.

use std::collections::BTreeMap;

use super::{BacktestSpec, ModelBacktest, RefitBacktest};
use crate::backtest::{BacktestResult, RefittedFold};
use crate::composite_job::{ChildJob, CompositeJob, NewChildJob, Outcome, Transition};
use crate::job::JobError;
use crate::kinds::JobSpec;
use crate::result::JobResult;

pub(super) fn next(spec: &RefitBacktest, composite: &CompositeJob, transition: &mut Transition) {
    let folds = spec.ends.len().max(1);
    let children: BTreeMap<usize, &ChildJob> =
        composite.children.iter().map(|child| (child.slot as usize, child)).collect();
    let parts = composite.children.iter().map(|child| match child.job.status.is_final() {
        true => 1.0,
        false => child.job.progress,
    });
    transition.progress = (parts.sum::<f64>() / (2 * folds) as f64).min(1.0);
    for (fold, until) in spec.ends.iter().enumerate() {
        let model = children.get(&fold).and_then(|child| child.job.model);
        let (Some(model), false) = (model, children.contains_key(&(folds + fold))) else { continue };
        let name = format!("{}: fold {fold}", composite.parent.name);
        let backtest = ModelBacktest {
            name: name.chars().take(200).collect(),
            model,
            dataset: composite.parent.dataset,
            folds: 1,
            step: spec.step,
            gap: spec.gap,
            horizon: spec.horizon,
            until: Some(*until),
        };
        let slot = u32::try_from(folds + fold).unwrap_or(u32::MAX);
        transition.spawn.push(NewChildJob {
            slot,
            name,
            order: JobSpec::Backtest(Box::new(BacktestSpec::Model(backtest))),
        });
    }
    if composite.is_over() && transition.spawn.is_empty() {
        transition.end = Some(conclude(spec, folds, &children));
    }
}

fn conclude(spec: &RefitBacktest, folds: usize, children: &BTreeMap<usize, &ChildJob>) -> Outcome {
    let fold = |fold: usize| {
        let (training, backtest) = (children.get(&fold), children.get(&(folds + fold)));
        let result = match backtest.and_then(|child| child.job.result.as_ref()) {
            Some(JobResult::Backtest(result)) => Some(result.as_ref()),
            _ => None,
        };
        RefittedFold {
            job: backtest.map(|child| child.job.id),
            model: training.and_then(|child| child.job.model),
            error: backtest.or(training).and_then(|child| child.job.error.clone()),
            result,
        }
    };
    let of_folds: Vec<RefittedFold<'_>> = (0..folds).map(fold).collect();
    let Some(result) = BacktestResult::of_refits(&of_folds, Some(spec.step)) else {
        let first = of_folds.iter().find_map(|fold| fold.error.as_ref()).map(|error| error.detail.as_str());
        let detail = format!("no fold has a result; first error: {}", first.unwrap_or("cancelled"));
        return Outcome::Failed { error: JobError { code: "all_children_failed".to_owned(), detail }, result: None };
    };
    Outcome::Succeeded { result: Box::new(JobResult::Backtest(Box::new(result))), model: None, alias: None }
}
