//! A validator for the part of JSON Schema that the document uses, independent of the server's.
//!
//! It fails on an unknown keyword, so that none is ignored by accident.

use serde_json::Value;

/// Keywords that do not affect validity.
const NOTES: [&str; 11] = [
    "description",
    "default",
    "example",
    "examples",
    "title",
    "readOnly",
    "deprecated",
    "x-hint",
    "x-event-data",
    "propertyNames",
    "format",
];

/// The errors of `value` according to `schema`, whose references point into `document`.
pub(crate) fn errors(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    check(document, schema, value, "", &mut errors);
    errors
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, errors: &mut Vec<String>) {
    let mut wrong = |detail: String| errors.push(format!("{at}: {detail}"));
    let number = value.as_f64();
    let characters = value.as_str().map(|text| text.chars().count() as f64);
    let items = value.as_array().map(|items| items.len() as f64);
    for (keyword, rule) in schema.as_object().unwrap() {
        let bound =
            |of: Option<f64>, breaks: fn(f64, f64) -> bool| of.is_some_and(|of| breaks(of, rule.as_f64().unwrap()));
        match keyword.as_str() {
            "$ref" => {
                let target = document.pointer(rule.as_str().unwrap().trim_start_matches('#')).expect("a dangling $ref");
                let mut inner = Vec::new();
                check(document, target, value, at, &mut inner);
                inner.into_iter().for_each(&mut wrong);
            }
            "oneOf" => {
                let tried: Vec<Vec<String>> =
                    rule.as_array().unwrap().iter().map(|one| self::errors(document, one, value)).collect();
                let fitting = tried.iter().filter(|errors| errors.is_empty()).count();
                if fitting != 1 {
                    wrong(format!("{fitting} of {} alternatives fit: {tried:?}", tried.len()));
                }
            }
            "not" if self::errors(document, rule, value).is_empty() => wrong(format!("{value} fits {rule}")),
            "not" => {}
            "type" => {
                let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                if !types.iter().any(|kind| is(value, kind.as_str().unwrap())) {
                    wrong(format!("expected {rule}, found {value}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => wrong(format!("{value} is not one of {rule}")),
            "pattern" => {
                let pattern = regex::Regex::new(rule.as_str().unwrap()).unwrap();
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    wrong(format!("{value} does not match {rule}"));
                }
            }
            "minimum" if bound(number, |of, rule| of < rule) => wrong(format!("{value} is below {rule}")),
            "maximum" if bound(number, |of, rule| of > rule) => wrong(format!("{value} is above {rule}")),
            "minLength" if bound(characters, |of, rule| of < rule) => wrong(format!("{value} is shorter than {rule}")),
            "maxLength" if bound(characters, |of, rule| of > rule) => wrong(format!("{value} is longer than {rule}")),
            "minItems" if bound(items, |of, rule| of < rule) => wrong(format!("fewer items than {rule}")),
            "maxItems" if bound(items, |of, rule| of > rule) => wrong(format!("more items than {rule}")),
            "required" => {
                let missing = |name: &&Value| value.is_object() && value.get(name.as_str().unwrap()).is_none();
                rule.as_array().unwrap().iter().filter(missing).for_each(|name| wrong(format!("{name} is missing")));
            }
            "properties" | "items" | "additionalProperties" => {
                for (name, schema, inner) in parts(keyword, rule, schema, value) {
                    let at = format!("{at}/{name}");
                    match schema {
                        Value::Bool(true) => {}
                        Value::Bool(false) => wrong(format!("{name} is not allowed")),
                        schema => {
                            let mut found = Vec::new();
                            check(document, schema, inner, &at, &mut found);
                            found.into_iter().for_each(&mut wrong);
                        }
                    }
                }
            }
            "enum" | "minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems" => {}
            note if NOTES.contains(&note) => {}
            other => panic!("the checker does not know the keyword `{other}` of {schema}"),
        }
    }
}

/// The values within `value` that a keyword applies to, each with its name and schema.
fn parts<'a>(
    keyword: &str,
    rule: &'a Value,
    schema: &'a Value,
    value: &'a Value,
) -> Vec<(String, &'a Value, &'a Value)> {
    let known = &schema["properties"];
    let fields = value.as_object().into_iter().flatten();
    match keyword {
        "items" => {
            let items = value.as_array().into_iter().flatten().enumerate();
            items.map(|(at, item)| (at.to_string(), rule, item)).collect()
        }
        "properties" => fields.filter_map(|(name, field)| Some((name.clone(), rule.get(name)?, field))).collect(),
        _ => fields
            .filter(|(name, _)| known.get(name).is_none())
            .map(|(name, field)| (name.clone(), rule, field))
            .collect(),
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("`{other}` is no JSON type"),
    }
}
