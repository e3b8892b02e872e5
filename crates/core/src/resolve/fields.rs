//! The fields of a request, each checked by itself.

use garde::Validate;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::FieldError;
use crate::reader;

/// Reads a request, or a part of one, and checks its fields.
pub(crate) fn read<T>(value: &Value) -> Result<T, Vec<FieldError>>
where
    T: DeserializeOwned + Validate<Context = ()>,
{
    check(reader::read(value).map_err(|misfit| vec![FieldError::new(misfit.pointer(), misfit.detail())])?)
}

/// The value, if each of its fields keeps its bounds.
pub fn check<T: Validate<Context = ()>>(value: T) -> Result<T, Vec<FieldError>> {
    let Err(report) = value.validate() else { return Ok(value) };
    let error = |(path, error): &(garde::Path, garde::Error)| {
        FieldError::new(pointer(&path.to_string()), rule(error.message()))
    };
    Err(report.iter().map(error).collect())
}

/// Places that hold one of several types: which one is no part of the request's path.
const VARIANTS: [&str; 5] =
    ["/split/training", "/split/validation", "/split/test", "/training/clip", "/optimizer/learning_rate"];

/// `data.split.validation[0]` as a JSON pointer, without the number of a variant.
fn pointer(path: &str) -> String {
    let parts = path.split(['.', '[']).map(|part| part.trim_end_matches(']')).filter(|part| !part.is_empty());
    let pointer: String = parts.map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect();
    let is_variant = |place: &str| VARIANTS.iter().any(|variant| place.ends_with(variant));
    match pointer.strip_suffix("/0").filter(|place| is_variant(place)) {
        Some(place) => place.to_owned(),
        None => pointer,
    }
}

/// A bound that a value broke, in the words of the API.
fn rule(message: &str) -> String {
    for (theirs, ours) in [("lower than ", "must be at least "), ("greater than ", "must be at most ")] {
        if let Some(bound) = message.strip_prefix(theirs) {
            return format!("{ours}{bound}");
        }
    }
    for (theirs, ours) in
        [("length is lower than ", "must be at least "), ("length is greater than ", "must be at most ")]
    {
        if let Some(bound) = message.strip_prefix(theirs) {
            return format!("{ours}{bound} long");
        }
    }
    message.to_owned()
}
