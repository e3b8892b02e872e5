//! What stands in the address: ids and query parameters, refused with a problem.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::json::plain;
use super::problem::{Code, Problem};
use gatecast_core::ids::JobId;
use gatecast_store::Page;

/// The `{id}` of the address.
pub(super) struct Id<T>(pub T);

#[derive(Deserialize)]
struct IdText {
    id: String,
}

impl<S: Send + Sync, T: FromStr<Err = gatecast_core::ids::InvalidId>> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let invalid = |detail: String| Problem::new(Code::InvalidId, detail);
        let Path(IdText { id }) = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| invalid("the address holds bytes that are not text".to_owned()))?;
        let shown: String = id.chars().take(60).collect();
        id.parse().map(Self).map_err(|error| invalid(format!("`{shown}` {error}")))
    }
}

/// The query parameters; unknown ones are refused by name.
pub(super) struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        params(&parts.uri).map(Self)
    }
}

pub(super) fn params<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    Query::try_from_uri(uri).map(|Query(params)| params).map_err(|rejection| {
        let told = rejection.body_text();
        let fault = told.split_once("query string: ").map_or(told.as_str(), |(_, fault)| fault);
        let detail = match fault.split_once(": ") {
            Some((name, fault)) if !name.contains(' ') => format!("`{name}`: {}", plain(fault)),
            _ => plain(fault),
        };
        Problem::new(Code::InvalidQuery, format!("query parameter {detail}"))
    })
}

/// The query parameters as they stand, one by one.
pub(super) fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    params(uri)
}

pub(super) fn invalid_query(name: &str, fault: &str) -> Problem {
    let shown: String = name.chars().take(60).collect();
    Problem::new(Code::InvalidQuery, format!("query parameter `{shown}`: {fault}"))
}

/// Which part of a list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageParams {
    /// At most so many items.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    pub limit: PageSize,
    /// `next` of the page before.
    pub after: Option<String>,
}

impl PageParams {
    pub(super) fn page(&self) -> Result<Page, Problem> {
        page(self.limit, self.after.as_deref())
    }
}

/// The store's page; a cursor is the id of the last item seen.
pub(super) fn page(limit: PageSize, after: Option<&str>) -> Result<Page, Problem> {
    let cursor = |text: &str| text.parse::<JobId>().map(JobId::uuid).map_err(|_| invalid_cursor());
    Ok(Page { limit: limit.0, after: after.map(cursor).transpose()? })
}

/// From 1 to 200; 50 where left out.
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

/// The problem of a cursor that no list has given.
pub(super) fn invalid_cursor() -> Problem {
    Problem::new(
        Code::InvalidCursor,
        "query parameter `after`: not a cursor of this list; take `next` of the answer before",
    )
}
