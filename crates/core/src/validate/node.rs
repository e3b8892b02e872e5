//! The compiled form of a schema: the rules for a place, by JSON type.

use std::sync::Arc;

/// The rules for one place. Alternatives (`oneOf`) are merged, so a value's JSON type alone selects the rules for it.
/// Only objects may still have several variants.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub anything: bool,
    pub null: bool,
    pub boolean: bool,
    pub number: Option<Number>,
    pub text: Option<Text>,
    pub list: Option<List>,
    pub objects: Vec<Arc<Object>>,
    /// The meaning of the number, appended to the message about a violated bound.
    pub hint: Option<String>,
}

/// A place without rules.
pub(super) static ANYTHING: Node = Node {
    anything: true,
    null: false,
    boolean: false,
    number: None,
    text: None,
    list: None,
    objects: Vec::new(),
    hint: None,
};
/// An object without rules.
pub(super) static ANY_OBJECT: Object = Object { fields: Vec::new(), others: Others::Anything };

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Number {
    pub whole: bool,
    pub min: Option<Bound>,
    pub max: Option<Bound>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bound {
    pub value: serde_json::Number,
    /// Whether the bound itself is excluded.
    pub exclusive: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Text {
    /// The only strings allowed. Empty if any string is.
    pub words: Vec<String>,
    /// A format checked by [`super::text`].
    pub format: Option<String>,
    /// In characters.
    pub min: usize,
    pub max: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct List {
    pub items: Arc<Node>,
    pub min: usize,
    pub max: Option<usize>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Object {
    pub fields: Vec<Field>,
    pub others: Others,
}

/// The rule for fields that are not in `fields`.
#[derive(Debug, Clone, Default)]
pub(super) enum Others {
    #[default]
    Forbidden,
    Anything,
    Of(Arc<Node>),
}

#[derive(Debug, Clone)]
pub(super) struct Field {
    pub name: String,
    pub required: bool,
    pub node: Arc<Node>,
}

impl List {
    /// Describes the bound that a length violates.
    pub(super) fn fault(&self, length: usize) -> Option<String> {
        let items = |count: usize| if count == 1 { "item" } else { "items" };
        if length < self.min {
            Some(format!("must have at least {} {}, found {length}", self.min, items(self.min)))
        } else {
            let most = self.max.filter(|&most| length > most)?;
            Some(format!("must have at most {most} {}, found {length}", items(most)))
        }
    }
}

impl Object {
    /// The rules for fields that are not in `fields`, or `None` if such fields are forbidden.
    pub(super) fn others(&self) -> Option<&Node> {
        match &self.others {
            Others::Forbidden => None,
            Others::Anything => Some(&ANYTHING),
            Others::Of(node) => Some(node),
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }
}

impl Node {
    /// Extends the rules to also allow what `other` allows.
    pub(super) fn merge(&mut self, other: Self) {
        self.anything |= other.anything;
        self.null |= other.null;
        self.boolean |= other.boolean;
        self.objects.extend(other.objects);
        self.hint = self.hint.take().or(other.hint);
        self.list = self.list.take().or(other.list);
        self.number = match (self.number.take(), other.number) {
            (Some(one), Some(two)) => Some(Number {
                whole: one.whole && two.whole,
                min: one.min.filter(|bound| two.min.as_ref() == Some(bound)),
                max: one.max.filter(|bound| two.max.as_ref() == Some(bound)),
            }),
            (one, two) => one.or(two),
        };
        self.text = match (self.text.take(), other.text) {
            (Some(one), Some(two)) if !one.words.is_empty() && !two.words.is_empty() => {
                Some(Text { words: [one.words, two.words].concat(), ..one })
            }
            (Some(one), Some(_)) if one.words.is_empty() => Some(one),
            (one, two) => two.or(one),
        };
    }

    /// The field whose value selects the variant (`type`, `kind`, `by`), if there is one.
    pub(super) fn tag(&self) -> Option<&str> {
        let (first, rest) = self.objects.split_first()?;
        let tags = |object: &Object, name: &str| {
            object.field(name).is_some_and(|field| {
                field.required && field.node.text.as_ref().is_some_and(|text| !text.words.is_empty())
            })
        };
        first.names().find(|name| tags(first, name) && rest.iter().all(|object| tags(object, name)))
    }

    /// A noun phrase for the values that the place accepts.
    pub(super) fn expected(&self) -> String {
        let mut parts = Vec::new();
        if let Some(number) = &self.number {
            parts.push(if number.whole { "an integer".to_owned() } else { "a number".to_owned() });
        }
        if let Some(text) = &self.text {
            parts.push(text.expected());
        }
        if self.boolean {
            parts.push("true or false".to_owned());
        }
        if self.list.is_some() {
            parts.push("an array".to_owned());
        }
        if !self.objects.is_empty() {
            parts.push("an object".to_owned());
        }
        match (self.null, parts.is_empty()) {
            (true, true) => "null".to_owned(),
            _ => parts.join(" or "),
        }
    }
}

impl Text {
    pub(super) fn expected(&self) -> String {
        match self.words.as_slice() {
            [] => "a string".to_owned(),
            [word] => format!("`{word}`"),
            words => format!("one of {}", quoted(words.iter().map(String::as_str))),
        }
    }
}

/// A comma-separated list of names in backticks.
pub(super) fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut list = String::new();
    for name in names {
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push('`');
        list.push_str(name);
        list.push('`');
    }
    list
}
