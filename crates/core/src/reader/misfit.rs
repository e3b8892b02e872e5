//! Why a value does not fit a type.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::json_pointer;
use crate::resolve::nearest;

/// An error in a value: the place, as far as it is known, and what is wrong there.
#[derive(Debug, Clone, PartialEq)]
pub struct Misfit {
    /// Innermost first, in the order in which they become known.
    place: Vec<Segment>,
    pub kind: MisfitKind,
}

/// A segment of a path into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    Field(String),
    Item(usize),
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum MisfitKind {
    UnknownField {
        name: String,
        known: &'static [&'static str],
    },
    UnknownVariant {
        name: String,
        known: &'static [&'static str],
    },
    MissingField(&'static str),
    /// A value of another type, or outside the type's range.
    Unexpected {
        found: String,
        expected: String,
    },
    /// An error of the type's own validation, in its words.
    Other(String),
}

impl Misfit {
    fn of(kind: MisfitKind) -> Self {
        Self { place: Vec::new(), kind }
    }

    pub(super) fn at(mut self, segment: Segment) -> Self {
        self.place.push(segment);
        self
    }

    pub fn is_unknown_field(&self) -> bool {
        matches!(self.kind, MisfitKind::UnknownField { .. })
    }

    /// The path, outermost first.
    pub fn path(&self) -> Vec<Segment> {
        self.place.iter().rev().cloned().collect()
    }

    /// A JSON pointer (RFC 6901) to the place, including the field in question.
    pub fn pointer(&self) -> String {
        let place = pointer(&self.path());
        match &self.kind {
            MisfitKind::UnknownField { name, .. } => json_pointer::join(&place, name),
            MisfitKind::MissingField(name) => json_pointer::join(&place, name),
            _ => place,
        }
    }

    /// The error message.
    pub fn detail(&self) -> String {
        match &self.kind {
            MisfitKind::UnknownField { name, known } => match nearest(name, known.iter().copied()) {
                close if !close.is_empty() => format!("unknown field{close}"),
                _ if known.is_empty() => "unknown field; it takes none".to_owned(),
                _ => format!("unknown field; known are {}", list(known)),
            },
            MisfitKind::UnknownVariant { name, known } => {
                format!("`{name}` is not one of {}{}", list(known), nearest(name, known.iter().copied()))
            }
            MisfitKind::MissingField(_) => "the field is missing".to_owned(),
            MisfitKind::Unexpected { found, expected } => format!("expected {expected}, found {found}"),
            MisfitKind::Other(detail) => detail.clone(),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer() {
            at if at.is_empty() => f.write_str(&self.detail()),
            at => write!(f, "{at}: {}", self.detail()),
        }
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::of(MisfitKind::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::of(MisfitKind::Unexpected { found: describe(found), expected: wanted(&expected.to_string()) })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let found = format!("{length} items");
        Self::of(MisfitKind::Unexpected { found, expected: expected.to_string() })
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        Self::of(MisfitKind::UnknownVariant { name: short(name), known })
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Self::of(MisfitKind::UnknownField { name: name.to_owned(), known })
    }

    fn missing_field(name: &'static str) -> Self {
        Self::of(MisfitKind::MissingField(name))
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::of(MisfitKind::Other(format!("duplicate key `{name}`")))
    }
}

/// The path as a JSON pointer.
fn pointer(path: &[Segment]) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Field(name) => json_pointer::push(&mut pointer, name),
            Segment::Item(at) => json_pointer::push(&mut pointer, &at.to_string()),
        }
    }
    pointer
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The user-facing name for serde's name of a type.
fn wanted(expected: &str) -> String {
    let plain = match expected {
        "u8" => "a whole number from 0 to 255",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0 to 18446744073709551615",
        "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "str" | "string" => "a text",
        "a sequence" => "a list",
        "a map" => "an object",
        _ if expected.contains("struct ") || expected.contains("enum ") => "an object",
        other => other,
    };
    plain.to_owned()
}

fn describe(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(text) => format!("the text {:?}", short(text)),
        Unexpected::Unit | Unexpected::Option => "null".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "an object".to_owned(),
        other => short(&other.to_string()),
    }
}

/// Shortens a caller's text to at most 80 characters.
fn short(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
