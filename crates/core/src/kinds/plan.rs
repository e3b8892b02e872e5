//! The trainings that a job runs, as stored in its spec.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{TrainRequest, TrainSpec};
use crate::composite_job::ChildJob;
use crate::resolve::{FieldError, fields};

/// The maximum number of trainings per job.
pub const MOST_CHILDREN: usize = 500;

/// The maximum length of a job's name, in characters.
const LONGEST_NAME: usize = 200;

/// A training that is queued with the job. Its index in the plan is the child's slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// A comparison's variant: trainings with the same name differ only in their seed.
    pub name: String,
    /// The seed, if a comparison has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// `None` only in specs stored by version 1, which kept the training in the child's row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<TrainSpec>,
}

impl Candidate {
    /// Returns the training from the plan or, failing that, from the child.
    pub(super) fn training<'c>(&'c self, child: &'c ChildJob) -> Option<&'c TrainSpec> {
        self.train.as_ref().or_else(|| child.job.order.as_ref()?.train())
    }
}

/// Reads a training request that is part of another request, and checks its fields.
pub(super) fn read_training(value: &Value, place: &str) -> Result<TrainRequest, Vec<FieldError>> {
    fields::read(value).map_err(|errors| within(place, errors))
}

/// Prefixes the errors' pointers with their place in the whole request.
pub(super) fn within(place: &str, errors: Vec<FieldError>) -> Vec<FieldError> {
    let placed = |error: FieldError| FieldError::new(format!("{place}{}", error.pointer), error.detail);
    errors.into_iter().map(placed).collect()
}

pub(super) fn error(pointer: impl Into<String>, detail: impl Into<String>) -> Vec<FieldError> {
    vec![FieldError::new(pointer, detail)]
}

/// Truncates a name to the maximum length of a job's name.
pub(super) fn short(name: String) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => name.get(..end).unwrap_or_default().to_owned(),
        None => name,
    }
}
