//! Rewrites the schemas that utoipa derives so that they state what serde accepts.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Replaces every `allOf` of objects by the one object that it is equivalent to.
///
/// utoipa derives `allOf: [X, {kind}]` for a variant that wraps a struct, and `allOf` for flattened fields. If X
/// forbids additional fields, no object satisfies both, because X does not have `kind`.
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

/// Returns one object with the properties of all parts, or one per variant if a part has several. `None` if a part is
/// not an object.
fn merge(parts: &[Value], components: &Map<String, Value>) -> Option<Value> {
    let merged = merged(parts, components)?;
    match merged.as_slice() {
        [only] => Some(only.clone().into()),
        _ => Some(Map::from_iter([("oneOf".to_owned(), merged.into_iter().map(Value::from).collect())]).into()),
    }
}

fn merged(parts: &[Value], components: &Map<String, Value>) -> Option<Vec<Map<String, Value>>> {
    let mut merged = vec![Map::from_iter([("type".to_owned(), "object".into())])];
    for part in parts {
        let variants = variants(part, components)?;
        merged = merged.iter().flat_map(|one| variants.iter().map(|other| union(one.clone(), other))).collect();
    }
    Some(merged)
}

/// Returns the object variants that a schema allows.
fn variants(schema: &Value, components: &Map<String, Value>) -> Option<Vec<Map<String, Value>>> {
    let schema = target(schema).map_or(Some(schema), |name| components.get(name))?.as_object()?;
    let list = |name: &str| schema.get(name).and_then(Value::as_array);
    if let Some(parts) = list("allOf") {
        return merged(parts, components);
    }
    if let Some(alternatives) = list("oneOf") {
        let found: Option<Vec<_>> = alternatives.iter().map(|one| variants(one, components)).collect();
        return found.map(|found| found.concat());
    }
    (schema.get("type")? == "object").then(|| vec![schema.clone()])
}

/// Returns an object with the properties of both.
fn union(mut one: Map<String, Value>, other: &Map<String, Value>) -> Map<String, Value> {
    for (name, rule) in other {
        match (one.get_mut(name), rule) {
            (Some(Value::Object(known)), Value::Object(more)) => known.extend(more.clone()),
            (Some(Value::Array(known)), Value::Array(more)) => known.extend(more.iter().cloned()),
            _ => drop(one.insert(name.clone(), rule.clone())),
        }
    }
    one
}

/// Forbids additional fields in the objects within a schema, as the request types do (`deny_unknown_fields`). utoipa
/// does this for structs, but not for the variants of an enum.
pub fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let is_object = fields.get("properties").is_some_and(Value::is_object);
            if is_object && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            // Examples and defaults are data, not schemas.
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

/// Returns the names of the schemas that a schema refers to, directly or indirectly.
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

/// Returns the name of the schema that a `$ref` refers to.
fn target(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/")
}
