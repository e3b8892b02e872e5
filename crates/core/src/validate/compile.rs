//! Compiles the JSON of a schema to a [`Node`].

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::node::{ANYTHING, Bound, Field, List, Node, Number, Object, Others, Text};

/// Compiles the schema `name`, whose `$ref`s refer to `components`.
pub(super) fn compile(name: &str, components: &Map<String, Value>) -> Arc<Node> {
    Compiler { components, compiled: HashMap::new() }.named(name)
}

struct Compiler<'a> {
    components: &'a Map<String, Value>,
    compiled: HashMap<String, Arc<Node>>,
}

impl Compiler<'_> {
    fn named(&mut self, name: &str) -> Arc<Node> {
        if let Some(node) = self.compiled.get(name) {
            return node.clone();
        }
        // A placeholder for a schema that refers to itself. There is none at present.
        self.compiled.insert(name.to_owned(), Arc::new(ANYTHING.clone()));
        let node = Arc::new(self.components.get(name).map_or_else(|| ANYTHING.clone(), |schema| self.node(schema)));
        self.compiled.insert(name.to_owned(), node.clone());
        node
    }

    fn node(&mut self, schema: &Value) -> Node {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let name = target.rsplit('/').next().unwrap_or_default();
            return Node::clone(&self.named(name));
        }
        if let Some(alternatives) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
            let mut node = Node::default();
            for alternative in alternatives {
                node.merge(self.node(alternative));
            }
            return node;
        }
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => return ANYTHING.clone(),
        };
        let mut node = Node { hint: string(schema, "x-hint"), ..Node::default() };
        for kind in types {
            match kind {
                "null" => node.null = true,
                "boolean" => node.boolean = true,
                "integer" => node.number = Some(number(schema, true)),
                "number" => node.number = Some(number(schema, false)),
                "string" => node.text = Some(text(schema)),
                "array" => node.list = Some(self.list(schema)),
                _ => node.objects = vec![Arc::new(self.object(schema))],
            }
        }
        node
    }

    fn list(&mut self, schema: &Value) -> List {
        let items = schema.get("items").map_or_else(|| ANYTHING.clone(), |items| self.node(items));
        List { items: Arc::new(items), min: count(schema, "minItems").unwrap_or(0), max: count(schema, "maxItems") }
    }

    fn object(&mut self, schema: &Value) -> Object {
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = schema.get("properties").and_then(Value::as_object);
        let mut fields = Vec::new();
        for (name, property) in properties.into_iter().flatten() {
            let required = required.contains(&name.as_str());
            fields.push(Field { name: name.clone(), required, node: Arc::new(self.node(property)) });
        }
        let others = match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => Others::Forbidden,
            None | Some(Value::Bool(true)) => Others::Anything,
            Some(others) => Others::Of(Arc::new(self.node(others))),
        };
        Object { fields, others }
    }
}

fn number(schema: &Value, whole: bool) -> Number {
    let bound = |inclusive: &str, exclusive: &str| {
        let found = |name: &str| schema.get(name).and_then(Value::as_number).cloned();
        let strict = found(exclusive).map(|value| Bound { value, exclusive: true });
        strict.or_else(|| found(inclusive).map(|value| Bound { value, exclusive: false }))
    };
    Number { whole, min: bound("minimum", "exclusiveMinimum"), max: bound("maximum", "exclusiveMaximum") }
}

fn text(schema: &Value) -> Text {
    let words = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    Text {
        words: words.filter_map(Value::as_str).map(str::to_owned).collect(),
        format: string(schema, "format"),
        min: count(schema, "minLength").unwrap_or(0),
        max: count(schema, "maxLength"),
    }
}

fn string(schema: &Value, name: &str) -> Option<String> {
    schema.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn count(schema: &Value, name: &str) -> Option<usize> {
    schema.get(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok())
}
