//! What a backtest with refits does next.
//!
//! Fold `f` has two children: the training, slot `f`, and, once that has left a model, the model's
//! backtest on the one fold, slot `folds + f`.

use std::collections::BTreeMap;

use super::{ChildJob, CompositeJob, NewChildJob, Outcome, Transition};
use crate::alias::ModelRef;
use crate::backtest::{BacktestResult, FoldErrors, PointErrors, SeriesErrors, StepErrors};
use crate::job::JobError;
use crate::order::{BacktestOrder, JobSpec};
use crate::result::JobResult;

/// Series whose errors the result lists.
const LISTED: usize = 1_000;

pub(super) fn next(order: &BacktestOrder, composite: &CompositeJob, transition: &mut Transition) {
    let folds = order.ends.len().max(1);
    let children: BTreeMap<usize, &ChildJob> =
        composite.children.iter().map(|child| (child.slot as usize, child)).collect();
    let parts = composite.children.iter().map(|child| match child.job.status.is_final() {
        true => 1.0,
        false => child.job.progress,
    });
    transition.progress = (parts.sum::<f64>() / (2 * folds) as f64).min(1.0);
    for (fold, until) in order.ends.iter().enumerate() {
        let model = children.get(&fold).and_then(|child| child.job.model);
        let (Some(model), false) = (model, children.contains_key(&(folds + fold))) else { continue };
        let name = format!("{}: fold {fold}", composite.parent.name);
        let backtest = BacktestOrder {
            name: Some(name.chars().take(200).collect()),
            model: Some(ModelRef::Id(model)),
            order: None,
            dataset: Some(composite.parent.dataset),
            folds: 1,
            until: Some(*until),
            ends: Vec::new(),
            ..order.clone()
        };
        let slot = u32::try_from(folds + fold).unwrap_or(u32::MAX);
        transition.spawn.push(NewChildJob { slot, name, order: JobSpec::Backtest(Box::new(backtest)) });
    }
    if composite.is_over() && transition.spawn.is_empty() {
        transition.end = Some(conclude(order, folds, &children));
    }
}

fn conclude(order: &BacktestOrder, folds: usize, children: &BTreeMap<usize, &ChildJob>) -> Outcome {
    let mut found: Vec<&BacktestResult> = Vec::new();
    let mut of_folds = Vec::new();
    for fold in 0..folds {
        let (training, judged) = (children.get(&fold), children.get(&(folds + fold)));
        let result = match judged.and_then(|child| child.job.result.as_ref()) {
            Some(JobResult::Backtest(result)) => Some(result.as_ref()),
            _ => None,
        };
        found.extend(result);
        of_folds.push(FoldErrors {
            fold,
            job: judged.map(|child| child.job.id),
            model: training.and_then(|child| child.job.model),
            error: judged.or(training).and_then(|child| child.job.error.clone()).filter(|_| result.is_none()),
            errors: result.map(|result| result.overall.clone()).unwrap_or_default(),
        });
    }
    let Some(first) = found.first() else {
        let why = of_folds.iter().find_map(|fold| fold.error.as_ref()).map(|error| error.detail.as_str());
        let detail = format!("no fold could be judged; the first failed of: {}", why.unwrap_or("a cancel"));
        return Outcome::Failed { error: JobError { code: "all_children_failed".to_owned(), detail }, result: None };
    };
    let (mut steps, mut series) =
        (BTreeMap::<usize, Vec<&PointErrors>>::new(), BTreeMap::<&str, Vec<&PointErrors>>::new());
    for result in &found {
        result.by_step.iter().for_each(|found| steps.entry(found.step).or_default().push(&found.errors));
        result.by_series.iter().for_each(|found| series.entry(&found.series).or_default().push(&found.errors));
    }
    let over = |parts: &[&PointErrors]| PointErrors::over(parts.iter().copied());
    let result = BacktestResult {
        model: None,
        horizon: first.horizon,
        step: order.step.unwrap_or(first.horizon),
        gap: order.gap,
        overall: PointErrors::over(found.iter().map(|result| &result.overall)),
        seasonal_naive: PointErrors::over(found.iter().map(|result| &result.seasonal_naive)),
        by_step: steps.iter().map(|(step, parts)| StepErrors { step: *step, errors: over(parts) }).collect(),
        by_series: series
            .iter()
            .take(LISTED)
            .map(|(series, parts)| SeriesErrors { series: (*series).to_owned(), errors: over(parts) })
            .collect(),
        skipped: found.iter().map(|result| result.skipped).sum(),
        folds: of_folds,
        points: None,
    };
    Outcome::Succeeded { result: Box::new(JobResult::Backtest(Box::new(result))), model: None, alias: None }
}
