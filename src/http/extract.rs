//! Extractors for path and query parameters. The problem names the invalid parameter.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::params;
use super::problem::{Code, Problem};
use gatecast_core::alias::{AliasName, ModelRef};
use gatecast_core::ids::{DatasetId, JobId, ModelId};
use gatecast_store::Page;

/// A path parameter's type.
pub(super) trait Segment: FromStr<Err: Display> {
    /// The parameter's name in the route.
    const NAME: &'static str = "id";
    /// The problem code for a text that cannot be parsed.
    const INVALID: Code = Code::InvalidId;
}

impl Segment for DatasetId {}
impl Segment for JobId {}
impl Segment for ModelId {}
impl Segment for ModelRef {}

impl Segment for AliasName {
    const NAME: &'static str = "name";
    const INVALID: Code = Code::InvalidAlias;
}

/// Parses a path parameter.
pub(super) async fn segment<T: Segment, S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<T, Problem> {
    let Path(mut segments) = Path::<HashMap<String, String>>::from_request_parts(parts, state)
        .await
        .map_err(|_| Problem::new(T::INVALID, "the address is not UTF-8"))?;
    let text = segments.remove(T::NAME).unwrap_or_default();
    text.parse().map_err(|error| Problem::new(T::INVALID, format!("`{}` {error}", shown(&text))))
}

/// The path parameter `{id}`.
pub(super) struct Id<T>(pub T);

impl<S: Send + Sync, T: Segment> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        segment(parts, state).await.map(Self)
    }
}

/// The query parameters. Unknown ones are rejected by name.
pub(super) struct Params<T>(pub T);

impl<S: Send + Sync, T: IntoParams + DeserializeOwned + 'static> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        params::read(pairs(&parts.uri)?).map(Self).map_err(|errors| {
            let told: Vec<String> =
                errors.iter().map(|error| format!("`{}`: {}", shown(&error.name), error.detail)).collect();
            let parameters = if told.len() == 1 { "query parameter" } else { "query parameters" };
            Problem::new(Code::InvalidQuery, format!("{parameters} {}", told.join("; ")))
        })
    }
}

/// The query parameters as sent, in order.
pub(super) fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let pairs = Query::try_from_uri(uri).map(|Query(pairs)| pairs);
    pairs.map_err(|_| Problem::new(Code::InvalidQuery, "the query string cannot be read"))
}

/// The start of a text, for a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

/// The page of a list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageParams {
    /// The maximum number of items to return.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    pub limit: PageSize,
    /// The `next` of the previous page.
    #[param(pattern = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
    pub after: Option<String>,
}

impl PageParams {
    pub(super) fn page(&self) -> Result<Page, Problem> {
        page(self.limit, self.after.as_deref())
    }
}

/// The store's page; a cursor is the id of the last item returned.
pub(super) fn page(limit: PageSize, after: Option<&str>) -> Result<Page, Problem> {
    let cursor = |text: &str| text.parse::<JobId>().map(JobId::uuid).map_err(|_| invalid_cursor());
    Ok(Page { limit: limit.0, after: after.map(cursor).transpose()? })
}

/// From 1 to 200; default 50.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub(super) struct PageSize(pub u32);

impl PageSize {
    const MAX: u64 = 200;
}

impl Default for PageSize {
    fn default() -> Self {
        Self(50)
    }
}

impl TryFrom<u64> for PageSize {
    type Error = String;
    fn try_from(size: u64) -> Result<Self, String> {
        match u32::try_from(size) {
            Ok(size) if (1..=Self::MAX).contains(&u64::from(size)) => Ok(Self(size)),
            _ => Err(format!("expected 1 to {}", Self::MAX)),
        }
    }
}

/// The problem for a cursor that no list has returned.
pub(super) fn invalid_cursor() -> Problem {
    Problem::new(
        Code::InvalidCursor,
        "query parameter `after`: not a cursor of this list; take `next` of the answer before",
    )
}
