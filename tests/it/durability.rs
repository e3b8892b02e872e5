//! Trainings whose processes are killed lose nothing and end with the same bytes.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};

use super::support::{TestServer, libtorch_installed};

const EPOCHS: u64 = 12;

/// An engine, and layers with which a training takes seconds: long enough to be killed midway.
pub(crate) const FUSED: (&str, [u32; 2]) = ("fused", [96, 96]);
const LIBTORCH: (&str, [u32; 2]) = ("libtorch", [16, 16]);

/// The engines installed beside the program; `make test` builds both.
fn engines() -> Vec<(&'static str, [u32; 2])> {
    if libtorch_installed() { vec![FUSED, LIBTORCH] } else { vec![FUSED] }
}

/// Four series of a noisy wave with a thousand points each.
fn waves() -> String {
    let mut csv = String::from("series,step,value\n");
    let mut noise = 1_u32;
    for series in 0..4 {
        for step in 0..1_000 {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = (f64::from(step) * 0.2 + f64::from(series)).sin() + f64::from(noise >> 16) / 6.5e6;
            let day = jiff::civil::date(2001, 1, 1).checked_add(jiff::Span::new().days(step)).unwrap();
            writeln!(csv, "s{series},{day},{value}").unwrap();
        }
    }
    csv
}

pub(crate) async fn order(server: &TestServer, (engine, layers): (&str, [u32; 2])) -> Value {
    let dataset = server.upload("?name=waves", waves()).await.expect(201);
    json!({
        "kind": "train", "name": "killed or not", "dataset": dataset["id"],
        "data": {"targets": ["value"], "context": 40, "horizon": 5, "split": {"by": "time", "validation": 0.2}},
        "model": {"cell": "gru", "layers": layers},
        "training": {"epochs": EPOCHS, "seed": 7, "engine": engine},
    })
}

pub(crate) async fn start(server: &TestServer, order: &Value) -> String {
    server.post("/v1/jobs", order).await.expect(202)["id"].as_str().unwrap().to_owned()
}

async fn epochs(server: &TestServer, job: &str) -> Vec<Value> {
    let metrics = server.get(&format!("/v1/jobs/{job}/metrics")).await.expect(200);
    metrics["epochs"].as_array().unwrap().clone()
}

/// Waits until some but not all epochs are done.
pub(crate) async fn in_the_middle(server: &TestServer, job: &str) {
    let middle = server.job_when(job, |job| job["progress"].as_f64().unwrap() > 0.3).await;
    assert_eq!(middle["status"], "running", "the training is too short for this test: {middle}");
}

pub(crate) async fn bundle(server: &TestServer, job: &Value) -> Vec<u8> {
    assert_eq!(job["status"], "succeeded", "{job}");
    let path = format!("{}/v1/models/{}/bundle", server.url, job["model"].as_str().unwrap());
    server.client.get(path).send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap().to_vec()
}

/// Checks that the job ended once, with one model, every epoch once, and no gap in its events.
async fn assert_ended_once(server: &TestServer, id: &str, models: usize) {
    let numbers: Vec<u64> = epochs(server, id).await.iter().map(|epoch| epoch["epoch"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=EPOCHS).collect::<Vec<_>>());
    let events = server.get(&format!("/v1/jobs/{id}/events")).await.text;
    let of = |field: &str| events.lines().filter_map(|line| line.strip_prefix(field)).collect::<Vec<_>>();
    let sequence: Vec<usize> = of("id: ").iter().map(|id| id.parse().unwrap()).collect();
    assert_eq!(sequence, (1..=sequence.len()).collect::<Vec<_>>(), "{events}");
    let told = of("data: ").into_iter().filter(|data| data.contains("\"succeeded\"")).count();
    assert_eq!(told, 1, "{events}");
    let listed = server.get("/v1/models").await.expect(200);
    let jobs: BTreeSet<&str> = listed["items"].as_array().unwrap().iter().map(|m| m["job"].as_str().unwrap()).collect();
    assert_eq!((listed["items"].as_array().unwrap().len(), jobs.len()), (models, models), "{listed}");
}

