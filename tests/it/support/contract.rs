//! Validates requests and responses against `docs/openapi.json`, independently of the server's code.
//!
//! Every response must match the document. Every JSON body that the server accepts must be valid
//! according to the document.

use std::sync::LazyLock;

use reqwest::Method;
use serde_json::Value;

use super::{Answer, json_schema};

pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
});

/// Checks one request and its response.
#[track_caller]
pub(crate) fn check(method: &Method, path: &str, body: Option<&Value>, answer: &Answer) {
    let status = answer.status.as_u16();
    let kind = answer.header("content-type").split(';').next().unwrap_or_default();
    let Some(operation) = operation(method, path) else {
        // Pages for people are not part of the API.
        assert!(
            !path.starts_with("/v1") || answer.status.is_client_error(),
            "{method} {path} is not in the document and answers {status}"
        );
        return;
    };
    let responses = format!("{operation}/responses");
    let documented = pointer(&format!("{responses}/{status}")).is_some();
    assert!(documented || kind == "application/problem+json", "{method} {path}: {status} is not documented");
    let response = if documented { format!("{responses}/{status}") } else { format!("{responses}/default") };
    if kind.ends_with("json") {
        let schema = format!("{response}/content/{}/schema", escape(kind));
        let errors = errors(&schema, &answer.json());
        assert!(
            errors.is_empty(),
            "{method} {path} answers {status}, against its schema: {errors:#?}\n{}",
            answer.text
        );
    }
    let schema = format!("{operation}/requestBody/content/application~1json/schema");
    if let Some(body) = body.filter(|_| answer.status.is_success() && pointer(&schema).is_some()) {
        let errors = errors(&schema, body);
        assert!(errors.is_empty(), "{method} {path} accepted what the document forbids: {errors:#?}\n{body}");
    }
}

/// Checks the `data` of a server-sent event.
#[track_caller]
pub(crate) fn check_event(data: &Value) {
    let errors = errors("/components/schemas/JobEvent", data);
    assert!(errors.is_empty(), "{errors:#?}\n{data}");
}

/// The errors of `value` according to the schema at `place`.
pub(crate) fn errors(place: &str, value: &Value) -> Vec<String> {
    let schema = pointer(place).unwrap_or_else(|| panic!("the document has nothing at {place}"));
    json_schema::errors(&DOCUMENT, schema, value)
}

/// The JSON pointer of the operation with this method and path.
fn operation(method: &Method, path: &str) -> Option<String> {
    let path = path.split('?').next().unwrap_or_default();
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let template = paths.keys().find(|template| matches(template, path))?;
    let place = format!("/paths/{}/{}", escape(template), method.as_str().to_lowercase());
    pointer(&place).map(|_| place)
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len() && template.iter().zip(&path).all(|(a, b)| a.starts_with('{') || a == b)
}

fn pointer(place: &str) -> Option<&'static Value> {
    DOCUMENT.pointer(place)
}

fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}
