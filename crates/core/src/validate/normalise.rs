//! Schemas as utoipa derives them, brought to the form in which they state what serde accepts.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Replaces every `allOf` of objects by the one object it stands for.
///
/// utoipa derives `allOf: [X, {kind}]` for a variant that wraps a struct, and `allOf` for flattened
/// fields. If X allows no other fields, no object satisfies both: `kind` is foreign to X.
pub fn flatten(components: &mut Map<String, Value>) {
    let originals = components.clone();
    components.values_mut().for_each(|schema| flatten_within(schema, &originals));
}

fn flatten_within(schema: &mut Value, components: &Map<String, Value>) {
    if let Some(merged) = schema.get("allOf").and_then(Value::as_array).and_then(|parts| merge(parts, components)) {
        let description = schema.get("description").cloned();
        *schema = merged;
        if let (Some(description), Some(fields)) = (description, schema.as_object_mut()) {
            fields.insert("description".to_owned(), description);
        }
    }
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(|inner| flatten_within(inner, components)),
        Value::Array(items) => items.iter_mut().for_each(|inner| flatten_within(inner, components)),
        _ => {}
    }
}

/// One object with the properties of all parts; `None` if a part is no plain object.
fn merge(parts: &[Value], components: &Map<String, Value>) -> Option<Value> {
    let mut merged = Map::new();
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in parts {
        let part = target(part).map_or(Some(part), |name| components.get(name))?.as_object()?;
        if part.get("type").and_then(Value::as_str) != Some("object") {
            return None;
        }
        properties.extend(part.get("properties").and_then(Value::as_object).cloned().into_iter().flatten());
        required.extend(part.get("required").and_then(Value::as_array).into_iter().flatten().cloned());
        if part.get("additionalProperties") == Some(&Value::Bool(false)) {
            merged.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
    }
    merged.insert("type".to_owned(), "object".into());
    merged.insert("properties".to_owned(), properties.into());
    if !required.is_empty() {
        merged.insert("required".to_owned(), required.into());
    }
    Some(merged.into())
}

/// Forbids fields that the objects within a schema do not name, as the types of requests do
/// (`deny_unknown_fields`). utoipa says so for structs alone, not for the variants of an enum.
pub fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let is_object = fields.get("properties").is_some_and(Value::is_object);
            if is_object && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            // Not into examples and defaults, which are data.
            for (_, inner) in
                fields.iter_mut().filter(|(name, _)| !["example", "examples", "default"].contains(&name.as_str()))
            {
                close(inner);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Names of the schemas that a schema refers to, directly or through others.
pub fn referenced(schema: &Value, components: &Map<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![schema];
    while let Some(next) = open.pop() {
        if let Some(name) = target(next)
            && found.insert(name.to_owned())
        {
            open.extend(components.get(name));
        }
        match next {
            Value::Object(fields) => open.extend(fields.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}

/// The name of the schema that a `$ref` leads to.
fn target(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/")
}
