//! Generates the OpenAPI document from the handlers, and serves Swagger UI.
//!
//! Bodies are checked against the same schemas (`gatecast_core::validate`), so the document states what the
//! server enforces. [`complete`] adds what the derived schemas cannot express.

mod examples;
mod exclusive;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::routing::get;
use gatecast_core::job::JobEvent;
use gatecast_core::validate;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::problem::{self, Code, FieldProblem, Problem, RowProblem};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gatecast",
        description = "Upload time series, train recurrent networks on them as background jobs, and ask the stored models for forecasts.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem, FieldProblem, RowProblem, JobEvent)),
    tags(
        (name = "datasets", description = "Series, uploaded and profiled."),
        (name = "jobs", description = "Trainings, comparisons, searches and backtests, run in the background."),
        (name = "models", description = "Trained models: listed, exported, imported, asked for forecasts."),
        (name = "server", description = "The server itself.")
    )
)]
struct Document;

/// The base document, to which the handlers' descriptions are added.
pub(super) fn base() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Completes the document.
pub(super) fn complete(api: utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(api).unwrap_or_default();
    for operation in operations(&mut document) {
        let responses = with_problem(operation.remove("responses"));
        operation.insert("responses".to_owned(), responses);
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        parameters.into_iter().flatten().for_each(|parameter| without_null(&mut parameter["schema"]));
    }
    let requests: Vec<Value> =
        operations(&mut document).filter_map(|operation| operation.get("requestBody").cloned()).collect();
    if let Some(components) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        complete_schemas(components, &requests.into());
        exclusive::add(components);
    }
    describe_events(&mut document);
    examples::add(&mut document);
    document
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).into_iter();
    let methods = paths.flat_map(Map::values_mut).filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    methods.filter_map(Value::as_object_mut)
}

/// Adds the problem as a possible response of an operation.
fn with_problem(responses: Option<Value>) -> Value {
    let mut responses = responses.unwrap_or_else(|| json!({}));
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    responses["default"] =
        json!({"description": "What went wrong", "content": {problem::CONTENT_TYPE: {"schema": schema}}});
    responses
}

/// Removes null from a parameter's types: path, query and header parameters are omitted, never null.
fn without_null(schema: &mut Value) {
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|kind| kind != "null");
    }
    let alternatives = schema.get_mut("oneOf").and_then(Value::as_array_mut);
    if let Some(alternatives) = alternatives {
        alternatives.retain(|alternative| alternative != &json!({"type": "null"}));
    }
}

/// Forbids unknown fields in the schemas of requests, as the server does, and lists the problem codes.
fn complete_schemas(components: &mut Map<String, Value>, requests: &Value) {
    validate::flatten(components);
    for name in validate::referenced(requests, components) {
        components.get_mut(&name).into_iter().for_each(validate::close);
    }
    let mut codes: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    codes.sort_unstable();
    codes.dedup();
    if let Some(code) = components.get_mut("Problem").and_then(|problem| problem.pointer_mut("/properties/code")) {
        code["enum"] = codes.into();
    }
}

/// Describes the event stream. Its media type is text, and OpenAPI 3.1 cannot describe the lines.
fn describe_events(document: &mut Value) {
    let place = "/paths/~1v1~1jobs~1{id}~1events/get/responses/200/content/text~1event-stream/schema";
    if let Some(schema) = document.pointer_mut(place) {
        *schema = json!({
            "type": "string",
            "description": "Server-sent events. The `data` of each is JSON: a `JobEvent`.",
            "x-event-data": {"$ref": "#/components/schemas/JobEvent"}
        });
    }
}

/// Swagger UI loads only its own files. It sets styles from scripts, and has images in its style sheet.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// `/openapi.json` and `/docs`. The page loads nothing from other hosts.
pub(super) fn pages(document: Value) -> Router<super::AppState> {
    let config = Config::from("/openapi.json").validator_url("none");
    let document = axum::Json(document);
    let docs = Router::from(SwaggerUi::new("/docs").config(config));
    let policy = axum::middleware::map_response(async |mut response: axum::response::Response| {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
        response
    });
    Router::new().route("/openapi.json", get(async move || document)).merge(docs.layer(policy))
}
