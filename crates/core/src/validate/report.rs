//! Collects the errors of a check, each with its place.

use std::collections::HashMap;

use super::node::{Node, Object, quoted};
use super::suggest;
use crate::json_pointer;
use crate::resolve::FieldError;

/// The maximum number of distinct errors kept. It bounds the response to a body with a million wrong values.
const MOST: usize = 100;
/// The maximum number of characters of a value that a message quotes.
const SHOWN: usize = 60;

/// Collects errors while a document is walked.
pub(super) struct Report<'a> {
    root: &'a Node,
    path: Vec<Step>,
    errors: Folded,
}

enum Step {
    Key(String),
    Item(usize),
}

impl<'a> Report<'a> {
    pub(super) fn new(root: &'a Node) -> Self {
        Self { root, path: Vec::new(), errors: Folded::default() }
    }

    pub(super) fn enter(&mut self, key: &str) {
        self.path.push(Step::Key(key.to_owned()));
    }

    pub(super) fn enter_item(&mut self, place: usize) {
        self.path.push(Step::Item(place));
    }

    pub(super) fn leave(&mut self) {
        self.path.pop();
    }

    /// Adds an error at the current place.
    pub(super) fn add(&mut self, detail: impl Into<String>) {
        let pointer = self.pointer();
        self.errors.add(FieldError::new(pointer, detail));
    }

    /// Adds an error for the field `name` of the object at the current place.
    pub(super) fn add_field(&mut self, name: &str, detail: impl Into<String>) {
        self.enter(name);
        self.add(detail);
        self.leave();
    }

    /// Adds an error for a value of a type that the place does not accept.
    pub(super) fn mismatch(&mut self, node: &Node, found: &str) {
        self.add(format!("expected {}, found {found}", node.expected()));
    }

    pub(super) fn unknown_field(&mut self, name: &str, object: &Object) {
        let detail = match suggest::field(name, object, self.root) {
            Some(close) => format!("unknown field; did you mean `{close}`?"),
            None if object.fields.is_empty() => "unknown field; this object takes none".to_owned(),
            None => format!("unknown field; known fields are {}", quoted(object.names())),
        };
        self.add_field(name, detail);
    }

    pub(super) fn missing_field(&mut self, name: &str, object: &Object) {
        let words = object.field(name).and_then(|field| field.node.text.as_ref()).filter(|text| !text.words.is_empty());
        let words = words.map(|text| format!(": {}", text.expected())).unwrap_or_default();
        self.add_field(name, format!("this field is required{words}"));
    }

    pub(super) fn finish(self) -> Result<(), Vec<FieldError>> {
        let errors = self.errors.finish();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) => json_pointer::push(&mut pointer, key),
                Step::Item(place) => json_pointer::push(&mut pointer, &place.to_string()),
            }
        }
        pointer
    }
}

/// Shortens a text for a message.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(SHOWN).collect();
    let cut = if short.len() < text.len() { "…" } else { "" };
    format!("`{short}{cut}`")
}

/// Groups errors that differ only in list indices.
#[derive(Default)]
struct Folded {
    errors: Vec<Error>,
    places: HashMap<(String, String), usize>,
}

struct Error {
    first: FieldError,
    /// The pointer of the last error in the group, and the number of errors after the first.
    last: String,
    more: usize,
}

impl Folded {
    fn add(&mut self, error: FieldError) {
        let key = (pattern(&error.pointer), error.detail.clone());
        if let Some(known) = self.places.get(&key).and_then(|&at| self.errors.get_mut(at)) {
            known.more += 1;
            known.last = error.pointer;
        } else if self.errors.len() < MOST {
            self.places.insert(key, self.errors.len());
            self.errors.push(Error { first: error, last: String::new(), more: 0 });
        }
    }

    fn finish(self) -> Vec<FieldError> {
        let folded = self.errors.into_iter().map(|Error { mut first, last, more }| {
            match more {
                0 => {}
                1 => first.detail.push_str(&format!(" (also at {last})")),
                more => first.detail.push_str(&format!(" (also at {more} more places, the last {last})")),
            }
            first
        });
        folded.collect()
    }
}

/// The pointer with list indices replaced by a placeholder.
fn pattern(pointer: &str) -> String {
    let open = |step: &str| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
    let steps: Vec<&str> = pointer.split('/').map(|step| if open(step) { "*" } else { step }).collect();
    steps.join("/")
}

/// Merges errors that differ only in list indices, and keeps the first hundred.
pub fn fold(errors: Vec<FieldError>) -> Vec<FieldError> {
    let mut folded = Folded::default();
    errors.into_iter().for_each(|error| folded.add(error));
    folded.finish()
}
