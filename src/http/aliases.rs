//! Aliases: names for models, which can be moved from one model to another.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::extract::{PageSize, Params, invalid_cursor, segment};
use super::json::ValidJson;
use super::page::List;
use super::problem::Problem;
use gatecast_core::alias::{Alias, AliasName, ModelRef};
use gatecast_core::ids::ModelId;
use gatecast_core::resolve::FieldError;

/// The model that the alias points to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AliasTarget {
    pub model: ModelRef,
}

/// A page of the list of aliases.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AliasParams {
    /// The maximum number of items to return.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: PageSize,
    /// The `next` of the previous page.
    #[param(value_type = Option<AliasName>)]
    after: Option<String>,
}

/// List aliases, ordered by name.
#[utoipa::path(get, path = "/v1/aliases", tag = "models", params(AliasParams),
    responses((status = 200, description = "A page of aliases", body = List<Alias>)))]
pub(super) async fn list(
    State(app): State<AppState>,
    Params(page): Params<AliasParams>,
) -> Result<Json<List<Alias>>, Problem> {
    let after = page.after.as_deref().map(str::parse).transpose().map_err(|_| invalid_cursor())?;
    let page = app.store.aliases(after.as_ref(), page.limit.0).await?;
    Ok(Json(List::new(page.items, page.next.map(|name| name.to_string()))))
}

/// Point an alias to a model, replacing any previous target. `@name` can then be used in place of a model id.
#[utoipa::path(put, path = "/v1/aliases/{name}", tag = "models", params(("name" = AliasName, Path)),
    request_body = AliasTarget, responses((status = 200, description = "The alias", body = Alias)))]
pub(super) async fn put(
    State(app): State<AppState>,
    AliasPath(name): AliasPath,
    ValidJson(target): ValidJson<AliasTarget>,
) -> Result<Json<Alias>, Problem> {
    let missing = || {
        let detail = format!("there is no model {}", target.model);
        Problem::invalid_fields(vec![FieldError { pointer: "/model".to_owned(), detail }])
    };
    let model = app.store.resolve_model_ref(&target.model).await?.ok_or_else(missing)?;
    Ok(Json(app.store.put_alias(&name, model).await?.ok_or_else(missing)?))
}

/// Get the model that an alias points to.
#[utoipa::path(get, path = "/v1/aliases/{name}", tag = "models", params(("name" = AliasName, Path)),
    responses((status = 200, description = "The alias", body = Alias)))]
pub(super) async fn show(State(app): State<AppState>, AliasPath(name): AliasPath) -> Result<Json<Alias>, Problem> {
    app.store.alias(&name).await?.map(Json).ok_or_else(|| missing(&name))
}

/// Delete an alias. The model is kept.
#[utoipa::path(delete, path = "/v1/aliases/{name}", tag = "models", params(("name" = AliasName, Path)),
    responses((status = 204, description = "Taken away")))]
pub(super) async fn delete(State(app): State<AppState>, AliasPath(name): AliasPath) -> Result<StatusCode, Problem> {
    if app.store.delete_alias(&name).await? { Ok(StatusCode::NO_CONTENT) } else { Err(missing(&name)) }
}

fn missing(name: &AliasName) -> Problem {
    Problem::not_found(format!("no model has the alias {name}"))
}

/// The path parameter `{name}`.
pub(super) struct AliasPath(AliasName);

impl<S: Send + Sync> FromRequestParts<S> for AliasPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        segment(parts, state).await.map(Self)
    }
}

/// The model that the path parameter `{id}` refers to: an id, or `@` and an alias.
pub(super) struct ModelPath(pub ModelId);

impl FromRequestParts<AppState> for ModelPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let model: ModelRef = segment(parts, app).await?;
        let id = app.store.resolve_model_ref(&model).await?;
        id.map(Self).ok_or_else(|| Problem::not_found(format!("there is no model {model}")))
    }
}
