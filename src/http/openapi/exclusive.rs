//! Rules between fields, which the derived schemas cannot state.

use serde_json::{Map, Value, json};

use gatecast_core::forecast::MAX_SERIES;

/// Adds to the document's schemas: of some fields exactly one is given, and the bounds of a list
/// that is one of two alternatives.
pub(super) fn add(components: &mut Map<String, Value>) {
    if let Some(range) = components.get_mut("Range") {
        exactly_one(range, &["choice", "integer", "uniform", "log_uniform"]);
    }
    let kinds = components.get_mut("JobRequest").and_then(|request| request["oneOf"].as_array_mut());
    for kind in kinds.into_iter().flatten() {
        if kind.pointer("/properties/kind/enum/0") == Some(&json!("backtest")) {
            exactly_one(kind, &["model", "order"]);
        }
    }
    let alternatives = components.get_mut("SeriesSelection").and_then(|series| series["oneOf"].as_array_mut());
    for alternative in alternatives.into_iter().flatten() {
        if alternative["type"] == "array" {
            alternative["minItems"] = 1.into();
            alternative["maxItems"] = MAX_SERIES.into();
        }
    }
}

/// A null counts as a field that is left out.
fn exactly_one(schema: &mut Value, fields: &[&str]) {
    let given = |field: &&str| json!({"required": [field], "properties": {*field: {"not": {"type": "null"}}}});
    schema["oneOf"] = fields.iter().map(given).collect();
}
