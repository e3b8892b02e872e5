//! The trainings that a job runs, as its spec holds them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{TrainRequest, TrainSpec};
use crate::composite_job::ChildJob;
use crate::resolve::{FieldError, fields};

/// The most trainings that one job may run.
pub const MOST_CHILDREN: usize = 500;

/// The longest name of a job, in characters.
const LONGEST_NAME: usize = 200;

/// A training that is queued with the job; its place in the plan is the child's slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// A comparison's variant: its trainings differ in their seed alone.
    pub name: String,
    /// Where a comparison gives several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// `None` only in specs stored by version 1, whose children's rows hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<TrainSpec>,
}

impl Candidate {
    /// The training, from the plan or else from the child that was made of it.
    pub(super) fn training<'c>(&'c self, child: &'c ChildJob) -> Option<&'c TrainSpec> {
        self.train.as_ref().or_else(|| child.job.order.as_ref()?.train())
    }
}

/// Reads a training request that is a part of another request, and checks its fields.
pub(super) fn read_training(value: &Value, place: &str) -> Result<TrainRequest, Vec<FieldError>> {
    fields::read(value).map_err(|errors| within(place, errors))
}

/// The same errors, at their place in the whole request.
pub(super) fn within(place: &str, errors: Vec<FieldError>) -> Vec<FieldError> {
    let placed = |error: FieldError| FieldError::new(format!("{place}{}", error.pointer), error.detail);
    errors.into_iter().map(placed).collect()
}

pub(super) fn error(pointer: impl Into<String>, detail: impl Into<String>) -> Vec<FieldError> {
    vec![FieldError::new(pointer, detail)]
}

/// Cut to the longest name of a job.
pub(super) fn short(name: String) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => name.get(..end).unwrap_or_default().to_owned(),
        None => name,
    }
}
