//! Checks each field of a request against the schema.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use super::FieldError;
use crate::validate::{self, Validator};

/// Checks and reads a request or a part of one.
pub(crate) fn read<T: ToSchema + DeserializeOwned + 'static>(value: &Value) -> Result<T, Vec<FieldError>> {
    validate::read_value(value.clone())
}

/// Returns the value if each of its fields is within its bounds.
pub fn check<T: ToSchema + Serialize + 'static>(value: T) -> Result<T, Vec<FieldError>> {
    let written = serde_json::to_value(&value).map_err(|error| vec![FieldError::new("", error.to_string())])?;
    Validator::of::<T>().check_value(&written)?;
    Ok(value)
}
