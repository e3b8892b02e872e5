//! The OpenAPI document, made from the handlers, and the page that shows it.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::problem::{self, FieldProblem, Problem, RowProblem};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gatecast",
        description = "Upload time series, train recurrent networks on them as background jobs, and ask the stored models for forecasts.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem, FieldProblem, RowProblem)),
    tags(
        (name = "datasets", description = "Series, uploaded and profiled."),
        (name = "jobs", description = "Trainings: ordered, watched, cancelled."),
        (name = "models", description = "What trainings leave behind: stored, moved, asked for forecasts."),
        (name = "server", description = "The server itself.")
    )
)]
struct Document;

/// What the handlers' own descriptions are added to.
pub(super) fn base() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Every operation may answer with a problem: said once, here.
pub(super) fn with_problems(mut api: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let problem: Response =
        ResponseBuilder::new().description("What went wrong").content(problem::CONTENT_TYPE, content).build();
    for item in api.paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten();
        for operation in operations {
            operation.responses.responses.insert("default".to_owned(), RefOr::T(problem.clone()));
        }
    }
    api
}

/// Swagger UI loads its own files alone. It sets styles from scripts, and has images in its style sheet.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// `/openapi.json` and `/docs`, which asks no other machine for anything.
pub(super) fn pages(api: utoipa::openapi::OpenApi) -> Router<super::AppState> {
    let config = Config::from("/openapi.json").validator_url("none");
    let document = axum::Json(api);
    let docs = Router::from(SwaggerUi::new("/docs").config(config));
    let policy = axum::middleware::map_response(async |mut response: axum::response::Response| {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
        response
    });
    Router::new().route("/openapi.json", get(async move || document)).merge(docs.layer(policy))
}
