//! Reads JSON values with serde: requests strictly, stored documents ignoring unknown fields.
//!
//! Requests and stored documents share types, and an unknown field in a request is an error. Reading a stored
//! document must therefore distinguish serde's unknown-field error from other errors. The deserializer in this module
//! has its own error type, which records the place, the sort of error and what was expected, so no error message of
//! serde has to be parsed.
//!
//! Structs must be objects: serde's derived readers would also accept a list with the fields in order.

mod misfit;
mod value;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use misfit::{Misfit, MisfitKind, Segment};
use value::Reader;

/// The maximum number of unknown fields in a stored document. A document with more was not written by this program.
const MOST_UNKNOWN: usize = 10_000;

/// Reads a value. An unknown field is an error.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Misfit> {
    T::deserialize(Reader(value))
}

/// Reads a stored document, ignoring fields that the type does not have: a newer program of the same document version
/// may have written them.
pub fn read_stored<T: DeserializeOwned>(value: &Value) -> Result<T, Misfit> {
    let first = match T::deserialize(Reader(value)) {
        Err(misfit) if misfit.is_unknown_field() => misfit,
        read => return read,
    };
    let (mut rest, mut misfit) = (value.clone(), first);
    for _ in 0..MOST_UNKNOWN {
        if !remove_unknown::<T>(&mut rest, &misfit) {
            return Err(misfit);
        }
        match T::deserialize(Reader(&rest)) {
            Err(next) if next.is_unknown_field() => misfit = next,
            read => return read,
        }
    }
    Err(misfit)
}

/// Removes an unknown field. The error's path may end at an enclosing enum, which serde reads as a whole. From there
/// on, each object with a field of that name is tried, outermost first, until its removal changes or resolves the
/// error.
fn remove_unknown<T: DeserializeOwned>(value: &mut Value, misfit: &Misfit) -> bool {
    let MisfitKind::UnknownField { name, .. } = &misfit.kind else { return false };
    let path = misfit.path();
    let mut places = vec![Vec::new()];
    if let Some(below) = go_to(value, &path) {
        find(below, &mut Vec::new(), name, &mut places);
    }
    places.sort_by_key(Vec::len);
    for place in places {
        let whole = [path.clone(), place].concat();
        let Some(removed) = object(value, &whole).and_then(|object| object.remove(name)) else { continue };
        match T::deserialize(Reader(value)) {
            Err(same) if same == *misfit => {
                object(value, &whole).map(|object| object.insert(name.clone(), removed));
            }
            _ => return true,
        }
    }
    false
}

/// Finds the objects within this value that have the field.
fn find(value: &Value, at: &mut Vec<Segment>, name: &str, places: &mut Vec<Vec<Segment>>) {
    let mut below = |segment: Segment, child: &Value| {
        at.push(segment);
        if child.get(name).is_some() {
            places.push(at.clone());
        }
        find(child, at, name, places);
        at.pop();
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, child)| below(Segment::Field(key.clone()), child)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, child)| below(Segment::Item(at), child)),
        _ => {}
    }
}

fn object<'v>(value: &'v mut Value, path: &[Segment]) -> Option<&'v mut Map<String, Value>> {
    go_to(value, path)?.as_object_mut()
}

fn go_to<'v>(value: &'v mut Value, path: &[Segment]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Field(name) => value.get_mut(name),
        Segment::Item(at) => value.get_mut(at),
    })
}

#[cfg(test)]
mod tests;
