//! Columns as a request writes them, into numbers and codes.

use std::collections::BTreeMap;

use gatecast_core::forecast::CovariateValue;
use gatecast_core::model::Encodings;
use gatecast_core::resolve::{FieldError, nearest};

/// One column's values in the form that the model reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Numbers(Vec<f64>),
    /// Rows of the column's embedding.
    Codes(Vec<u16>),
}

impl Values {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Codes(codes) => codes.len(),
        }
    }

    /// Puts values of the same kind behind these.
    pub(super) fn extend(&mut self, more: Option<Self>) {
        match (self, more) {
            (Self::Numbers(values), Some(Self::Numbers(more))) => values.extend(more),
            (Self::Codes(codes), Some(Self::Codes(more))) => codes.extend(more),
            _ => {}
        }
    }

    /// What begins at a row.
    pub(super) fn from(self, row: usize) -> Self {
        match self {
            Self::Numbers(mut values) => Self::Numbers(values.split_off(row.min(values.len()))),
            Self::Codes(mut codes) => Self::Codes(codes.split_off(row.min(codes.len()))),
        }
    }
}

/// A covariate's values, each of the column's kind.
pub(super) fn covariate(
    encodings: &Encodings,
    (name, pointer): (&str, &str),
    (given, nullable): (&[CovariateValue], bool),
    errors: &mut Vec<FieldError>,
) -> Option<Values> {
    let at = |place: usize| format!("{pointer}/{place}");
    if encodings.categories.contains_key(name) {
        let codes = given.iter().enumerate().map(|(place, value)| match value {
            CovariateValue::Category(text) => Ok(encodings.code(name, Some(text))),
            CovariateValue::Unknown => Ok(encodings.code(name, None)),
            // A column of numbers that someone made categories of.
            CovariateValue::Number(_) => Err(place),
        });
        return match codes.collect::<Result<Vec<u16>, usize>>() {
            Ok(codes) => Some(Values::Codes(codes)),
            Err(place) => {
                errors.push(FieldError::new(at(place), format!("is a number; `{name}` holds categories: give a text")));
                None
            }
        };
    }
    let mut numbers = Vec::with_capacity(given.len());
    for (place, value) in given.iter().enumerate() {
        let detail = match value {
            CovariateValue::Number(number) if number.abs() > f64::from(f32::MAX) => OUT_OF_RANGE.to_owned(),
            CovariateValue::Number(number) => {
                numbers.push(*number);
                continue;
            }
            CovariateValue::Category(_) => format!("is a text; `{name}` holds numbers"),
            CovariateValue::Unknown if nullable => {
                numbers.push(f64::NAN);
                continue;
            }
            CovariateValue::Unknown => format!("is null; `{name}` needs a number at every point"),
        };
        errors.push(FieldError::new(at(place), detail));
        return None;
    }
    Some(Values::Numbers(numbers))
}

pub(super) const OUT_OF_RANGE: &str = "lies outside the range of 32-bit floats";

/// The values of each wanted column of a group such as `past`; what lacks or is too many is named.
pub(super) fn take<T>(
    (pointer, group): (&str, &str),
    wanted: &[String],
    mut found: BTreeMap<String, T>,
    errors: &mut Vec<FieldError>,
) -> Vec<(String, T)> {
    let pointer = format!("{pointer}/{group}");
    let mut taken = Vec::with_capacity(wanted.len());
    for name in wanted {
        match found.remove(name) {
            Some(values) => taken.push((name.clone(), values)),
            None => errors.push(FieldError::new(&pointer, format!("lacks `{name}`, which the model reads"))),
        }
    }
    for name in found.keys() {
        let near = nearest(name, wanted.iter().map(String::as_str));
        errors.push(FieldError::new(&pointer, format!("the model does not read `{name}`{near}")));
    }
    taken
}

/// A column's place in the request.
pub(super) fn place(pointer: &str, group: &str, name: &str) -> String {
    format!("{pointer}/{group}/{}", name.replace('~', "~0").replace('/', "~1"))
}
