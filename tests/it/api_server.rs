//! The server apart from its resources: problems, request ids, foreign sites, slow clients, settings, shutdown.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::postgres;
use crate::support::{Answer, Proxy, TestServer, program};

#[tokio::test]
async fn the_server_starts_and_is_ready() {
    let server = TestServer::start().await;
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
    assert!(server.get("/").await.text.contains("/docs"));
    let system = server.get("/v1/system").await.expect(200);
    assert_eq!(system["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(system["limits"]["json"], 1 << 20);
    let health = program().args(["health", "--url", &server.url]).status().await.unwrap();
    assert!(health.success());
}

#[tokio::test]
async fn the_health_command_fails_without_a_server() {
    let mut server = TestServer::start().await;
    let url = server.url.clone();
    assert!(server.terminate().await.success());
    let output = program().args(["health", "--url", &url]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let bad = program().args(["health", "--url", "ftp://somewhere"]).output().await.unwrap();
    assert!(String::from_utf8_lossy(&bad.stderr).contains("is not an address"));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_answered_with_a_problem() {
    let server = TestServer::start().await;
    server.get("/v1/nothing").await.expect_problem(404, "not_found");
    let wrong = server.delete("/v1/system").await;
    wrong.expect_problem(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn a_valid_request_id_is_kept_and_an_invalid_one_replaced() {
    let server = TestServer::start().await;
    let with = async |id: &str| {
        let request = server.request(Method::GET, "/v1/nothing").header("x-request-id", id);
        Answer::of(request.send().await.unwrap()).await.header("x-request-id").to_owned()
    };
    assert_eq!(with("trace-42").await, "trace-42");
    for insane in ["", "two words", "<script>", &"x".repeat(129)] {
        let id = with(insane).await;
        assert!(id != insane && id.len() == 36, "{id}");
    }
    assert!(server.log().contains("trace-42"), "the log names the request");
}

#[tokio::test]
async fn requests_with_a_foreign_host_or_origin_are_refused() {
    let server = TestServer::with().flag("host", "forecasts.example").start().await;
    let get = async |host: &str| {
        let request = server.request(Method::GET, "/v1/system").header("host", host);
        Answer::of(request.send().await.unwrap()).await
    };
    for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost@evil.example", "169.254.0.1"]
    {
        get(host).await.expect_problem(421, "foreign_host");
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]:80", "app.localhost:3000", "Forecasts.Example"] {
        get(host).await.expect(200);
    }
    let post = async |origin: &str| {
        let request = server.request(Method::POST, "/v1/nothing").header("origin", origin).json(&json!({}));
        Answer::of(request.send().await.unwrap()).await
    };
    for origin in ["https://evil.example", "null", "", "http://localhost:1"] {
        post(origin).await.expect_problem(403, "foreign_origin");
    }
    post(&server.url).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_trusted_network_may_use_addresses_but_no_foreign_names() {
    let server = TestServer::with().flag("trust-network", "true").flag("host", "forecasts.example").start().await;
    let post = async |host: &str| {
        let request = server.request(Method::POST, "/v1/nothing").header("host", host).json(&json!({}));
        // The headers of a browser if another site's name resolves to this server.
        Answer::of(request.header("origin", format!("http://{host}")).send().await.unwrap()).await
    };
    for host in ["evil.example:18131", "169.254.0.1.evil.example", "[fe80::1].evil.example"] {
        post(host).await.expect_problem(421, "foreign_host");
    }
    for host in ["192.168.7.9:8080", "[fe80::1]:80", "127.0.0.1", "localhost:8080", "forecasts.example"] {
        post(host).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn no_response_may_be_framed_sniffed_or_load_foreign_content() {
    let server = TestServer::start().await;
    let missing = server.get("/v1/nothing").await;
    let mut responses = vec![("a problem", missing)];
    for page in ["/", "/docs/", "/docs/swagger-ui-bundle.js", "/openapi.json", "/v1/system", "/healthz"] {
        responses.push((page, server.get(page).await));
    }
    for (what, response) in &responses {
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{what}");
        let policy = response.header("content-security-policy");
        for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(directive), "{what}: {policy}");
        }
        assert!(!policy.contains("http"), "{what} may load from another machine: {policy}");
    }
    let (_, page) = &responses[2];
    assert!(page.header("content-security-policy").contains("script-src 'self';"), "Swagger UI's own scripts run");
    // The policy forbids inline scripts, so the page must have none.
    for script in page.text.split("<script").skip(1) {
        assert!(script.trim_start().starts_with("src=\"./"), "an inline or foreign script: {script}");
        let body = script.split_once('>').unwrap().1.split_once("</script>").unwrap().0;
        assert!(body.trim().is_empty(), "an inline script: {body}");
    }
    for handler in [" onload=", " onclick=", "javascript:"] {
        assert!(!page.text.contains(handler), "{handler}");
    }
}

/// The one-line error with which `gatecast serve` fails for these arguments.
async fn start_error(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path()).args(arguments);
    let output = tokio::time::timeout(Duration::from_secs(20), command.output()).await;
    let output = output.expect("the start did not end in time").unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    told
}

#[tokio::test]
async fn an_unreachable_database_is_reported_with_address_and_cause() {
    // Nothing listens on the port, because it was free just before.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let told = start_error(&["--database", &format!("postgres://me:secret@127.0.0.1:{port}/gatecast")]).await;
    assert!(told.contains(&format!("127.0.0.1:{port}")) && told.contains("refused"), "{told}");
    assert!(!told.contains("secret"), "{told}");
    assert_eq!(told.matches("refused").count(), 1, "the cause is told once: {told}");
}

#[tokio::test]
async fn start_fails_within_seconds_if_the_database_does_not_answer() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let told = start_error(&["--database", &format!("postgres://me@{address}/gatecast")]).await;
    assert!(told.contains(&address.to_string()) && told.contains("no answer within"), "{told}");
}

#[tokio::test]
async fn an_unreadable_settings_file_is_reported_with_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let told = start_error(&["--config", folder.path().to_str().unwrap()]).await;
    assert!(told.contains("is a folder") && told.contains(folder.path().to_str().unwrap()), "{told}");
    let told = start_error(&["--config", folder.path().join("none.toml").to_str().unwrap()]).await;
    assert!(told.contains("No such file"), "{told}");
}

#[tokio::test]
async fn a_misspelt_environment_variable_causes_a_warning() {
    let server = TestServer::with().environment("GATECAST_JSONLIMIT", "4 KiB").start().await;
    let log = server.log();
    assert!(log.contains("`GATECAST_JSONLIMIT`") && log.contains("did you mean `GATECAST_JSON_LIMIT`?"), "{log}");
    let log = TestServer::with().environment("GATECAST_JSON_LIMIT", "4 KiB").start().await.log();
    assert!(!log.contains("WARN"), "{log}");
}

#[tokio::test]
async fn the_server_listens_only_on_loopback_by_default() {
    let refused = program().args(["serve", "--listen", "0.0.0.0:0"]).output().await.unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("--trust-network") && told.lines().count() == 1, "{told}");
}

#[tokio::test]
async fn an_endless_request_head_is_refused() {
    let server = TestServer::with().flag("header-seconds", "1").start().await;
    let answer = server.raw(b"GET /v1/system HTTP/1.1\r\nHost: localhost\r\nX-Slow").await;
    assert!(!answer.contains("200"), "{answer}");
    let huge = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: {}\r\n\r\n", "x".repeat(1 << 20));
    assert!(server.raw(huge.as_bytes()).await.starts_with("HTTP/1.1 431"));
    server.get("/v1/system").await.expect(200);
}

#[tokio::test]
async fn settings_come_from_the_environment_and_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gatecast.toml");
    std::fs::write(&file, "[limits]\njson = '2 KiB'\nforecast = '3 KiB'\n").unwrap();
    let server = TestServer::with()
        .flag("config", file.to_str().unwrap())
        .environment("GATECAST_FORECAST_LIMIT", "4 KiB")
        .start()
        .await;
    let limits = &server.get("/v1/system").await.expect(200)["limits"];
    assert_eq!((&limits["json"], &limits["forecast"]), (&json!(2048), &json!(4096)));
}

#[tokio::test]
async fn the_documentation_is_served_without_foreign_resources() {
    let server = TestServer::start().await;
    let document = server.get("/openapi.json").await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    for page in ["/docs/", "/docs/swagger-initializer.js", "/docs/swagger-ui.css"] {
        let page = server.get(page).await;
        assert_eq!(page.status, 200);
        assert!(!page.text.contains("//cdn") && !page.text.contains("unpkg"), "{}", page.text);
    }
    assert!(server.get("/docs/swagger-initializer.js").await.text.contains("\"validatorUrl\": \"none\""));
}

#[tokio::test]
async fn the_stored_openapi_document_is_up_to_date() {
    let output = program().arg("openapi").output().await.unwrap();
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert!(made == kept, "docs/openapi.json is not up to date: run `make openapi`");
}

#[tokio::test]
async fn sigterm_and_sigint_end_the_server_with_success() {
    let mut server = TestServer::start().await;
    server.get("/healthz").await;
    assert!(server.terminate().await.success());
    let mut server = TestServer::start().await;
    server.signal("INT");
    assert!(server.exit().await.success());
}

#[tokio::test]
async fn requests_get_503_with_retry_after_if_the_database_is_unreachable() {
    let Some(url) = postgres::database().await else { return };
    let Some((mut proxy, through)) = Proxy::before(&url) else { return };
    let server = TestServer::with().flag("workers", "0").flag("database", &through).start().await;
    server.get("/readyz").await.expect_text(200);
    proxy.cut().await;
    for (path, code) in
        [("/v1/jobs", "database_unavailable"), ("/v1/datasets", "database_unavailable"), ("/readyz", "not_ready")]
    {
        let asked = Instant::now();
        let answer = server.get(path).await;
        answer.expect_problem(503, code);
        assert_eq!(answer.header("retry-after"), "2");
        assert!(asked.elapsed() < Duration::from_secs(5), "{path} took {:?}", asked.elapsed());
    }
    proxy.restore();
    server.get("/v1/jobs").await.expect(200);
    server.get("/readyz").await.expect_text(200);
    drop(server);
    postgres::drop_database(&url).await;
}

#[tokio::test]
async fn the_server_refuses_a_database_of_another_data_folder() {
    let database = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", database.path().join("shared.db").display());
    let mut first = TestServer::with().flag("database", &url).start().await;
    assert!(first.terminate().await.success());
    let other = tempfile::tempdir().unwrap();
    let start =
        program().args(["serve", "--listen", "127.0.0.1:0", "--database", &url, "--data"]).arg(other.path()).output();
    let output = start.await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.contains("do not belong together"), "{told}");
    let again = first.start_again().await;
    again.get("/readyz").await.expect_text(200);
}

#[tokio::test]
async fn aliases_are_paged() {
    let server = TestServer::with().flag("workers", "0").start().await;
    for after in ["", "&after=zzz"] {
        let page = server.get(&format!("/v1/aliases?limit=1{after}")).await.expect(200);
        assert_eq!(page, json!({"items": [], "next": null}));
    }
    server.get("/v1/aliases?after=not%20an%20alias").await.expect_problem(400, "invalid_cursor");
    server.get("/v1/aliases?limit=0").await.expect_problem(400, "invalid_query");
}
