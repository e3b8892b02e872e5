//! One training from request to forecast over HTTP, and export and import of models.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestServer, daily};

/// Runs a small training and returns the ended job.
async fn trained(server: &TestServer) -> Value {
    let dataset = server.upload("?name=shops", daily(&["a", "b"], 120)).await.expect(201);
    let order = json!({
        "kind": "train", "dataset": dataset["id"],
        "data": {"context": 14, "horizon": 7},
        "model": {"layers": [4]},
        "training": {"epochs": 3, "seed": 7},
    });
    let job = server.post("/v1/jobs", &order).await.expect(202);
    server.ended(job["id"].as_str().unwrap()).await
}

async fn import(server: &TestServer, query: &str, bundle: Vec<u8>) -> Answer {
    let request = server.request(Method::POST, &format!("/v1/models{query}"));
    Answer::of(request.header("content-type", "application/octet-stream").body(bundle).send().await.unwrap()).await
}

#[tokio::test]
async fn a_training_produces_a_model_that_forecasts() {
    let server = TestServer::start().await;
    let job = trained(&server).await;
    assert_eq!(job["status"], "succeeded", "{job}\n{}", server.log());
    assert_eq!(job["progress"], 1.0);
    let history = server.get(&format!("/v1/jobs/{}/metrics", job["id"].as_str().unwrap())).await.expect(200);
    let epochs: Vec<_> = history["epochs"].as_array().unwrap().iter().map(|epoch| epoch["epoch"].clone()).collect();
    assert_eq!(epochs, [1, 2, 3]);
    let events = server.get(&format!("/v1/jobs/{}/events", job["id"].as_str().unwrap())).await.text;
    assert_eq!(events.matches("event: epoch").count(), 3);
    assert!(events.contains("\"succeeded\""), "{events}");

    let model = format!("/v1/models/{}", job["model"].as_str().unwrap());
    let shown = server.get(&model).await.expect(200);
    assert_eq!((&shown["job"], &shown["manifest"]["horizon"]), (&job["id"], &json!(7)));
    let listed = server.get("/v1/models").await.expect(200)["items"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &shown["id"]));

    let values: Vec<f64> = (0..14).map(|day| f64::from(200 + day)).collect();
    let forecast = format!("{model}/forecast");
    let body = json!({"series": [{"id": "a", "start": "2020-04-30", "values": values}], "horizon": 10});
    let answer = server.post(&forecast, &body).await.expect(200);
    let made = &answer["forecasts"][0];
    assert_eq!((&made["series"], &made["target"]), (&json!("a"), &json!("sales")));
    assert_eq!(made["timestamps"][0], "2020-05-14T00:00:00Z");
    let mean: Vec<f64> = serde_json::from_value(made["mean"].clone()).unwrap();
    assert!(mean.len() == 10 && mean.iter().all(|value| (0.0..1000.0).contains(value)), "{mean:?}");
    let stored = json!({"dataset": job["dataset"], "series": ["b", "a"]});
    let answer = server.post(&forecast, &stored).await.expect(200);
    assert_eq!(answer["forecasts"][0]["timestamps"][0], "2020-04-30T00:00:00Z");
    assert_eq!(answer["forecasts"].as_array().unwrap().len(), 2);

    for (body, pointer) in [
        (json!({"series": []}), "/series"),
        (json!({"series": [{"values": values}], "horizon": 0}), "/horizon"),
        (json!({"series": [{"values": values}], "horizon": 1_000_000_000}), "/horizon"),
        (json!({"series": [{"values": values}], "levels": [80]}), "/levels"),
        (json!({"series": [{"values": [1, 2, "x"]}]}), "/series/0/values/2"),
        (json!({"series": ["a"], "dataset": "0192d3b4-5f6a-7c81-9e2f-0a1b2c3d4e5f"}), "/dataset"),
        (json!({"series": ["nobody"], "dataset": job["dataset"]}), "/series/0"),
        (json!({"series": [{"values": []}]}), "/series/0"),
    ] {
        let answer = server.post(&forecast, &body).await;
        answer.expect_problem(422, "invalid_body");
        assert!(answer.json()["errors"][0]["pointer"].as_str().unwrap().starts_with(pointer), "{}", answer.text);
    }

    server.delete(&model).await.expect(204);
    server.post(&forecast, &body).await.expect_problem(404, "not_found");
    assert_eq!(
        server.get(&format!("/v1/jobs/{}", job["id"].as_str().unwrap())).await.expect(200)["model"],
        json!(null)
    );
}

