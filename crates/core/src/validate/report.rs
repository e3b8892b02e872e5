//! The errors a check has found, each with its place.

use std::collections::HashMap;

use super::node::{Node, Object, quoted};
use super::suggest;
use crate::json_pointer;
use crate::resolve::FieldError;

/// Different errors that are kept. A body of a million wrong values does not get a million answers.
const MOST: usize = 100;
/// Characters of a value that a message repeats.
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

    /// An error at the current place.
    pub(super) fn add(&mut self, detail: impl Into<String>) {
        let pointer = self.pointer();
        self.errors.add(FieldError::new(pointer, detail));
    }

    /// An error of the field `name` of the object at the current place.
    pub(super) fn add_field(&mut self, name: &str, detail: impl Into<String>) {
        self.enter(name);
        self.add(detail);
        self.leave();
    }

    /// A value of a type that the place does not take.
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

/// The start of a text, for a message.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(SHOWN).collect();
    let cut = if short.len() < text.len() { "…" } else { "" };
    format!("`{short}{cut}`")
}

/// Errors, those that are equal but for a place in a list counted as one.
#[derive(Default)]
struct Folded {
    errors: Vec<Error>,
    places: HashMap<(String, String), usize>,
}

struct Error {
    first: FieldError,
    /// The pointer of the last equal error, and the number of equal ones after the first.
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

/// A pointer with the places in lists left open.
fn pattern(pointer: &str) -> String {
    let open = |step: &str| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
    let steps: Vec<&str> = pointer.split('/').map(|step| if open(step) { "*" } else { step }).collect();
    steps.join("/")
}

/// Counts errors as one that differ in their places in a list alone, and keeps the first hundred.
pub fn fold(errors: Vec<FieldError>) -> Vec<FieldError> {
    let mut folded = Folded::default();
    errors.into_iter().for_each(|error| folded.add(error));
    folded.finish()
}
