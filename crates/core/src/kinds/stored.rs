//! The stored form of specs: versioned JSON.
//!
//! Reading ignores unknown fields, because a newer program may have added them without changing the version. A change
//! that an older program cannot ignore increments [`VERSION`].

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::plan::Candidate;
use super::{JobKind, JobSpec, v1};
use crate::reader;
use crate::spec_error::SpecError;

/// The version that this program writes, and the newest that it reads. Rows without a version have version 1.
pub const VERSION: u64 = 2;

#[derive(Serialize)]
struct Stored<'s> {
    version: u64,
    #[serde(flatten)]
    spec: &'s JobSpec,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    plan: &'s [Candidate],
}

impl JobSpec {
    /// Returns the stored form.
    pub fn write(&self) -> Result<String, SpecError> {
        let stored = Stored { version: VERSION, spec: self, plan: self.plan() };
        serde_json::to_string(&stored).map_err(|error| SpecError::Damaged(error.to_string()))
    }

    /// Reads what [`Self::write`] or version 1 wrote.
    pub fn read(text: &str) -> Result<Self, SpecError> {
        let mut value: Value = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        let fields = value.as_object_mut().ok_or_else(|| damaged("expected an object"))?;
        let version = version(fields)?;
        let kind = match fields.remove("kind") {
            Some(Value::String(kind)) => {
                let unknown = || damaged(format!("`{kind}` is not a kind of job that this program knows"));
                JobKind::of(&kind).ok_or_else(unknown)?
            }
            // The first version wrote no kind: trainings were the only one.
            None if version == 1 => JobKind::Train,
            _ => return Err(damaged("`kind` is not a text")),
        };
        let plan: Vec<Candidate> = match fields.remove("plan") {
            Some(plan) => tolerant(&plan)?,
            None if version == 1 => v1::plan(kind, &value)?,
            None => Vec::new(),
        };
        let mut spec = Self::read_kind(kind, &value).map_err(|misfit| damaged(misfit.to_string()))?;
        spec.inner_mut().set_plan(plan);
        Ok(spec)
    }
}

fn version(fields: &mut Map<String, Value>) -> Result<u64, SpecError> {
    match fields.remove("version").map(|version| version.as_u64()) {
        None => Ok(1),
        Some(Some(version @ 1..=VERSION)) => Ok(version),
        Some(Some(found)) if found > VERSION => Err(SpecError::Newer { found, newest: VERSION }),
        Some(_) => Err(damaged("`version` is not a version")),
    }
}

pub(super) fn tolerant<T: DeserializeOwned>(value: &Value) -> Result<T, SpecError> {
    reader::read_stored(value).map_err(|misfit| damaged(misfit.to_string()))
}

fn damaged(detail: impl Into<String>) -> SpecError {
    SpecError::Damaged(detail.into())
}
