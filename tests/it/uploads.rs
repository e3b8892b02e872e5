//! Many slow uploads, and damaged stored files, over HTTP.

use std::path::PathBuf;
use std::time::Duration;

use gatecast_core::order::Cell;
use gatecast_model::bundle::write;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::bundle::model;
use crate::support::{Answer, TestServer, daily, eventually};

const UPLOADS: usize = 4;
const CLIENTS: usize = 600;

/// Imports a small model and returns its path.
async fn imported(server: &TestServer) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    write(&path, &model(Cell::Gru, false, &["value"], &[])).unwrap();
    let request = server.request(Method::POST, "/v1/models").body(std::fs::read(path).unwrap());
    let made = Answer::of(request.send().await.unwrap()).await.expect(201);
    format!("/v1/models/{}", made["id"].as_str().unwrap())
}

/// Starts an upload that never ends, and reads the server's response.
async fn slow_upload(address: String) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        "POST /v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(format!("{head}time,value\n2001").as_bytes()).await.unwrap();
    let mut answer = vec![0; 1_024];
    let length = stream.read(&mut answer).await.unwrap_or(0);
    (stream, String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[tokio::test]
async fn hundreds_of_slow_uploads_are_refused_and_do_not_delay_forecasts() {
    let server = TestServer::with().flag("uploads", &UPLOADS.to_string()).start().await;
    let model = imported(&server).await;
    let mut uploads = JoinSet::new();
    for _ in 0..CLIENTS {
        uploads.spawn(slow_upload(server.address().to_owned()));
    }
    let mut refused = Vec::new();
    while refused.len() < CLIENTS - UPLOADS {
        let (stream, answer) = uploads.join_next().await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
        assert!(
            answer.to_ascii_lowercase().contains("retry-after: ") && answer.contains("too_many_uploads"),
            "{answer}"
        );
        refused.push(stream);
    }
    let values: Vec<f64> = (0..200).map(f64::from).collect();
    let body = json!({"series": [{"id": "a", "values": values}]});
    let address = format!("{model}/forecast");
    let forecast = tokio::time::timeout(Duration::from_secs(10), server.post(&address, &body));
    let answer = forecast.await.expect("the forecast waited for the uploads");
    assert!([200, 422].contains(&answer.status.as_u16()), "{}", answer.text);
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let threads =
        status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap().trim().parse::<usize>().unwrap();
    assert!(threads < 100, "{threads} threads");

    // After the accepted uploads disconnect, their slots are free again.
    drop((uploads, refused));
    let start = std::time::Instant::now();
    loop {
        let answer = server.upload("", daily(&["a"], 20)).await;
        if answer.status == 201 {
            break;
        }
        answer.expect_problem(429, "too_many_uploads");
        assert!(start.elapsed() < Duration::from_secs(60), "no place became free");
        tokio::task::yield_now().await;
    }
    eventually("scratch is empty again", || server.files("scratch").is_empty()).await;
}

fn flip_a_bit(path: &PathBuf, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn damaged_files_are_reported_and_never_served() {
    let server = TestServer::start().await;
    let model = imported(&server).await;
    server.get(&format!("{model}/bundle")).await;
    let bundle = server.files("blobs").pop().unwrap();
    flip_a_bit(&bundle, 2_000);
    server.get(&format!("{model}/bundle")).await.expect_problem(500, "model_corrupt");

    let dataset = server.upload("", daily(&["north", "south"], 400)).await.expect(201);
    let address = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    let stored = server.files("blobs");
    let points = stored
        .iter()
        .find(|path| path.to_str().unwrap().ends_with("parquet") && !path.to_str().unwrap().contains("index"));
    flip_a_bit(points.unwrap(), 200);
    server.get(&format!("{address}/content")).await.expect_problem(500, "dataset_corrupt");
    server.get(&format!("{address}/series/north")).await.expect_problem(500, "dataset_corrupt");
    // The list of series is in the other file.
    server.get(&format!("{address}/series")).await.expect(200);

    let dataset = server.upload("", daily(&["east"], 300)).await.expect(201);
    let address = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    let index = server.files("blobs").into_iter().filter(|path| !stored.contains(path));
    let index = index.into_iter().find(|path| path.to_str().unwrap().contains("index")).unwrap();
    flip_a_bit(&index, 100);
    server.get(&format!("{address}/series")).await.expect_problem(500, "dataset_corrupt");
    server.get(&format!("{address}/series/east")).await.expect_problem(500, "dataset_corrupt");
    let log = server.log();
    assert!(log.contains("dataset_corrupt") && log.contains("model_corrupt"), "{log}");
}

#[tokio::test]
async fn step_numbers_with_a_frequency_and_seasons_become_a_profile() {
    let server = TestServer::start().await;
    let rows: String = (1..=60).map(|at| format!("a,{at},{}\n", at % 7)).collect();
    let nixtla = format!("unique_id,ds,y\n{rows}");
    let profile = server.upload("?frequency=PT1H&season=24,168", nixtla.clone()).await.expect(201)["profile"].clone();
    assert_eq!((&profile["frequency"], &profile["seasons"]), (&json!("PT1H"), &json!([24, 168])));
    assert_eq!((&profile["season_reason"], &profile["start"]), (&json!("given"), &json!(null)));
    let profile = server.upload("", nixtla).await.expect(201)["profile"].clone();
    assert_eq!((&profile["seasons"], &profile["season_reason"]), (&json!([7]), &json!("autocorrelation")));
    let refused = server.upload("?frequency=PT1H", daily(&["north"], 40)).await;
    refused.expect_problem(422, "frequency_contradicts_times");
}

#[tokio::test]
async fn a_tsf_file_is_recognised_by_its_content() {
    let server = TestServer::start().await;
    let head =
        "# rides\n@relation rides\n@attribute series_name string\n@attribute start_timestamp date\n@frequency daily\n";
    let file = format!("{head}@data\nT1:2012-01-01 00-00-00:1,2,?,4\nT2:2012-01-03 00-00-00:5,6\n");
    let dataset = server.upload("", file).await.expect(201);
    let profile = &dataset["profile"];
    assert_eq!((&profile["series"], &profile["points"], &profile["frequency"]), (&json!(2), &json!(6), &json!("P1D")));
    let values = server.get(&format!("/v1/datasets/{}/series/T2", dataset["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(values["timestamps"], json!(["2012-01-03T00:00:00Z", "2012-01-04T00:00:00Z"]));
    server.upload("", head.to_owned()).await.expect_problem(422, "invalid_tsf");
}
