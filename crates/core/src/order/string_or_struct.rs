//! Options that can be written in several forms: a string, a number or an object. `"mse"` is short for
//! `{"type": "mse"}`.
//!
//! One visitor serves all of them. serde's derived readers of untagged enums only report that no variant matches;
//! this one reports the error within the matching form.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, MapDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Unexpected, Visitor};

/// A type with several forms. For any other form, the error states what is expected.
pub(super) trait Forms<'de>: Sized {
    /// What the type expects, with an example.
    const EXPECTED: &'static str;
    /// The type that the object form is read as.
    type Object: Deserialize<'de>;

    fn of_object<E: Error>(object: Self::Object) -> Result<Self, E>;

    fn of_text<E: Error>(text: &str) -> Result<Self, E> {
        Err(E::invalid_type(Unexpected::Str(text), &Self::EXPECTED))
    }

    fn of_number<E: Error>(number: Number) -> Result<Self, E> {
        Err(E::invalid_type(number.unexpected(), &Self::EXPECTED))
    }
}

/// A number as it was written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Unsigned(u64),
    /// A number below zero.
    Signed(i64),
    Float(f64),
}

impl Number {
    pub(super) fn as_f64(self) -> f64 {
        match self {
            Self::Unsigned(number) => number as f64,
            Self::Signed(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    pub(super) fn unexpected(self) -> Unexpected<'static> {
        match self {
            Self::Unsigned(number) => Unexpected::Unsigned(number),
            Self::Signed(number) => Unexpected::Signed(number),
            Self::Float(number) => Unexpected::Float(number),
        }
    }
}

/// Reads a type in any of its forms.
pub(super) fn read<'de, T: Forms<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    struct FormsVisitor<T>(PhantomData<T>);

    impl<'de, T: Forms<'de>> Visitor<'de> for FormsVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXPECTED)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            T::of_text(text)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
            T::of_number(Number::Unsigned(number))
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
            T::of_number(u64::try_from(number).map_or(Number::Signed(number), Number::Unsigned))
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
            T::of_number(Number::Float(number))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::of_object(T::Object::deserialize(MapAccessDeserializer::new(map))?)
        }
    }

    from.deserialize_any(FormsVisitor(PhantomData))
}

/// Implements `Deserialize` for a type by its [`Forms`].
macro_rules! deserialize_forms {
    ($type:ty) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::order::string_or_struct::read(from)
            }
        }
    };
}
pub(super) use deserialize_forms;

/// Reads a string as an enum of names.
pub(super) fn named<T: DeserializeOwned, E: Error>(text: &str) -> Result<T, E> {
    T::deserialize(StrDeserializer::<E>::new(text))
}

/// Reads a type tagged by `type` from its tag alone.
pub(super) fn tagged<T: DeserializeOwned, E: Error>(text: &str) -> Result<T, E> {
    T::deserialize(MapDeserializer::new(std::iter::once(("type", text))))
}

/// Reads only an object. serde's internally tagged enums also accept a list whose first item is the tag.
pub(crate) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    struct Object<T>(T);

    impl<'de, T: Deserialize<'de>> Forms<'de> for Object<T> {
        const EXPECTED: &'static str = "an object";
        type Object = T;

        fn of_object<E: Error>(object: T) -> Result<Self, E> {
            Ok(Self(object))
        }
    }

    read(from).map(|Object(object)| object)
}

/// Reads an object or null.
pub(crate) fn optional_object<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Present<T>(T);

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Present<T> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            object(from).map(Self)
        }
    }

    Ok(Option::<Present<T>>::deserialize(from)?.map(|present| present.0))
}
