//! Deserializes name-value pairs (a query string, the options of a form) into a typed object.
//!
//! They are checked against the parameters in the OpenAPI document, as a JSON body is checked against its schema.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use gatecast_core::validate::{Validator, nearest};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

/// One parameter's error.
pub(super) struct ParamError {
    pub name: String,
    pub detail: String,
}

/// The parameters of one type: their schemas, and a validator for the resulting object.
struct Known {
    schemas: Map<String, Value>,
    validator: Validator,
}

/// Deserializes a type from name-value pairs. Reports every error.
pub(super) fn read<T>(pairs: Vec<(String, String)>) -> Result<T, Vec<ParamError>>
where
    T: IntoParams + DeserializeOwned + 'static,
{
    let known = known::<T>();
    let (mut given, mut errors) = (Map::new(), Vec::new());
    for (name, text) in pairs {
        let Some(schema) = known.schemas.get(&name) else {
            errors.push(unknown(name, &known.schemas));
            continue;
        };
        if kinds(schema).any(|kind| kind == "array") {
            let items = schema.get("items").unwrap_or(&Value::Null);
            let list = given.entry(name).or_insert_with(|| json!([]));
            list.as_array_mut().into_iter().for_each(|list| list.push(value(items, &text)));
        } else if given.insert(name.clone(), value(schema, &text)).is_some() {
            errors.push(ParamError { name, detail: "is given twice".to_owned() });
        }
    }
    let given = Value::Object(given);
    let faults = known.validator.check_value(&given).err().into_iter().flatten();
    errors.extend(faults.map(|fault| {
        let name = fault.pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
        ParamError { name: name.to_owned(), detail: fault.detail }
    }));
    if !errors.is_empty() {
        return Err(errors);
    }
    serde_json::from_value(given).map_err(|error| vec![ParamError { name: String::new(), detail: error.to_string() }])
}

fn known<T: IntoParams + 'static>() -> Arc<Known> {
    static KNOWN: LazyLock<Mutex<HashMap<TypeId, Arc<Known>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(build::<T>())).clone()
}

fn build<T: IntoParams>() -> Known {
    let mut schemas = Map::new();
    for parameter in T::into_params(|| None) {
        let schema = serde_json::to_value(&parameter.schema).unwrap_or_default();
        schemas.insert(parameter.name, schema);
    }
    let object = json!({"type": "object", "properties": schemas, "additionalProperties": false});
    let components = Map::from_iter([("Parameters".to_owned(), object)]);
    Known { schemas, validator: Validator::new("Parameters", components) }
}

/// Parses the text as the type in the schema. If that fails, returns it as a string.
fn value(schema: &Value, text: &str) -> Value {
    let read = kinds(schema).find_map(|kind| match kind {
        "integer" => text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<i64>().map(Value::from)).ok(),
        "number" => text.parse::<f64>().ok().map(Value::from).filter(Value::is_number),
        "boolean" => text.parse::<bool>().ok().map(Value::from),
        _ => None,
    });
    read.unwrap_or_else(|| text.into())
}

fn kinds(schema: &Value) -> impl Iterator<Item = &str> {
    let kind = schema.get("type");
    let several = kind.and_then(Value::as_array).into_iter().flatten();
    kind.into_iter().chain(several).filter_map(Value::as_str)
}

fn unknown(name: String, known: &Map<String, Value>) -> ParamError {
    let names = || known.keys().map(String::as_str);
    let detail = match nearest(&name, names()) {
        close if close.is_empty() => {
            let names: Vec<String> = names().map(|name| format!("`{name}`")).collect();
            if names.is_empty() {
                "unknown; none is known here".to_owned()
            } else {
                format!("unknown; known are {}", names.join(", "))
            }
        }
        close => format!("unknown{close}"),
    };
    ParamError { name, detail }
}