#[tokio::test]
async fn a_training_of_a_killed_server_resumes_to_the_same_bytes() {
    for engine in engines() {
        kill_the_server(engine).await;
    }
}

async fn kill_the_server(engine: (&str, [u32; 2])) {
    let server = TestServer::start().await;
    let order = order(&server, engine).await;
    let straight = server.ended(&start(&server, &order).await).await;
    let expected = bundle(&server, &straight).await;

    let id = start(&server, &order).await;
    in_the_middle(&server, &id).await;
    let server = server.restart().await;
    let resumed = server.ended(&id).await;
    assert_eq!(resumed["attempt"], 2, "{resumed}");
    assert!(bundle(&server, &resumed).await == expected, "the bundles differ");
    assert_eq!(resumed["metrics"], straight["metrics"]);
    assert_ended_once(&server, &id, 2).await;
    assert!(server.files("work").is_empty(), "{:?}", server.files("work"));
}

#[tokio::test]
async fn a_killed_training_resumes_to_the_same_bytes() {
    for engine in engines() {
        kill_the_trainer(engine).await;
    }
}

async fn kill_the_trainer(engine: (&str, [u32; 2])) {
    let server = TestServer::start().await;
    let order = order(&server, engine).await;
    let straight = server.ended(&start(&server, &order).await).await;
    let expected = bundle(&server, &straight).await;

    let id = start(&server, &order).await;
    in_the_middle(&server, &id).await;
    for trainer in server.children() {
        assert!(std::process::Command::new("kill").args(["-KILL", &trainer]).status().unwrap().success());
    }
    let resumed = server.ended(&id).await;
    assert_eq!(resumed["attempt"], 2, "{resumed}");
    assert!(bundle(&server, &resumed).await == expected, "the bundles differ");
    assert_ended_once(&server, &id, 2).await;
}

#[tokio::test]
async fn a_server_that_shuts_down_releases_its_training_for_the_next_server() {
    let mut server = TestServer::start().await;
    let order = order(&server, FUSED).await;
    let id = start(&server, &order).await;
    in_the_middle(&server, &id).await;
    let before = epochs(&server, &id).await;
    assert!(server.terminate().await.success(), "{}", server.log());
    let server = server.start_again().await;
    let job = server.ended(&id).await;
    assert_eq!((job["status"].as_str(), job["attempt"].as_u64()), (Some("succeeded"), Some(2)), "{job}");
    let after = epochs(&server, &id).await;
    assert_eq!(after[..before.len()], before, "epochs done before are not done again");
    assert_ended_once(&server, &id, 1).await;
}

#[tokio::test]
async fn a_trainer_exits_when_its_server_is_killed() {
    let mut server = TestServer::start().await;
    let order = order(&server, FUSED).await;
    let id = start(&server, &order).await;
    in_the_middle(&server, &id).await;
    let trainers = server.children();
    assert!(!trainers.is_empty(), "no trainer runs");
    server.kill().await;
    for trainer in trainers {
        server.until_gone(&trainer).await;
    }
}

#[tokio::test]
async fn a_trainer_does_not_inherit_the_servers_environment() {
    let server =
        TestServer::with().environment("GATECAST_SECRET", "hunter2").environment("PGPASSWORD", "hunter2").start().await;
    let order = order(&server, FUSED).await;
    let id = start(&server, &order).await;
    in_the_middle(&server, &id).await;
    let trainers = server.children();
    assert!(!trainers.is_empty(), "no trainer runs");
    for trainer in trainers {
        let environment = std::fs::read(format!("/proc/{trainer}/environ")).unwrap();
        let text = String::from_utf8_lossy(&environment);
        assert!(text.contains("PATH=") && !text.contains("GATECAST_") && !text.contains("hunter2"), "{text}");
    }
}
