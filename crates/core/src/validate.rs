//! Checks JSON against the schema of the type that it will be read as, and reports every error.
//!
//! The schemas are those of the OpenAPI document, so the document states exactly what the server accepts: names,
//! types, bounds and required fields are defined once. A check reads the text once and builds no values, except where
//! it needs a whole object to select its variant. serde reads the text afterwards and is not expected to fail.

mod build;
mod compile;
mod node;
mod normalise;
mod number;
mod report;
mod suggest;
mod text;
mod variant;
mod walk;

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde::de::{DeserializeOwned, DeserializeSeed};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::resolve::FieldError;
use node::Node;
use report::Report;
use walk::Walk;

pub use normalise::{close, flatten, referenced};
pub use report::fold;
pub use suggest::nearest;

/// Why a text was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// It is not JSON, is nested too deeply, or has a duplicate key. The detail includes the position.
    Syntax(String),
    /// It does not match the schema.
    Fields(Vec<FieldError>),
}

/// A compiled schema.
#[derive(Debug)]
pub struct Validator {
    root: Arc<Node>,
}

impl Validator {
    /// The validator of a type, built on the first call and cached.
    pub fn of<T: ToSchema + 'static>() -> Arc<Self> {
        static KNOWN: LazyLock<Mutex<HashMap<TypeId, Arc<Validator>>>> = LazyLock::new(Mutex::default);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(Self::build::<T>())).clone()
    }

    fn build<T: ToSchema>() -> Self {
        let mut named = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut named);
        let json = |schema| serde_json::to_value(schema).unwrap_or_default();
        let components = named.into_iter().map(|(name, schema)| (name, json(schema))).collect();
        Self::new(&T::name(), components)
    }

    /// Builds a validator for the schema `name`. `components` contains every schema that it refers to.
    pub fn new(name: &str, mut components: Map<String, Value>) -> Self {
        flatten(&mut components);
        components.values_mut().for_each(close);
        Self { root: compile::compile(name, &components) }
    }

    /// Checks a text.
    pub fn check(&self, text: &[u8]) -> Result<(), Invalid> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(Invalid::Syntax("the body is empty; expected JSON".to_owned()));
        }
        let mut report = Report::new(&self.root);
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let walked = Walk::new(&self.root, &mut report).deserialize(&mut deserializer);
        walked
            .and_then(|()| deserializer.end())
            .map_err(|error| Invalid::Syntax(format!("the body is not valid JSON: {error}")))?;
        report.finish().map_err(Invalid::Fields)
    }

    /// Checks a value that is already parsed.
    pub fn check_value(&self, value: &Value) -> Result<(), Vec<FieldError>> {
        let mut report = Report::new(&self.root);
        let walked = Walk::new(&self.root, &mut report).deserialize(value);
        // For a parsed value, the only possible error is its depth.
        walked.map_err(|error| vec![FieldError::new("", error.to_string())])?;
        report.finish()
    }
}

/// Checks and reads a text.
pub fn read<T: ToSchema + DeserializeOwned + 'static>(text: &[u8]) -> Result<T, Invalid> {
    Validator::of::<T>().check(text)?;
    parse(text).map_err(Invalid::Fields)
}

/// Reads a text that has been checked.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Vec<FieldError>> {
    serde_json::from_slice(text).map_err(|error| vec![unforeseen(&error)])
}

/// Checks and reads a value.
pub fn read_value<T: ToSchema + DeserializeOwned + 'static>(value: Value) -> Result<T, Vec<FieldError>> {
    Validator::of::<T>().check_value(&value)?;
    serde_json::from_value(value).map_err(|error| vec![unforeseen(&error)])
}

/// An error for a text that the schema accepts but the type rejects. This is a gap in the schema; the caller gets
/// serde's message.
fn unforeseen(error: &serde_json::Error) -> FieldError {
    FieldError::new("", format!("the body cannot be read: {error}"))
}

#[cfg(test)]
mod tests;
