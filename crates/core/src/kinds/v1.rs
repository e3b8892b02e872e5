//! Specs as stored before they had a version: the request, with the fields that the server filled in.
//!
//! Their JSON is that of version 2 except for the plan. Version 1 kept the trainings of a job that runs others only
//! in its children's rows, so a plan read from version 1 contains only their names.

use serde::Deserialize;
use serde_json::Value;

use super::plan::Candidate;
use super::stored::tolerant;
use super::{CompareRequest, JobKind};
use crate::spec_error::SpecError;

/// The plan of a job, as far as version 1 stored it.
pub(super) fn plan(kind: JobKind, fields: &Value) -> Result<Vec<Candidate>, SpecError> {
    match kind {
        JobKind::Train | JobKind::Finetune => Ok(Vec::new()),
        JobKind::Compare => {
            let request: CompareRequest = tolerant(fields)?;
            let of = |one: super::compare::Combination| Candidate { name: one.name, seed: one.seed, train: None };
            Ok(request.combinations().into_iter().map(of).collect())
        }
        JobKind::Search => Ok(numbered("trial", tolerant::<Counted>(fields)?.trials.len())),
        JobKind::Backtest => Ok(numbered("fold", tolerant::<Counted>(fields)?.ends.len())),
    }
}

/// The fields with one item per training.
#[derive(Deserialize)]
struct Counted {
    #[serde(default)]
    trials: Vec<Value>,
    #[serde(default)]
    ends: Vec<Value>,
}

fn numbered(what: &str, count: usize) -> Vec<Candidate> {
    (0..count).map(|at| Candidate { name: format!("{what} {at}"), seed: None, train: None }).collect()
}
