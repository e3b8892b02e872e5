//! serde's and garde's messages in a caller's words: no type names, and the nearest known name.

use gatecast_core::resolve::nearest;

/// A message about one place.
pub(super) struct Fault {
    pub detail: String,
    /// The field the message is about, below the place that was reached.
    pub field: Option<String>,
}

/// A message in plain words, its field included.
pub(in crate::http) fn plain(message: &str) -> String {
    let fault = explain(message);
    fault.field.map_or(fault.detail.clone(), |field| format!("`{field}`: {}", fault.detail))
}

pub(super) fn explain(message: &str) -> Fault {
    let message = message.rfind(" at line ").map_or(message, |at| &message[..at]);
    if let Some((name, known)) = split(message, "unknown field `") {
        let others =
            if known.is_empty() { "it takes none".to_owned() } else { format!("known are {}", known.join(", ")) };
        return about(
            name,
            match nearest(name, names(&known)) {
                close if close.is_empty() => format!("unknown field; {others}"),
                close => format!("unknown field{close}"),
            },
        );
    }
    if let Some((name, known)) = split(message, "unknown variant `") {
        let close = nearest(name, names(&known));
        return place(format!("`{name}` is not one of {}{close}", known.join(", ")));
    }
    if let Some(name) = message.strip_prefix("missing field `") {
        return about(name.trim_end_matches('`'), "the field is missing".to_owned());
    }
    if let Some(name) = message.strip_prefix("duplicate field `") {
        return about(name.trim_end_matches('`'), "stands twice".to_owned());
    }
    for kind in ["invalid type: ", "invalid value: "] {
        if let Some((found, expected)) = message.strip_prefix(kind).and_then(|rest| rest.rsplit_once(", expected ")) {
            return place(format!("expected {}, found {}", wanted(expected), given(found)));
        }
    }
    place(match message {
        "invalid digit found in string" => "expected a whole number".to_owned(),
        "cannot parse integer from empty string" => "expected a whole number, found nothing".to_owned(),
        "provided string was not `true` or `false`" => "expected true or false".to_owned(),
        "number too large to fit in target type" => "the number is too large".to_owned(),
        other => other.to_owned(),
    })
}

/// The name in question and the known ones, each in its backticks.
fn split<'a>(message: &'a str, start: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let (name, rest) = message.strip_prefix(start)?.split_once("`, ")?;
    let known = rest.strip_prefix("expected one of ").or_else(|| rest.strip_prefix("expected ")).unwrap_or("");
    let known = known.split([',', ' ']).filter(|name| name.starts_with('`')).collect();
    Some((name, known))
}

fn names<'a>(known: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    known.iter().map(|name| name.trim_matches('`'))
}

fn about(name: &str, detail: String) -> Fault {
    Fault { detail, field: Some(name.to_owned()) }
}

fn place(detail: String) -> Fault {
    Fault { detail, field: None }
}

fn wanted(expected: &str) -> &str {
    match expected {
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
    }
}

fn given(found: &str) -> String {
    for (theirs, ours) in
        [("integer ", "the number "), ("floating point ", "the number "), ("string ", "the text "), ("boolean ", "")]
    {
        if let Some(value) = found.strip_prefix(theirs) {
            let short: String = value.chars().take(80).collect();
            let cut = if short.len() < value.len() { "…" } else { "" };
            return format!("{ours}{short}{cut}");
        }
    }
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "unit value" | "null" | "Option value" => "null".to_owned(),
        other => other.chars().take(80).collect(),
    }
}
