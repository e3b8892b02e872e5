//! Forecasts of the running server: selection of series, refused requests, memory, and
//! cancellation.

use gatecast_core::ids::DatasetId;
use gatecast_core::order::Cell;
use gatecast_model::bundle::{Bundle, network, write};
use gatecast_nn::initialise;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::bundle::model;
use crate::support::{Answer, TestServer, eventually};

/// A model of one column, `load`, that reads `context` hours and forecasts 3.
fn sized(cell: Cell, units: &[usize], context: usize) -> Bundle {
    let mut bundle = model(cell, false, &["load"], &[]);
    let manifest = &mut bundle.manifest;
    manifest.order.model.layers = units.iter().map(|&units| units.into()).collect();
    (manifest.context, manifest.order.data.context) = (context, context);
    bundle.network = network(manifest);
    bundle.parameters = initialise(&bundle.network, 1);
    manifest.parameters = bundle.parameters.len() as u64;
    bundle
}

/// Imports a model and returns the path of its forecasts.
async fn import(server: &TestServer, bundle: &Bundle) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    write(&path, bundle).unwrap();
    let request = server.request(Method::POST, "/v1/models").header("content-type", "application/octet-stream");
    let model = Answer::of(request.body(std::fs::read(path).unwrap()).send().await.unwrap()).await.expect(201);
    format!("/v1/models/{}/forecast", model["id"].as_str().unwrap())
}

/// Hourly load from the start of 2024, for each series and its length.
fn hourly(series: &[(&str, usize)]) -> String {
    let mut csv = "id,time,load\n".to_owned();
    for (id, hours) in series {
        for hour in 0..*hours {
            csv.push_str(&format!("{id},2024-01-01T{hour:02}:00:00Z,{}\n", 90 + hour));
        }
    }
    csv
}

/// Resident memory of the server, in MB.
fn resident(server: &TestServer) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn codes(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn series_left_out_are_all_series_of_the_models_dataset() {
    let server = TestServer::start().await;
    let csv = hourly(&[("north", 9), ("early", 8), ("short", 2)]);
    let dataset = server.upload("?name=grid", csv).await.expect(201)["id"].as_str().unwrap().to_owned();
    let mut bundle = model(Cell::Lstm, false, &["load"], &[]);
    bundle.manifest.trained_on.dataset = dataset.parse::<DatasetId>().unwrap();
    bundle.manifest.order.dataset = bundle.manifest.trained_on.dataset;
    let forecast = import(&server, &bundle).await;

    let all = server.post(&forecast, &json!({})).await.expect(200);
    let keys: Vec<&Value> = all["forecasts"].as_array().unwrap().iter().map(|made| &made["series"]).collect();
    assert_eq!(keys, ["north", "early"]);
    assert_eq!(all["forecasts"][0]["timestamps"][0], "2024-01-01T09:00:00Z");
    assert_eq!((&all["errors"][0]["series"], codes(&all["errors"])), (&json!("short"), vec!["series_too_short"]));
    assert_eq!(codes(&all["warnings"]), ["series_end_early", "series_not_in_training"]);
    assert!(all["warnings"][0]["detail"].as_str().unwrap().contains("1 series (`early`)"), "{all}");
    assert_eq!(server.post(&forecast, &json!({"series": "all", "dataset": dataset})).await.expect(200), all);

    let named = server.post(&forecast, &json!({"series": ["north"]})).await.expect(200);
    assert_eq!(named["forecasts"][0], all["forecasts"][0]);
    assert_eq!(named.get("warnings"), None, "{named}");
    let answer = server.post(&forecast, &json!({"series": ["north", "short", "none", "north"]})).await;
    answer.expect_problem(422, "invalid_body");
    let errors = answer.json()["errors"].clone();
    for (at, pointer, detail) in [
        (0, "/series/2", "no series `none`"),
        (1, "/series/3", "duplicate series: `north`"),
        (2, "/series/1", "has 2 points; the model reads the last 6"),
    ] {
        assert_eq!(errors[at]["pointer"], pointer, "{errors}");
        assert!(errors[at]["detail"].as_str().unwrap().contains(detail), "{errors}");
    }

    server.delete(&format!("/v1/datasets/{dataset}")).await.expect(204);
    let detail = server.post(&forecast, &json!({})).await.expect_problem(422, "invalid_body");
    assert!(detail.contains("not on this server"), "{detail}");
    server.post(&forecast, &json!({"dataset": dataset})).await.expect_problem(422, "invalid_body");
}

#[tokio::test]
async fn more_series_than_one_request_may_read_are_refused() {
    let server = TestServer::start().await;
    let names: Vec<String> = (0..501).map(|at| format!("s{at}")).collect();
    let series: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let dataset = server.upload("?name=many", hourly(&series)).await.expect(201);
    let forecast = import(&server, &sized(Cell::SimpleRnn, &[1], 100_000)).await;
    let detail = server.post(&forecast, &json!({"dataset": dataset["id"]})).await.expect_problem(422, "invalid_body");
    assert!(detail.contains("501 series are too many") && detail.contains("500 series fit"), "{detail}");
    let listed = json!({"dataset": dataset["id"], "series": &names[..500]});
    let answer = server.post(&forecast, &listed).await;
    answer.expect_problem(422, "invalid_body");
    assert!(answer.text.contains("the same is true of 499 other series"), "{}", answer.text);
}

#[tokio::test]
async fn forecasts_do_not_increase_the_memory_of_loaded_models() {
    let server = TestServer::start().await;
    let values: Vec<u8> = (0..10_000_u32).map(|step| (step % 9) as u8).collect();
    let series: Vec<Value> = (0..16).map(|at| json!({"id": format!("s{at}"), "values": values})).collect();
    let body = json!({"series": series});
    let mut after = Vec::new();
    for _ in 0..3 {
        // Each of the engine's buffers takes 41 MB, so that the allocator returns it at once.
        let forecast = import(&server, &sized(Cell::Lstm, &[64], 10_000)).await;
        server.post(&forecast, &body).await.expect(200);
        after.push(resident(&server));
    }
    assert!(after[2] < after[0] + 60, "MB after each model: {after:?}");
}

#[tokio::test]
async fn a_deleted_model_is_removed_from_memory() {
    let server = TestServer::start().await;
    // 12 million weights: 48 MB.
    let forecast = import(&server, &sized(Cell::Lstm, &[1_000, 1_000], 6)).await;
    let body = json!({"series": [{"values": [1, 2, 3, 4, 5, 6]}]});
    server.post(&forecast, &body).await.expect(200);
    let loaded = resident(&server);
    server.delete(forecast.strip_suffix("/forecast").unwrap()).await.expect(204);
    let left = resident(&server);
    assert!(left + 30 < loaded, "{loaded} MB with the model, {left} MB without");
    server.post(&forecast, &body).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_forecast_stops_when_its_client_disconnects() {
    let server = TestServer::with().flag("log-filter", "gatecast=debug").start().await;
    let path = import(&server, &sized(Cell::Lstm, &[16], 10_000)).await;
    let body = json!({"series": [{"values": vec![1; 10_000]}], "horizon": 10_000}).to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(body.as_bytes()).await.unwrap();
    eventually("the forecast begins", || server.log().contains("a forecast began")).await;
    assert!(!server.log().contains("a forecast was cancelled"));
    drop(connection);
    eventually("the forecast stops", || server.log().contains("a forecast was cancelled")).await;
    // The only permit is available again.
    let short = json!({"series": [{"values": vec![1; 10_000]}], "horizon": 1});
    server.post(&path, &short).await.expect(200);
}
