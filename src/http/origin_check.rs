//! Protection against malicious web pages, while there are no API keys.
//!
//! A page of another site can resolve its own name to this server (DNS rebinding) or send blind POST
//! requests. So `Host` must be an IP address or a name that no other site can have, and a request that
//! changes something must not have the `Origin` of another site. `--trust-network` admits the addresses of
//! other machines, but no foreign names: rebinding reaches a container's port published on loopback just as
//! it reaches a server that listens on loopback.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::problem::{Code, Problem};
use crate::config::Settings;

pub(super) async fn origin_check(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let host = host(&request);
    if !host.as_ref().is_some_and(|host| is_known(host, &app.settings)) {
        return Problem::new(
            Code::ForeignHost,
            "the `Host` header has a name this server does not know: call it as localhost or by its address, or \
             start it with --host NAME",
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

/// Whether the host is `localhost`, an IP address (beyond loopback only with `--trust-network`), or a name
/// given with `--host`.
fn is_known(host: &Authority, settings: &Settings) -> bool {
    let name = host.host().to_ascii_lowercase();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback() || settings.trust_network);
    let local = bare == "localhost" || bare.ends_with(".localhost");
    let named = settings.hosts.iter().any(|other| other.eq_ignore_ascii_case(bare));
    // Rejects anything before the name (`user@name`), and anything except a port after it (`[::1].name`).
    let rest = host.as_str().strip_prefix(host.host()).map(|rest| rest.strip_prefix(':').unwrap_or(rest));
    let whole = rest.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    whole && (address || local || named)
}

/// Whether there is no `Origin` (the client is not a web page), or it is the address that the request was sent to.
fn same_origin(request: &Request, host: Option<&Authority>) -> bool {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
    let same = |origin: &str, host: &Authority| origin.eq_ignore_ascii_case(host.as_str());
    origins.next().is_none() && origin.zip(host).is_some_and(|(origin, host)| same(origin, host))
}
