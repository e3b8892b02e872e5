//! The learning rate: a number, or `find` to search for one.

use std::borrow::Cow;

use serde::de::{Error, IgnoredAny, Unexpected};
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{Object, OneOf, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::string_or_struct::{Forms, Number, deserialize_forms};

/// The string for a rate that is to be found.
const FIND: &str = "find";

/// The learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    Fixed(f64),
    /// Determined by a range test before the first epoch.
    Find,
}

impl Rate {
    /// The rate, unless it is [`Rate::Find`].
    pub fn fixed(self) -> Option<f64> {
        match self {
            Self::Fixed(rate) => Some(rate),
            Self::Find => None,
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(rate) => to.serialize_f64(*rate),
            Self::Find => to.serialize_str(FIND),
        }
    }
}

deserialize_forms!(Rate);

impl Forms<'_> for Rate {
    const EXPECTED: &'static str = "a learning rate such as 0.001, or \"find\"";
    type Object = IgnoredAny;

    fn of_object<E: Error>(_: IgnoredAny) -> Result<Self, E> {
        Err(E::invalid_type(Unexpected::Map, &Self::EXPECTED))
    }

    fn of_text<E: Error>(text: &str) -> Result<Self, E> {
        if text == FIND { Ok(Self::Find) } else { Err(E::invalid_value(Unexpected::Str(text), &Self::EXPECTED)) }
    }

    fn of_number<E: Error>(number: Number) -> Result<Self, E> {
        Ok(Self::Fixed(number.as_f64()))
    }
}

impl PartialSchema for Rate {
    fn schema() -> RefOr<Schema> {
        let word = Object::builder().schema_type(Type::String).enum_values(Some([FIND]));
        let rates = OneOf::builder()
            .item(Object::builder().schema_type(Type::Number).minimum(Some(1e-12)).maximum(Some(10.0)))
            .item(word)
            .description(Some("A number, or `find`: a range test before the first epoch chooses it."));
        rates.into()
    }
}

impl ToSchema for Rate {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Rate")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::fields;

    #[test]
    fn a_rate_is_a_number_or_find_and_round_trips() {
        for (text, rate) in [("0.001", Rate::Fixed(0.001)), ("1", Rate::Fixed(1.0)), ("\"find\"", Rate::Find)] {
            assert_eq!(serde_json::from_str::<Rate>(text).unwrap(), rate);
        }
        assert_eq!(serde_json::to_string(&Rate::Fixed(0.001)).unwrap(), "0.001");
        assert_eq!(serde_json::to_string(&Rate::Find).unwrap(), "\"find\"");
        let error = serde_json::from_str::<Rate>("\"fnd\"").unwrap_err().to_string();
        assert!(error.contains("expected a learning rate such as 0.001, or \"find\""), "{error}");
        assert!(fields::check(Rate::Fixed(0.0)).is_err() && fields::check(Rate::Fixed(0.1)).is_ok());
    }
}