#[tokio::test]
async fn a_model_is_exported_and_imported_by_another_server() {
    let server = TestServer::start().await;
    let job = trained(&server).await;
    let address = format!("/v1/models/{}", job["model"].as_str().unwrap());
    let sent = server.request(Method::GET, &format!("{address}/bundle")).send().await.unwrap();
    assert_eq!(sent.headers()["content-type"], "application/octet-stream");
    let tag = sent.headers()["etag"].to_str().unwrap().to_owned();
    let bundle = sent.bytes().await.unwrap().to_vec();
    let again = server.request(Method::GET, &format!("{address}/bundle")).header("if-none-match", &tag);
    assert_eq!(again.send().await.unwrap().status(), 304);

    let other = TestServer::with().flag("upload-limit", "1 MiB").start().await;
    let answer = import(&other, "?name=moved", bundle.clone()).await;
    let model = answer.expect(201);
    assert_eq!((&model["name"], &model["job"]), (&json!("moved"), &json!(null)));
    assert_eq!(format!("\"{}\"", model["sha256"].as_str().unwrap()), tag, "the same bytes");
    let body = json!({"series": [{"id": "a", "values": vec![150.0; 14]}]});
    let there = other.post(&format!("/v1/models/{}/forecast", model["id"].as_str().unwrap()), &body).await.expect(200);
    let here = server.post(&format!("{address}/forecast"), &body).await.expect(200);
    assert_eq!(there["forecasts"], here["forecasts"]);

    let mut torn = bundle.clone();
    torn.truncate(bundle.len() / 2);
    let mut bent = bundle;
    let last = bent.len() - 3;
    bent[last] ^= 0x40;
    for fake in [Vec::new(), b"PK\x03\x04 a zip".to_vec(), b"\x80\x04 a pickle".to_vec(), vec![0xff; 64], torn, bent] {
        let refused = import(&other, "", fake).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
    }
    import(&other, "", vec![0; 2 << 20]).await.expect_problem(413, "body_too_large");
    assert_eq!(other.get("/v1/models").await.expect(200)["items"].as_array().unwrap().len(), 1);
    assert!(other.files("scratch").is_empty());
}

#[tokio::test]
async fn the_demo_fills_only_an_empty_store() {
    let server = TestServer::with().flag("demo", "true").flag("workers", "0").start().await;
    let jobs = async |server: &TestServer| {
        let jobs = server.get("/v1/jobs").await.expect(200)["items"].clone();
        jobs.as_array().unwrap().clone()
    };
    let start = std::time::Instant::now();
    while jobs(&server).await.is_empty() {
        assert!(start.elapsed() < std::time::Duration::from_secs(60), "{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let id = jobs(&server).await.remove(0)["id"].as_str().unwrap().to_owned();
    let job = server.get(&format!("/v1/jobs/{id}")).await.expect(200);
    assert_eq!(job["order"]["data"]["targets"], json!(["rail_boardings"]));
    let dataset = server.get(&format!("/v1/datasets/{}", job["dataset"].as_str().unwrap())).await.expect(200);
    assert_eq!(dataset["profile"]["points"], 2191);
    let server = server.restart().await;
    crate::support::eventually("the demo has looked", || server.log().contains("the demo leaves it alone")).await;
    assert_eq!(jobs(&server).await.len(), 1);
}
