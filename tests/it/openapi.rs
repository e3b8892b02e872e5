//! The OpenAPI document: its examples are valid and accepted, and it describes what the server
//! does. In addition, every request of `TestServer` is checked against it (`support::contract`).

use std::fmt::Write;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::contract::{self, DOCUMENT};
use crate::support::{Answer, TestServer};

/// The ids that examples show.
const DATASET: &str = "0192d3b4-5f6a-7c81-9e2f-0a1b2c3d4e5f";
const MODEL: &str = "0192d3b4-7a8b-7c9d-8e0f-1a2b3c4d5e6f";

/// The media types of an operation's body, each with its content (schema and examples).
fn bodies(operation: &Value) -> Vec<(&String, &Value)> {
    operation["requestBody"]["content"].as_object().into_iter().flatten().collect()
}

fn operations() -> impl Iterator<Item = (&'static String, &'static String, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| (path, method, operation))
    })
}

/// The examples of one operation's JSON bodies, by name.
fn examples(path: &str, method: &str) -> Vec<(&'static String, &'static Value)> {
    let examples = &DOCUMENT["paths"][path][method]["requestBody"]["content"]["application/json"]["examples"];
    examples.as_object().unwrap().iter().map(|(name, example)| (name, &example["value"])).collect()
}

/// Daily sales of two shops, with a promotion that is known two weeks ahead.
fn sales() -> String {
    let mut csv = "shop,date,sales,promo\n".to_owned();
    for (shop, level) in [("north", 300), ("south", 150)] {
        let mut date = jiff::civil::date(2023, 9, 1);
        for day in 0..134 {
            let sales = if day < 120 { (level + 10 * (day % 7)).to_string() } else { String::new() };
            writeln!(csv, "{shop},{date},{sales},{}", i32::from(day % 10 == 0)).unwrap();
            date = date.tomorrow().unwrap();
        }
    }
    csv
}

/// The example with ids that exist on the server.
fn with_ids(example: &Value, dataset: &Value, model: &Value) -> Value {
    let text = example.to_string();
    let text = text.replace(DATASET, dataset["id"].as_str().unwrap()).replace(MODEL, model.as_str().unwrap_or(MODEL));
    serde_json::from_str(&text).unwrap()
}

async fn put(server: &TestServer, path: &str, body: &Value) -> Answer {
    let answer = Answer::of(server.request(Method::PUT, path).json(body).send().await.unwrap()).await;
    contract::check(&Method::PUT, path, Some(body), &answer);
    answer
}

