//! What a browser may be tricked into, while there are no keys.
//!
//! A page of another site can point its own name at 127.0.0.1 (DNS rebinding) or post to the
//! server blindly. So on loopback the `Host` must be a name of this machine's own, and a request
//! that changes something must not carry the `Origin` of another site.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::problem::{Code, Problem};

pub(super) async fn origin_check(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let host = host(&request);
    if !app.settings.trust_network && !host.as_ref().is_some_and(|host| is_ours(host, &app.settings.hosts)) {
        return Problem::new(
            Code::ForeignHost,
            "the `Host` header names another machine; call the server as localhost, or start it with --host NAME",
        )
        .into_response();
    }
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe && !same_origin(&request, host.as_ref()) {
        return Problem::new(
            Code::ForeignOrigin,
            "the `Origin` header names another site: pages of other sites may not change anything here",
        )
        .into_response();
    }
    next.run(request).await
}

fn host(request: &Request) -> Option<Authority> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.clone());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?.parse().ok()?;
    hosts.next().is_none().then_some(host)
}

fn is_ours(host: &Authority, named: &[String]) -> bool {
    let name = host.host().to_ascii_lowercase();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let loopback = bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let local = bare == "localhost" || bare.ends_with(".localhost");
    let user_info = host.as_str().contains('@');
    !user_info && (loopback || local || named.iter().any(|other| other.eq_ignore_ascii_case(bare)))
}

/// No `Origin` (not a browser's page), or the address the request itself went to.
fn same_origin(request: &Request, host: Option<&Authority>) -> bool {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
    let same = |origin: &str, host: &Authority| origin.eq_ignore_ascii_case(host.as_str());
    origins.next().is_none() && origin.zip(host).is_some_and(|(origin, host)| same(origin, host))
}
