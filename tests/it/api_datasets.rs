//! Datasets over HTTP: upload, read and delete, and refused uploads, which must leave no files.

use std::fmt::Write as _;
use std::io::Write as _;

use reqwest::{Method, multipart};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::{Answer, TestServer, daily, eventually};

#[tokio::test]
async fn an_upload_with_an_unsupported_content_type_is_refused() {
    let server = TestServer::start().await;
    let upload = async |kind: &str| {
        let request = server.request(Method::POST, "/v1/datasets").header("content-type", kind);
        Answer::of(request.body("time,sales\n2024-01-01,1\n2024-01-02,2\n").send().await.unwrap()).await
    };
    for kind in ["image/png", "application/pdf", "text/html", "csv"] {
        upload(kind).await.expect_problem(415, "unsupported_media_type");
    }
    // The last one is curl's default.
    for kind in
        ["text/csv; charset=utf-8", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"]
    {
        upload(kind).await.expect(201);
    }
}

#[tokio::test]
async fn a_dataset_is_uploaded_read_and_deleted() {
    let server = TestServer::start().await;
    let answer = server.upload("?name=Two%20shops", daily(&["north", "süd/1"], 40)).await;
    let location = answer.header("location").to_owned();
    let dataset = answer.expect(201);
    let address = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    assert_eq!(location, address);
    assert_eq!(dataset["name"], "Two shops");
    assert_eq!((&dataset["profile"]["series"], &dataset["profile"]["points"]), (&json!(2), &json!(80)));
    assert_eq!(server.get(&address).await.expect(200), dataset);
    assert_eq!(server.get("/v1/datasets").await.expect(200)["items"], json!([dataset]));

    let series = server.get(&format!("{address}/series?limit=1")).await.expect(200);
    assert_eq!(series["items"][0]["key"], "north");
    let next = series["next"].as_str().unwrap();
    let series = server.get(&format!("{address}/series?limit=1&after={next}")).await.expect(200);
    assert_eq!((&series["items"][0]["key"], &series["next"]), (&json!("süd/1"), &json!(null)));

    let values = server.get(&format!("{address}/series/s%C3%BCd%2F1?last=2&column=sales")).await.expect(200);
    assert_eq!(values["positions"], json!([38, 39]));
    assert_eq!(values["timestamps"], json!(["2020-02-08T00:00:00Z", "2020-02-09T00:00:00Z"]));
    assert_eq!(values["columns"], json!([{"name": "sales", "kind": "number", "values": [138.0, 139.0]}]));
    let thin = server.get(&format!("{address}/series/north?max_points=10")).await.expect(200);
    assert!((3..=10).contains(&thin["positions"].as_array().unwrap().len()), "{thin}");
    server.get(&format!("{address}/series/west")).await.expect_problem(404, "not_found");
    server.get(&format!("{address}/series/north?column=profit")).await.expect_problem(422, "unknown_column");
    server.get(&format!("{address}/series/north?last=0")).await.expect_problem(400, "invalid_query");

    let content = server.request(Method::GET, &format!("{address}/content")).send().await.unwrap();
    let tag = content.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(content.headers()["content-length"], dataset["bytes"].to_string().as_str());
    let bytes = content.bytes().await.unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let again = server.request(Method::GET, &format!("{address}/content")).header("if-none-match", tag);
    assert_eq!(again.send().await.unwrap().status(), 304);

    server.delete(&address).await.expect(204);
    server.get(&address).await.expect_problem(404, "not_found");
    server.delete(&address).await.expect_problem(404, "not_found");
    assert!(server.files("blobs").is_empty() && server.files("scratch").is_empty());
}

#[tokio::test]
async fn a_form_has_options_before_the_file() {
    let server = TestServer::start().await;
    let send = async |form: multipart::Form| {
        Answer::of(server.request(Method::POST, "/v1/datasets").multipart(form).send().await.unwrap()).await
    };
    let file = || multipart::Part::text(daily(&["a"], 20)).file_name("../../x.csv").mime_str("text/csv").unwrap();
    let dataset = send(multipart::Form::new().part("file", file())).await.expect(201);
    assert_eq!(dataset["name"], "x.csv", "a file's name is a name, never a path");
    let named = multipart::Form::new().text("name", "shop a").text("layout", "long").part("file", file());
    assert_eq!(send(named).await.expect(201)["name"], "shop a");

    let late = multipart::Form::new().part("file", file()).text("name", "late");
    assert!(send(late).await.expect_problem(400, "invalid_form").contains("before it"));
    let without = multipart::Form::new().text("name", "nothing");
    assert!(send(without).await.expect_problem(400, "invalid_form").contains("no part `file`"));
    let unknown = multipart::Form::new().text("layuot", "long").part("file", file());
    assert!(send(unknown).await.expect_problem(400, "invalid_option").contains("did you mean `layout`?"));
    let twice = multipart::Form::new().text("name", "a").text("name", "b").part("file", file());
    assert!(send(twice).await.expect_problem(400, "invalid_option").contains("twice"));
    let many = (0..10_000).fold(multipart::Form::new(), |form, at| form.text(format!("option{at}"), "x"));
    send(many).await.expect_problem(400, "invalid_form");
    let long = multipart::Form::new().text("name", "x".repeat(100_000)).part("file", file());
    send(long).await.expect_problem(400, "invalid_form");
    assert_eq!(server.get("/v1/datasets").await.expect(200)["items"].as_array().unwrap().len(), 2);
    assert!(server.files("scratch").is_empty());
}

#[tokio::test]
async fn unknown_and_invalid_options_are_named() {
    let server = TestServer::start().await;
    let long = format!("?name={}", "x".repeat(201));
    for (query, detail) in [
        ("?layuot=long", "did you mean `layout`?"),
        ("?layout=tall", "`layout`"),
        ("?format=xls", "`format`"),
        ("?duplicates=sum", "`duplicates`"),
        ("?frequency=hourly", "`frequency`"),
        ("?season=0", "`season`"),
        ("?season=168,24", "`season`"),
        ("?season=24,1000000", "`season`"),
        ("?name=", "`name`"),
        ("?name=a%00b", "`name`"),
        ("?name=a&name=b", "twice"),
        (long.as_str(), "`name`"),
    ] {
        let told = server.upload(query, daily(&["a"], 20)).await.expect_problem(400, "invalid_option");
        assert!(told.contains(detail), "{query}: {told}");
    }
}

#[tokio::test]
async fn compressed_bodies_are_unpacked_once_within_limits() {
    let server = TestServer::with().flag("unpacked-limit", "1 MiB").start().await;
    let send = async |encoding: &str, body: Vec<u8>| {
        let request = server.request(Method::POST, "/v1/datasets").header("content-encoding", encoding);
        Answer::of(request.header("content-type", "text/csv").body(body).send().await.unwrap()).await
    };
    let csv = daily(&["a"], 30);
    assert_eq!(send("gzip", gzip(csv.as_bytes())).await.expect(201)["profile"]["points"], 30);
    let zstd = zstd::encode_all(csv.as_bytes(), 3).unwrap();
    assert_eq!(send("zstd", zstd).await.expect(201)["profile"]["points"], 30);
    send("br", vec![1, 2, 3]).await.expect_problem(415, "unsupported_encoding");
    send("gzip, gzip", gzip(&gzip(csv.as_bytes()))).await.expect_problem(415, "unsupported_encoding");
    let mut bomb = "time,value\n".to_owned();
    while bomb.len() < 8 << 20 {
        bomb.push_str("2020-01-01,1\n");
    }
    assert_eq!(send("gzip", gzip(bomb.as_bytes())).await.status, 413);
    let mut torn = gzip(csv.as_bytes());
    torn.truncate(torn.len() - 6);
    assert!([400, 422].contains(&send("gzip", torn).await.status.as_u16()));
    assert!(server.files("scratch").is_empty());
}

#[tokio::test]
async fn a_refused_row_is_reported_with_its_line() {
    let server = TestServer::start().await;
    let twice = format!("{}a,2020-01-03,7\n", daily(&["a"], 50));
    let answer = server.upload("", twice.clone()).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    let lines: Vec<_> = answer.json()["rows"].as_array().unwrap().iter().map(|row| row["line"].clone()).collect();
    assert!(lines.contains(&json!(52)), "{}", answer.text);
    server.upload("?duplicates=last", twice).await.expect(201);
    for empty in ["", "time,value\n"] {
        let answer = server.upload("", empty).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        assert!(!answer.json()["detail"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_and_without_a_content_length() {
    let server = TestServer::with().flag("upload-limit", "64 KiB").start().await;
    let large = daily(&["a", "b", "c"], 3000);
    assert!(large.len() > 64 << 10);
    server.upload("", large.clone()).await.expect_problem(413, "body_too_large");
    let head = "POST /v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n";
    let early = server.raw(format!("{head}Content-Length: 99999999999\r\n\r\n").as_bytes()).await;
    assert!(early.starts_with("HTTP/1.1 413"), "{early}");
    let mut chunked = format!("{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in large.as_bytes().chunks(8 << 10) {
        let _ = write!(chunked, "{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap());
    }
    let refused = server.raw(format!("{chunked}0\r\n\r\n").as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    assert!(server.files("scratch").is_empty() && server.files("blobs").is_empty());
}

#[tokio::test]
async fn an_upload_whose_client_disconnects_leaves_no_files() {
    let server = TestServer::start().await;
    let csv = daily(&["a"], 20_000);
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let head = format!("POST /v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", csv.len() * 2);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(csv.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    drop(stream);
    eventually("the upload is given up", || server.log().contains("/v1/datasets")).await;
    eventually("scratch is empty again", || server.files("scratch").is_empty()).await;
    assert_eq!(server.get("/v1/datasets").await.expect(200)["items"], json!([]));
    assert!(server.files("blobs").is_empty());
}

#[tokio::test]
async fn a_body_that_arrives_too_slowly_is_refused() {
    let server = TestServer::with().flag("body-seconds", "1").start().await;
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    stream
        .write_all(b"POST /v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        .await
        .unwrap();
    let (mut answers, mut bytes) = stream.into_split();
    let drip = async {
        while bytes.write_all(b"t").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    let mut answer = [0; 12];
    tokio::select! {
        read = tokio::io::AsyncReadExt::read_exact(&mut answers, &mut answer) => { read.unwrap(); }
        () = drip => panic!("closed without an answer"),
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
    eventually("scratch is empty again", || server.files("scratch").is_empty()).await;
}

#[tokio::test]
async fn invalid_ids_limits_and_cursors_are_refused_with_a_reason() {
    let server = TestServer::start().await;
    let missing = "0192d3b4-5f6a-7c81-9e2f-0a1b2c3d4e5f";
    for id in [
        "x",
        "%2e%2e%2fetc",
        "%252e%252e",
        "..%5C",
        "%00",
        "..;%2F",
        &format!("%7B{missing}%7D"),
        &missing.replace('-', ""),
        "%F0%9F%A6%80",
    ] {
        for path in [format!("/v1/datasets/{id}"), format!("/v1/jobs/{id}"), format!("/v1/models/{id}/bundle")] {
            server.get(&path).await.expect_problem(400, "invalid_id");
        }
        server.delete(&format!("/v1/models/{id}")).await.expect_problem(400, "invalid_id");
    }
    server.get("/v1/datasets/%ff").await.expect_problem(400, "invalid_id");
    for path in ["datasets", "jobs", "models"] {
        server.get(&format!("/v1/{path}/{missing}")).await.expect_problem(404, "not_found");
        for limit in ["-1", "0", "201", "1000000000", "ten", "99999999999999999999"] {
            server.get(&format!("/v1/{path}?limit={limit}")).await.expect_problem(400, "invalid_query");
        }
        for cursor in ["x", "", "%27%3B--", "12"] {
            server.get(&format!("/v1/{path}?after={cursor}")).await.expect_problem(400, "invalid_cursor");
        }
        let told = server.get(&format!("/v1/{path}?limt=1")).await.expect_problem(400, "invalid_query");
        assert!(told.contains("did you mean `limit`?"), "{told}");
        server.get(&format!("/v1/{path}?limit=1&limit=2")).await.expect_problem(400, "invalid_query");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