#[test]
fn every_body_has_examples_that_match_its_schema() {
    let mut checked = 0;
    for (path, method, operation) in operations() {
        for (media, content) in bodies(operation) {
            let examples = content["examples"].as_object();
            let examples = examples.unwrap_or_else(|| panic!("{method} {path} has no example of {media}"));
            for (name, example) in examples.iter().filter(|(_, example)| example.get("value").is_some()) {
                let place = format!("/paths/{}/{method}/requestBody/content/{}/schema", escape(path), escape(media));
                let errors = contract::errors(&place, &example["value"]);
                assert!(errors.is_empty(), "{method} {path}, {name}: {errors:#?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 10);
}

fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

#[test]
fn the_document_forbids_bodies_that_the_server_refuses() {
    let place = "/paths/~1v1~1jobs/post/requestBody/content/application~1json/schema";
    let train = |rest: Value| {
        let mut order = json!({"kind": "train", "dataset": DATASET});
        order.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        contract::errors(place, &order)
    };
    assert!(train(json!({})).is_empty());
    for wrong in [
        json!({"zebra": 1}),
        json!({"kind": "tain"}),
        json!({"data": {"horizon": 0}}),
        json!({"data": []}),
        json!({"data": {"differencing": [1]}}),
        json!({"training": {"optimizer": {"type": "sgd", "beta_1": 0.9}}}),
        json!({"training": {"epochs": 100_001}}),
        json!({"training": {"clip": {"norm": 1, "value": 1}}}),
        json!({"model": {"layers": [0]}}),
        json!({"model": {"head": {"type": "quantile", "levels": [80]}}}),
        json!({"data": {"transform": {"type": "log", "lambda": 1}}}),
        json!({"model": {"kernel_initializer": {"type": "he_normal", "stddev": 1}}}),
        json!({"name": ""}),
        json!({"name": "a\u{0}b"}),
    ] {
        assert!(!train(wrong.clone()).is_empty(), "{wrong}");
    }
    let order = |order: Value| contract::errors(place, &order);
    let backtest = |model: Value, train: Value| order(json!({"kind": "backtest", "model": model, "order": train}));
    assert!(backtest(json!(MODEL), json!(null)).is_empty());
    assert!(!backtest(json!(MODEL), json!({"dataset": DATASET})).is_empty());
    assert!(!backtest(json!(null), json!(null)).is_empty());
    let search = |range: Value| {
        order(json!({"kind": "search", "base": {"dataset": DATASET}, "ranges": [range], "budget": {"trials": 2}}))
    };
    assert!(search(json!({"path": "/model/layers", "choice": [[8]]})).is_empty());
    assert!(!search(json!({"path": "/model/layers", "choice": [[8]], "integer": [1, 2]})).is_empty());
    assert!(!search(json!({"path": "/model/layers"})).is_empty());
    let forecast = |series: Value| contract::errors("/components/schemas/ForecastRequest", &json!({"series": series}));
    assert!(forecast(json!(["north"])).is_empty());
    assert!(!forecast(json!([])).is_empty());
    // These two types once shared a schema.
    assert!(contract::errors("/components/schemas/EpochPage", &json!({"epochs": [], "next": null})).is_empty());
    assert!(!contract::errors("/components/schemas/History", &json!({"epochs": [], "next": null})).is_empty());
}

#[tokio::test]
async fn the_server_accepts_every_example() {
    let server = TestServer::start().await;
    let dataset = server.upload("?name=sales", sales()).await.expect(201);
    // Uploads, by media type.
    for (media, content) in bodies(&DOCUMENT["paths"]["/v1/datasets"]["post"]) {
        for (name, example) in content["examples"].as_object().unwrap() {
            let request = server.request(Method::POST, "/v1/datasets");
            let request = match (&example["value"], media.as_str()) {
                (Value::Null, _) => {
                    let path = with_ids(&example["externalValue"], &dataset, &Value::Null);
                    let file = server.request(Method::GET, path.as_str().unwrap()).send().await.unwrap();
                    request.header("content-type", media).body(file.bytes().await.unwrap())
                }
                (form, "multipart/form-data") => {
                    let text = |field: &str| form[field].as_str().unwrap().to_owned();
                    let file = reqwest::multipart::Part::text(text("file")).file_name("sales.csv");
                    request.multipart(reqwest::multipart::Form::new().text("name", text("name")).part("file", file))
                }
                (Value::String(text), _) => request.header("content-type", media).body(text.clone()),
                (rows, _) => request.header("content-type", media).body(rows.to_string()),
            };
            let answer = Answer::of(request.send().await.unwrap()).await;
            assert_eq!(answer.status, 201, "{media}, {name}: {}", answer.text);
            contract::check(&Method::POST, "/v1/datasets", None, &answer);
        }
    }
    // A model for the other examples: the training example with fewer epochs.
    let mut train = with_ids(
        &DOCUMENT["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["examples"]["train"]["value"],
        &dataset,
        &Value::Null,
    );
    train["training"] = json!({"epochs": 1, "max_steps": 3});
    let job = server.post("/v1/jobs", &train).await.expect(202);
    let id = job["id"].as_str().unwrap();
    let job = server.ended(id).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    let model = &job["model"];
    // The job's metrics and events.
    server.get(&format!("/v1/jobs/{id}/metrics")).await.expect(200);
    let events = server.get(&format!("/v1/jobs/{id}/events")).await;
    contract::check(&Method::GET, &format!("/v1/jobs/{id}/events"), None, &events);
    let data: Vec<Value> = events
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert!(data.len() >= 4, "{}", events.text);
    data.iter().for_each(contract::check_event);
    // Models.
    for (_, example) in examples("/v1/aliases/{name}", "put") {
        put(&server, "/v1/aliases/best-sales", &with_ids(example, &dataset, model)).await.expect(200);
    }
    server.get("/v1/aliases").await.expect(200);
    let forecast = format!("/v1/models/{}/forecast", model.as_str().unwrap());
    for (name, example) in examples("/v1/models/{id}/forecast", "post") {
        let answer = server.post(&forecast, &with_ids(example, &dataset, model)).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
    }
    let bundle = &DOCUMENT["paths"]["/v1/models"]["post"]["requestBody"]["content"]["application/octet-stream"]["examples"]
        ["bundle"]["externalValue"];
    let bundle = server.request(Method::GET, bundle.as_str().unwrap()).send().await.unwrap().bytes().await.unwrap();
    let import =
        server.request(Method::POST, "/v1/models").header("content-type", "application/octet-stream").body(bundle);
    let imported = Answer::of(import.send().await.unwrap()).await;
    contract::check(&Method::POST, "/v1/models", None, &imported);
    imported.expect(201);
    // Jobs: it is enough that they are accepted; other tests run them.
    for (name, example) in examples("/v1/jobs", "post") {
        let answer = server.post("/v1/jobs", &with_ids(example, &dataset, model)).await;
        assert_eq!(answer.status, 202, "{name}: {}", answer.text);
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        server.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await;
    }
    for path in ["/v1/datasets", "/v1/jobs", "/v1/models", "/v1/system", "/healthz", "/readyz"] {
        server.get(path).await;
    }
    let dataset = dataset["id"].as_str().unwrap();
    server.get(&format!("/v1/datasets/{dataset}/series")).await.expect(200);
    server.get(&format!("/v1/datasets/{dataset}/series/north?last=5&column=sales")).await.expect(200);
}
