//! Data that was stored before specs had a version; `tests/fixtures/v1/README.md` describes it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::TestServer;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1").join(name)
}

fn recorded(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// A server without workers on a copy of the folder.
async fn server() -> TestServer {
    let folder = Arc::new(TempDir::new().unwrap());
    let data = folder.path().join("data");
    copy(&fixture("blobs"), &data.join("blobs"));
    copy(&fixture("owner"), &data.join("owner"));
    let mut database = GzDecoder::new(fs::File::open(fixture("gatecast.db.gz")).unwrap());
    std::io::copy(&mut database, &mut fs::File::create(data.join("gatecast.db")).unwrap()).unwrap();
    TestServer::launch(TestServer::with().flag("workers", "0"), folder).await
}

/// The recorded jobs with a status that have no parent.
fn of_status(status: &str) -> Vec<Value> {
    let jobs = recorded("jobs.json").as_array().unwrap().clone();
    jobs.into_iter().filter(|job| job["status"] == status && job["parent"].is_null()).collect()
}

/// Without `"base": "none"`, which specs state since requests without it have another base.
fn before_bases(mut order: Value) -> Value {
    match &mut order {
        Value::Object(fields) => {
            fields.retain(|name, value| name != "base" || *value != json!("none"));
            fields.values_mut().for_each(|value| *value = before_bases(value.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = before_bases(item.take())),
        _ => {}
    }
    order
}

fn path(job: &Value) -> String {
    format!("/v1/jobs/{}", job["id"].as_str().unwrap())
}

#[tokio::test]
async fn stored_jobs_of_version_1_are_shown_unchanged() {
    let server = server().await;
    let jobs = recorded("jobs.json");
    for before in jobs.as_array().unwrap() {
        let now = server.get(&path(before)).await.expect(200);
        for (field, value) in before.as_object().unwrap() {
            assert_eq!(&before_bases(now[field].clone()), value, "{field} of {}", before["name"]);
        }
    }
    let listed = server.get("/v1/jobs?limit=200").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), jobs.as_array().unwrap().len());
}

#[tokio::test]
async fn stored_models_of_version_1_forecast_the_same() {
    let server = server().await;
    for (name, recorded) in recorded("forecasts.json").as_object().unwrap() {
        let path = format!("/v1/models/{}/forecast", recorded["model"].as_str().unwrap());
        let answer = server.post(&path, &recorded["request"]).await.expect(200);
        assert_eq!(answer["forecasts"], recorded["answer"]["forecasts"], "{name}");
    }
}

#[tokio::test]
async fn jobs_of_every_kind_from_version_1_run_and_can_be_retried() {
    let server = server().await;
    let running = of_status("running");
    for job in &running {
        server.post(&format!("{}/cancel", path(job)), &json!({})).await.expect(202);
    }
    let mut expected = of_status("queued");
    for job in of_status("cancelled") {
        let again = server.post(&format!("{}/retry", path(&job)), &json!({})).await.expect(202);
        assert_eq!((&before_bases(again["order"].clone()), &again["retry_of"]), (&job["order"], &job["id"]));
        expected.push(again);
    }
    let kinds: std::collections::BTreeSet<&str> = expected.iter().map(|job| job["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    let server = server.restart_with("workers", "2").await;
    for job in &expected {
        let ended = server.ended(job["id"].as_str().unwrap()).await;
        assert_eq!(ended["status"], "succeeded", "{ended}");
        if job["kind"] == "compare" {
            let rows = ended["result"]["rows"].as_array().unwrap();
            let mut names: Vec<&str> = rows.iter().map(|row| row["variant"].as_str().unwrap()).collect();
            names.sort_unstable();
            assert_eq!(names, ["small", "wide"]);
        }
    }
    for job in &running {
        assert_eq!(server.ended(job["id"].as_str().unwrap()).await["status"], "cancelled");
    }
}
