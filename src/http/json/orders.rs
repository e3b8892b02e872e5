//! Orders, kind by kind. Parts of a training order that stand within another are merged and read as
//! the training order they make, so that their mistakes are named like any other's.

use garde::Validate;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{FieldError, OBJECTS, Problem, checked, field, fields};
use gatecast_core::order::{BacktestOrder, CompareOrder, JobSpec, MOST_CHILDREN, Range, SearchOrder, TrainSpec};

pub(super) const KINDS: &str = "`train`, `compare`, `search`, `finetune` or `backtest`";

/// Reads an order from its fields, `kind` taken out.
pub(super) fn read(kind: &str, whole: Value) -> Result<JobSpec, Problem> {
    match kind {
        "train" => training(whole).map(|order| JobSpec::Train(Box::new(order))).map_err(Problem::invalid_fields),
        "compare" => compare(whole).map_err(Problem::invalid_fields),
        "search" => search(whole).map_err(Problem::invalid_fields),
        "finetune" => shaped(whole).map(|order| JobSpec::Finetune(Box::new(order))).map_err(Problem::invalid_fields),
        "backtest" => backtest(whole).map_err(Problem::invalid_fields),
        _ => Err(field("/kind", format!("`{kind}` is not a kind of job: expected {KINDS}"))),
    }
}

fn compare(whole: Value) -> Result<JobSpec, Vec<FieldError>> {
    let order: CompareOrder = shaped(whole)?;
    within("/base", training(order.base.clone()))?;
    for (at, variant) in order.variants.iter().enumerate() {
        if !variant.is_object() {
            return Err(vec![problem(format!("/variants/{at}"), "expected an object: a part of a training order")]);
        }
    }
    if order.size() > MOST_CHILDREN {
        let detail = format!("the order asks for {} trainings; at most {MOST_CHILDREN} are taken", order.size());
        return Err(vec![problem("", detail)]);
    }
    for contender in order.contenders() {
        within(&contender.pointer, training(contender.order))?;
    }
    Ok(JobSpec::Compare(Box::new(order)))
}

fn search(whole: Value) -> Result<JobSpec, Vec<FieldError>> {
    let order: SearchOrder = shaped(whole)?;
    within("/base", training(order.base.clone()))?;
    let unsound = |(at, range): (usize, &Range)| Some(problem(format!("/ranges/{at}"), range.draw().err()?));
    let faults: Vec<FieldError> = order.ranges.iter().enumerate().filter_map(unsound).collect();
    if faults.is_empty() { Ok(JobSpec::Search(Box::new(order))) } else { Err(faults) }
}

fn backtest(whole: Value) -> Result<JobSpec, Vec<FieldError>> {
    let order: BacktestOrder = shaped(whole)?;
    match (&order.model, &order.order) {
        (Some(_), None) => {}
        (None, Some(training_order)) => drop(within("/order", training(training_order.clone()))?),
        (None, None) => {
            return Err(vec![problem("/model", "the field is missing: give `model`, or `order` to train one a fold")]);
        }
        (Some(_), Some(_)) => return Err(vec![problem("/order", "give `model` or `order`, not both")]),
    }
    Ok(JobSpec::Backtest(Box::new(order)))
}

/// A training order without its `kind`.
fn training(whole: Value) -> Result<TrainSpec, Vec<FieldError>> {
    if let Some(pointer) = OBJECTS.iter().find(|&&at| whole.pointer(at).is_some_and(Value::is_array)) {
        return Err(vec![problem(*pointer, "expected an object, found a list")]);
    }
    shaped(whole)
}

fn shaped<T: DeserializeOwned + Validate<Context = ()>>(whole: Value) -> Result<T, Vec<FieldError>> {
    if !whole.is_object() {
        return Err(vec![problem("", "expected an object")]);
    }
    checked(fields::<T, _>(whole).map_err(|fault| vec![fault])?)
}

/// The same faults, at their place in the body.
fn within<T>(place: &str, read: Result<T, Vec<FieldError>>) -> Result<T, Vec<FieldError>> {
    read.map_err(|faults| {
        let placed = |fault: FieldError| FieldError { pointer: format!("{place}{}", fault.pointer), ..fault };
        faults.into_iter().map(placed).collect()
    })
}

fn problem(pointer: impl Into<String>, detail: impl Into<String>) -> FieldError {
    FieldError { pointer: pointer.into(), detail: detail.into() }
}
