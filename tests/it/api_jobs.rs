//! Jobs over HTTP: create, list, poll, follow events, cancel, delete.

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::postgres;
use crate::support::{Answer, TestServer, daily};

async fn dataset(server: &TestServer) -> String {
    let dataset = server.upload("", daily(&["a", "b"], 120)).await.expect(201);
    dataset["id"].as_str().unwrap().to_owned()
}

async fn order(server: &TestServer, dataset: &str) -> String {
    let job = server.post("/v1/jobs", &json!({"kind": "train", "dataset": dataset})).await.expect(202);
    job["id"].as_str().unwrap().to_owned()
}

/// A server that accepts jobs but does not run them.
async fn idle() -> TestServer {
    TestServer::with().flag("workers", "0").start().await
}

#[tokio::test]
async fn a_job_is_created_listed_cancelled_and_deleted() {
    let server = idle().await;
    let dataset = dataset(&server).await;
    let answer = server.post("/v1/jobs", &json!({"kind": "train", "dataset": dataset, "name": "first"})).await;
    let address = answer.header("location").to_owned();
    let job = answer.expect(202);
    assert_eq!(address, format!("/v1/jobs/{}", job["id"].as_str().unwrap()));
    assert_eq!((&job["status"], &job["name"]), (&json!("queued"), &json!("first")));
    assert_eq!(job["order"]["data"]["targets"], json!(["sales"]), "what was left open is filled in");
    let second = order(&server, &dataset).await;

    let list = async |query: &str| {
        let list = server.get(&format!("/v1/jobs{query}")).await.expect(200);
        list["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = job["id"].as_str().unwrap().to_owned();
    assert_eq!(list("").await, [second.clone(), first.clone()], "newest first");
    let page = server.get("/v1/jobs?limit=1").await.expect(200);
    assert_eq!(list(&format!("?limit=1&after={}", page["next"].as_str().unwrap())).await, std::slice::from_ref(&first));
    assert_eq!(list(&format!("?status=queued&kind=train&dataset={dataset}")).await.len(), 2);
    assert!(list("?status=running").await.is_empty());
    server.get("/v1/jobs?status=done").await.expect_problem(400, "invalid_query");

    let in_use = server.delete(&format!("/v1/datasets/{dataset}")).await.expect_problem(409, "dataset_in_use");
    assert!(in_use.contains(&first), "{in_use}");
    server.delete(&address).await.expect_problem(409, "job_not_ended");
    assert_eq!(server.post(&format!("{address}/cancel"), &json!({})).await.expect(200)["status"], "cancelled");
    server.post(&format!("{address}/cancel"), &json!({})).await.expect_problem(409, "job_ended");
    assert_eq!(server.get(&format!("{address}/metrics")).await.expect(200), json!({"epochs": [], "next": null}));
    server.delete(&address).await.expect(204);
    server.get(&address).await.expect_problem(404, "not_found");
    server.get(&format!("{address}/metrics")).await.expect_problem(404, "not_found");
    server.get(&format!("{address}/events")).await.expect_problem(404, "not_found");
    server.post(&format!("{address}/cancel"), &json!({})).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn polling_an_unchanged_job_is_answered_304() {
    let server = idle().await;
    let id = order(&server, &dataset(&server).await).await;
    let get = async |tag: &str| {
        let request = server.request(Method::GET, &format!("/v1/jobs/{id}")).header("if-none-match", tag);
        Answer::of(request.send().await.unwrap()).await
    };
    let tag = get("\"0\"").await.header("etag").to_owned();
    let unchanged = get(&tag).await;
    assert_eq!((unchanged.status.as_u16(), unchanged.text.as_str()), (304, ""));
    assert_eq!(get(&format!("\"x\", W/{tag}")).await.status, 304);
    server.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.expect(200);
    assert_eq!(get(&tag).await.status, 200);
}

#[tokio::test]
async fn the_problem_for_an_invalid_job_request_names_the_field() {
    let server = idle().await;
    let dataset = dataset(&server).await;
    let missing = "0192d3b4-5f6a-7c81-9e2f-0a1b2c3d4e5f";
    for (body, pointer) in [
        (json!({"kind": "train", "dataset": missing}), "/dataset"),
        (json!({"kind": "train", "dataset": "../x"}), "/dataset"),
        (json!({"dataset": dataset}), "/kind"),
        (json!({"kind": "train", "dataset": dataset, "data": {"targets": ["sale"]}}), "/data/targets/0"),
        (json!({"kind": "train", "dataset": dataset, "data": {"context": 5000}}), "/data/context"),
        (json!({"kind": "train", "dataset": dataset, "data": {"horizon": 0}}), "/data/horizon"),
        (json!({"kind": "train", "dataset": dataset, "model": {"layers": vec![8; 1000]}}), "/model/layers"),
        (json!({"kind": "train", "dataset": dataset, "model": {"layers": [8192, 8192]}}), "/model/layers"),
        (json!({"kind": "train", "dataset": dataset, "training": {"epocs": 3}}), "/training/epocs"),
        (json!({"kind": "train", "dataset": dataset, "training": {"epochs": -1}}), "/training/epochs"),
        (json!([]), ""),
    ] {
        let answer = server.post("/v1/jobs", &body).await;
        answer.expect_problem(422, "invalid_body");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
    let send = async |kind: &str, body: Vec<u8>| {
        let request = server.request(Method::POST, "/v1/jobs").header("content-type", kind);
        Answer::of(request.body(body).send().await.unwrap()).await
    };
    send("application/json", b"{\"kind\": ".to_vec()).await.expect_problem(400, "invalid_json");
    send("application/json", Vec::new()).await.expect_problem(400, "invalid_json");
    send("application/json", "[".repeat(250_000).into_bytes()).await.expect_problem(400, "invalid_json");
    send("application/json", vec![b' '; 2 << 20]).await.expect_problem(413, "body_too_large");
    send("text/plain", b"{}".to_vec()).await.expect_problem(415, "unsupported_media_type");
    assert_eq!(server.get("/v1/jobs").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn fields_that_the_server_sets_are_refused() {
    let server = idle().await;
    let base = json!({"dataset": dataset(&server).await});
    for (body, pointer) in [
        (json!({"kind": "search", "base": base, "ranges": [], "trials": []}), "/trials"),
        (json!({"kind": "search", "base": base, "ranges": [], "rungs": [1]}), "/rungs"),
        (json!({"kind": "backtest", "order": base, "ends": []}), "/ends"),
        (json!({"kind": "finetune", "model": "@x", "resolved": base}), "/resolved"),
        (json!({"kind": "compare", "base": base, "plan": []}), "/plan"),
        (json!({"kind": "train", "dataset": base["dataset"], "version": 2}), "/version"),
    ] {
        let answer = server.post("/v1/jobs", &body).await;
        answer.expect_problem(422, "invalid_body");
        let errors = answer.json()["errors"].as_array().unwrap().clone();
        assert!(errors.iter().any(|error| error["pointer"] == pointer), "{}", answer.text);
    }
}

/// The event stream: id, kind and data of each event.
struct Events {
    bytes: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
}

impl Events {
    async fn of(server: &TestServer, job: &str, last: Option<&str>) -> Self {
        let request = server.request(Method::GET, &format!("/v1/jobs/{job}/events"));
        let request = last.into_iter().fold(request, |request, last| request.header("last-event-id", last));
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { bytes: response.bytes_stream().boxed(), text: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<(i64, String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let found = (field("id: "), field("event: "), field("data: "));
                self.text = rest.to_owned();
                if let (Some(id), Some(kind), Some(data)) = found {
                    return Some((id.parse().unwrap(), kind, serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            self.text.push_str(std::str::from_utf8(&self.bytes.next().await?.unwrap()).unwrap());
        }
    }

    async fn all(mut self) -> Vec<(i64, String, Value)> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

#[tokio::test]
async fn events_are_live_end_with_the_job_and_can_be_resumed() {
    let server = idle().await;
    let id = order(&server, &dataset(&server).await).await;
    let mut live = Events::of(&server, &id, None).await;
    let (sequence, kind, event) = live.next().await.unwrap();
    assert_eq!((sequence, kind.as_str(), &event["data"]["status"]), (1, "status", &json!("queued")));
    server.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.expect(200);
    let (sequence, _, event) = live.next().await.unwrap();
    assert_eq!((sequence, &event["data"]["status"]), (2, &json!("cancelled")));
    assert!(live.next().await.is_none(), "the stream ends with the job");

    let numbers = |events: Vec<(i64, String, Value)>| events.into_iter().map(|event| event.0).collect::<Vec<_>>();
    assert_eq!(numbers(Events::of(&server, &id, None).await.all().await), [1, 2]);
    assert_eq!(numbers(Events::of(&server, &id, Some("1")).await.all().await), [2]);
    assert!(numbers(Events::of(&server, &id, Some("2")).await.all().await).is_empty());
    let path = format!("/v1/jobs/{id}/events");
    assert!(server.get(&format!("{path}?after=1")).await.text.contains("id: 2"));
    server.get(&format!("{path}?after=-1")).await.expect_problem(400, "invalid_query");
}

#[tokio::test]
async fn shutdown_ends_event_streams_and_exits_with_success() {
    let mut server = idle().await;
    let id = order(&server, &dataset(&server).await).await;
    let mut live = Events::of(&server, &id, None).await;
    live.next().await.unwrap();
    assert!(server.terminate().await.success());
    assert!(live.next().await.is_none());
}

#[tokio::test]
async fn accepted_data_survives_a_kill() {
    let server = idle().await;
    let dataset = dataset(&server).await;
    let id = order(&server, &dataset).await;
    let server = server.restart().await;
    assert_eq!(server.get(&format!("/v1/jobs/{id}")).await.expect(200)["status"], "queued");
    assert_eq!(server.get(&format!("/v1/datasets/{dataset}")).await.expect(200)["profile"]["series"], 2);
}

#[tokio::test]
async fn lists_have_summaries_and_histories_are_paged() {
    let server = TestServer::start().await;
    let dataset = dataset(&server).await;
    let order = json!({"kind": "train", "dataset": dataset, "model": {"layers": [2]}, "training": {"epochs": 5},
                       "data": {"context": 7, "horizon": 1}});
    let id = server.post("/v1/jobs", &order).await.expect(202)["id"].as_str().unwrap().to_owned();
    let job = server.ended(&id).await;
    assert!(job["order"].is_object() && job["metrics"].is_object(), "{job}");
    let listed = server.get("/v1/jobs").await.expect(200)["items"][0].clone();
    assert_eq!((&listed["id"], &listed["status"], &listed["model"]), (&job["id"], &job["status"], &job["model"]));
    for heavy in ["order", "metrics", "result"] {
        assert!(listed.get(heavy).is_none(), "{listed}");
    }
    let model = server.get("/v1/models").await.expect(200)["items"][0].clone();
    assert_eq!(model["id"], job["model"]);
    assert!(model.get("manifest").is_none() && model["parameters"].is_u64(), "{model}");

    let address = format!("/v1/jobs/{id}/metrics");
    let numbers =
        |page: &Value| page["epochs"].as_array().unwrap().iter().map(|e| e["epoch"].clone()).collect::<Vec<_>>();
    let page = server.get(&format!("{address}?limit=2")).await.expect(200);
    assert_eq!((numbers(&page), &page["next"]), (vec![json!(1), json!(2)], &json!(2)));
    let page = server.get(&format!("{address}?limit=3&after=2")).await.expect(200);
    assert_eq!((numbers(&page), &page["next"]), (vec![json!(3), json!(4), json!(5)], &json!(null)));
    for limit in [0, 1001] {
        server.get(&format!("{address}?limit={limit}")).await.expect_problem(400, "invalid_query");
    }
}

/// On both databases: PostgreSQL cannot store a NUL, and SQLite should not.
#[tokio::test]
async fn a_name_with_a_nul_is_refused() {
    let mut settings = vec![TestServer::with().flag("workers", "0")];
    let database = postgres::database().await;
    settings.extend(database.iter().map(|url| TestServer::with().flag("workers", "0").flag("database", url)));
    for settings in settings {
        let server = settings.start().await;
        let dataset = dataset(&server).await;
        let train = json!({"kind": "train", "dataset": dataset, "name": "a\0b"});
        let told = server.post("/v1/jobs", &train).await.expect_problem(422, "invalid_body");
        assert!(told.starts_with("/name: "), "{told}");
        let compare = json!({"kind": "compare", "base": {"dataset": dataset}, "variants": [{"name": "a\0b"}]});
        let told = server.post("/v1/jobs", &compare).await.expect_problem(422, "invalid_body");
        assert!(told.contains("/variants/0"), "{told}");
        server.post("/v1/models?name=a%00b", &json!({})).await.expect_problem(400, "invalid_query");
    }
    if let Some(url) = database {
        postgres::drop_database(&url).await;
    }
}
