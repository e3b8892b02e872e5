//! Parses the columns of a request into numbers and codes.

use std::collections::BTreeMap;

use gatecast_core::forecast::CovariateValue;
use gatecast_core::json_pointer;
use gatecast_core::model::Encodings;
use gatecast_core::numbers::{OUTSIDE_F32, exceeds_f32};
use gatecast_core::resolve::nearest;

use super::error::ForecastError;
use super::fault::{SeriesFault, quoted};

/// The code of a fault in the values of a request.
pub(super) const INVALID_VALUES: &str = "invalid_values";

/// The values of one column in the form that the model reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Numbers(Vec<f64>),
    /// The categories as rows of the column's embedding.
    Codes(Vec<u16>),
}

impl Values {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Codes(codes) => codes.len(),
        }
    }

    /// Appends values of the same kind.
    pub(super) fn append(&mut self, more: Self) -> Result<(), ForecastError> {
        match (self, more) {
            (Self::Numbers(values), Self::Numbers(more)) => values.extend(more),
            (Self::Codes(codes), Self::Codes(more)) => codes.extend(more),
            _ => return Err(ForecastError::internal("a column holds both numbers and categories")),
        }
        Ok(())
    }

    /// The values from `length` before `end` on. Unknown points stand before the first if there are fewer: NaN if the
    /// column is masked, else the first value; for categories, the code of an unknown one.
    pub(super) fn last(self, end: usize, length: usize, masked: bool) -> Self {
        let Some(pad) = length.checked_sub(end) else { return self.from(end - length) };
        match self {
            Self::Numbers(mut values) => {
                let filler = if masked { f64::NAN } else { values.first().copied().unwrap_or(f64::NAN) };
                values.splice(..0, std::iter::repeat_n(filler, pad));
                Self::Numbers(values)
            }
            Self::Codes(mut codes) => {
                codes.splice(..0, std::iter::repeat_n(0, pad));
                Self::Codes(codes)
            }
        }
    }

    /// The values from `row` to the end.
    pub(super) fn from(self, row: usize) -> Self {
        match self {
            Self::Numbers(mut values) => Self::Numbers(values.split_off(row.min(values.len()))),
            Self::Codes(mut codes) => Self::Codes(codes.split_off(row.min(codes.len()))),
        }
    }
}

/// One covariate in a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct GivenCovariate<'g> {
    pub(super) name: &'g str,
    /// A JSON pointer relative to the series' entry.
    pub(super) field: &'g str,
    pub(super) values: &'g [CovariateValue],
    /// Whether a number may be null.
    pub(super) nullable: bool,
}

impl GivenCovariate<'_> {
    /// Parses the values. If one is not of the column's kind, returns a fault for the first such value.
    pub(super) fn read(self, encodings: &Encodings) -> Result<Values, SeriesFault> {
        match encodings.categories.contains_key(self.name) {
            true => self.codes(encodings).map(Values::Codes),
            false => self.numbers().map(Values::Numbers),
        }
    }

    fn codes(self, encodings: &Encodings) -> Result<Vec<u16>, SeriesFault> {
        let code = |(at, value): (usize, &CovariateValue)| match value {
            CovariateValue::Category(text) => Ok(encodings.code(self.name, Some(text))),
            CovariateValue::Unknown => Ok(encodings.code(self.name, None)),
            CovariateValue::Number(_) => {
                Err(self.fault(at, format!("is a number, but `{}` holds categories: send a string", self.name)))
            }
        };
        self.values.iter().enumerate().map(code).collect()
    }

    fn numbers(self) -> Result<Vec<f64>, SeriesFault> {
        let number = |(at, value): (usize, &CovariateValue)| match value {
            CovariateValue::Number(number) if exceeds_f32(*number) => Err(self.fault(at, OUTSIDE_F32.to_owned())),
            CovariateValue::Number(number) => Ok(*number),
            CovariateValue::Category(_) => {
                Err(self.fault(at, format!("is a string, but `{}` holds numbers", self.name)))
            }
            CovariateValue::Unknown if self.nullable => Ok(f64::NAN),
            CovariateValue::Unknown => {
                Err(self.fault(at, format!("is null, but `{}` needs a number at every point", self.name)))
            }
        };
        self.values.iter().enumerate().map(number).collect()
    }

    fn fault(self, at: usize, detail: String) -> SeriesFault {
        SeriesFault::new(format!("{}/{at}", self.field), INVALID_VALUES, detail)
    }
}

/// Takes the wanted columns of a group such as `past`. Adds a fault for each that is missing and for each that the
/// model does not read.
pub(super) fn take<T>(
    group: &str,
    wanted: &[String],
    mut found: BTreeMap<String, T>,
    faults: &mut Vec<SeriesFault>,
) -> Vec<(String, T)> {
    let mut taken = Vec::with_capacity(wanted.len());
    let field = format!("/{group}");
    for name in wanted {
        match found.remove(name) {
            Some(values) => taken.push((name.clone(), values)),
            None => {
                let detail = format!("`{name}` is missing; the model reads it");
                faults.push(SeriesFault::new(&field, INVALID_VALUES, detail));
            }
        }
    }
    faults.extend(found.keys().map(|name| unread(group, name, wanted)));
    taken
}

/// The fault for a column that the model does not read.
pub(super) fn unread(group: &str, name: &str, wanted: &[String]) -> SeriesFault {
    // A name may be as long as the whole request.
    let start: String = name.chars().take(100).collect();
    let near = nearest(&start, wanted.iter().map(String::as_str));
    SeriesFault::new(format!("/{group}"), INVALID_VALUES, format!("the model does not read {}{near}", quoted(name)))
}

/// The pointer to a column relative to a series' entry: `/future/price`.
pub(super) fn field(group: &str, name: &str) -> String {
    json_pointer::join(&format!("/{group}"), name)
}
