//! Comparisons: created by one POST, run by the pool, ranked on one leaderboard.

mod backtest;
mod backtest_folds;
mod kills;
mod search;

use serde_json::{Value, json};

use crate::support::{TestServer, daily};

/// A small comparison of two seeds that trains quickly.
fn order(dataset: &Value) -> Value {
    json!({
        "kind": "compare", "name": "which cell",
        "base": {"dataset": dataset["id"], "data": {"context": 8, "horizon": 2, "split": {"by": "time", "validation": 0.2}},
                 "model": {"layers": [4]}, "training": {"epochs": 2, "batch_size": 16}},
        "cells": ["gru", "simple_rnn"], "seeds": [1, 2],
    })
}

async fn dataset(server: &TestServer) -> Value {
    server.upload("", daily(&["a", "b"], 120)).await.expect(201)
}

async fn start(server: &TestServer, order: &Value) -> String {
    server.post("/v1/jobs", order).await.expect(202)["id"].as_str().unwrap().to_owned()
}

async fn children(server: &TestServer, parent: &str) -> Vec<Value> {
    server.get(&format!("/v1/jobs?parent={parent}&limit=200")).await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_comparison_ranks_its_trainings_beside_the_baselines() {
    // One worker: if the parent held it, the children would never run.
    let server = TestServer::with().flag("workers", "1").start().await;
    let mut order = order(&dataset(&server).await);
    order["alias"] = json!("best");
    let id = start(&server, &order).await;
    let job = server.ended(&id).await;
    assert_eq!((job["status"].as_str(), job["kind"].as_str()), (Some("succeeded"), Some("compare")), "{job}");
    let board = &job["result"];
    let rows = board["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{board}");
    assert_eq!((&rows[0]["rank"], &rows[0]["variant"]), (&json!(1), &board["winner"]));
    let mean = |row: &Value| row["mean"].as_f64().unwrap();
    assert!(mean(&rows[0]) <= mean(&rows[1]));
    for row in rows {
        let values: Vec<f64> =
            row["children"].as_array().unwrap().iter().map(|child| child["value"].as_f64().unwrap()).collect();
        assert_eq!(values.len(), 2);
        assert!((mean(row) - (values[0] + values[1]) / 2.0).abs() < 1e-9);
        assert!(row["std"].is_f64() && row["seconds"].is_f64() && row["parameters"].as_u64().unwrap() > 0, "{row}");
    }
    let names: Vec<&str> =
        board["baselines"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    for baseline in ["naive", "seasonal_naive", "drift", "linear", "theta"] {
        assert!(names.contains(&baseline), "{names:?}");
    }
    // The data is a straight line: drift and Theta's slope beat baselines that repeat values.
    assert_eq!(names[0], "drift", "{board}");

    let best = rows[0]["children"]
        .as_array()
        .unwrap()
        .iter()
        .min_by(|a, b| a["value"].as_f64().unwrap().total_cmp(&b["value"].as_f64().unwrap()));
    assert_eq!(job["model"], best.unwrap()["model"]);
    let of = children(&server, &id).await;
    assert_eq!(of.len(), 4);
    assert!(of.iter().all(|child| child["parent"] == json!(id) && child["kind"] == "train"));

    server.delete(&format!("/v1/jobs/{id}")).await.expect(204);
    assert!(children(&server, &id).await.is_empty(), "its children go with it");
    let model = job["model"].as_str().unwrap();
    server.get(&format!("/v1/models/{model}")).await.expect(200);
}

#[tokio::test]
async fn a_comparison_fails_only_if_all_its_children_fail() {
    let server = TestServer::start().await;
    let dataset = dataset(&server).await;
    let wild = json!({"name": "wild", "data": {"scaling": "none", "base": "none"}, "model": {"layer_norm": false},
                      "training": {"loss": "mse", "optimizer": {"type": "sgd", "learning_rate": 10.0, "momentum": 0.99}, "epochs": 50}});
    let mut order = order(&dataset);
    (order["cells"], order["seeds"]) = (json!([]), json!([]));
    order["variants"] = json!([wild, {"name": "calm"}]);
    let job = server.ended(&start(&server, &order).await).await;
    assert_eq!((&job["status"], &job["result"]["winner"]), (&json!("succeeded"), &json!("calm")), "{job}");
    let last = &job["result"]["rows"][1];
    assert_eq!((&last["rank"], &last["failed"]), (&Value::Null, &json!(1)));
    assert_eq!(last["children"][0]["error"]["code"], "diverged", "{last}");

    order["variants"] = json!([wild]);
    let job = server.ended(&start(&server, &order).await).await;
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("all_children_failed")), "{job}");
    assert_eq!(job["result"]["rows"][0]["failed"], 1);
}

#[tokio::test]
async fn cancelling_a_comparison_cancels_its_children() {
    let server = TestServer::with().flag("workers", "0").start().await;
    let id = start(&server, &order(&dataset(&server).await)).await;
    let first = children(&server, &id).await[0]["id"].as_str().unwrap().to_owned();
    server.post(&format!("/v1/jobs/{first}/cancel"), &json!({})).await.expect(200);
    server.delete(&format!("/v1/jobs/{first}")).await.expect_problem(409, "job_in_use");
    server.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await;
    assert_eq!(server.ended(&id).await["status"], "cancelled");
    assert!(children(&server, &id).await.iter().all(|child| child["status"] == "cancelled"));
}

#[tokio::test]
async fn the_problem_for_an_invalid_comparison_names_the_field() {
    let server = TestServer::with().flag("workers", "0").start().await;
    let good = order(&dataset(&server).await);
    let with = |change: Value| {
        let mut order = good.clone();
        gatecast_core::order::merge_patch::merge(&mut order, &change);
        order
    };
    for (change, pointer) in [
        (json!({"base": {"training": {"epocs": 1}}}), "/base/training/epocs"),
        (json!({"base": {"dataset": "0192d3b4-5f6a-7c81-9e2f-0a1b2c3d4e5f"}}), "/base/dataset"),
        (json!({"base": {"data": {"targets": ["sale"]}}}), "/base/data/targets/0"),
        (json!({"base": 3}), "/base"),
        (json!({"variants": [{"model": {"unit": 3}}]}), "/variants/0/model/unit"),
        (json!({"variants": [{}, {"data": {"horizon": 3}}]}), "/variants/1/data/horizon"),
        (json!({"variants": [{"name": "a"}, {"name": "a"}]}), "/variants/1"),
        (json!({"variants": [7]}), "/variants/0"),
        (json!({"metric": "accuracy"}), "/metric"),
        (json!({"metric": "test.mae"}), "/metric"),
        (json!({"cells": ["lstn"]}), "/cells/0"),
        (json!({"seeds": [1, 1]}), "/seeds"),
        (json!({"alias": "@x"}), "/alias"),
        (json!({"grid": 1}), "/grid"),
        (
            json!({"seeds": (0..100).collect::<Vec<_>>(), "cells": ["lstm", "gru", "simple_rnn"], "layer_norm": [true, false]}),
            "",
        ),
    ] {
        let answer = server.post("/v1/jobs", &with(change)).await;
        answer.expect_problem(422, "invalid_body");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
    assert_eq!(server.get("/v1/jobs").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn retrying_a_failed_or_cancelled_job_creates_a_new_job() {
    let server = TestServer::with().flag("workers", "0").start().await;
    let dataset = dataset(&server).await;
    let id = start(&server, &order(&dataset)).await;
    server.post(&format!("/v1/jobs/{id}/retry"), &json!({})).await.expect_problem(409, "job_not_failed");
    server.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await;
    let cancelled = server.ended(&id).await;
    let again = server.post(&format!("/v1/jobs/{id}/retry"), &json!({})).await.expect(202);
    assert_eq!((&again["retry_of"], &again["status"]), (&json!(id), &json!("queued")));
    assert_eq!((&again["order"], &again["name"]), (&cancelled["order"], &cancelled["name"]));
    let second = again["id"].as_str().unwrap();
    assert_eq!(children(&server, second).await.len(), 4);
    assert_eq!(server.get(&format!("/v1/jobs/{id}")).await.expect(200)["status"], "cancelled", "it ended once");

    server.post(&format!("/v1/jobs/{second}/cancel"), &json!({})).await;
    server.ended(second).await;
    server.delete(&format!("/v1/datasets/{}", dataset["id"].as_str().unwrap())).await.expect(204);
    server.post(&format!("/v1/jobs/{id}/retry"), &json!({})).await.expect_problem(409, "dataset_deleted");
    server.delete(&format!("/v1/jobs/{id}")).await.expect(204);
    server.post(&format!("/v1/jobs/{id}/retry"), &json!({})).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn an_alias_can_be_used_in_place_of_a_model_id() {
    let server = TestServer::start().await;
    let dataset = dataset(&server).await;
    let mut order = order(&dataset);
    (order["cells"], order["alias"]) = (json!(["gru"]), json!("best"));
    let job = server.ended(&start(&server, &order).await).await;
    let best = job["model"].as_str().unwrap();
    let alias = server.get("/v1/aliases/best").await.expect(200);
    assert_eq!(alias["model"], best, "given when the comparison ended");
    assert_eq!(server.get("/v1/models/@best").await.expect(200)["id"], best);
    assert_eq!(server.get("/v1/models/@best/bundle").await.status, 200);
    let ask = json!({"series": [{"values": (0..8).collect::<Vec<_>>()}]});
    assert_eq!(server.post("/v1/models/@best/forecast", &ask).await.expect(200)["model"], best);

    let other = job["result"]["rows"][0]["children"].as_array().unwrap().iter().find(|child| child["model"] != best);
    let other = other.unwrap()["model"].as_str().unwrap();
    let put = async |name: &str, model: &str| {
        let request = server.request(reqwest::Method::PUT, &format!("/v1/aliases/{name}"));
        crate::support::Answer::of(request.json(&json!({"model": model})).send().await.unwrap()).await
    };
    assert_eq!(put("best", other).await.expect(200)["model"], other);
    assert_eq!(put("same", "@best").await.expect(200)["model"], other);
    put("best", "@nobody").await.expect_problem(422, "invalid_body");
    put("-", other).await.expect_problem(400, "invalid_alias");
    assert_eq!(server.get("/v1/aliases").await.expect(200)["items"].as_array().unwrap().len(), 2);
    server.delete("/v1/models/@best").await.expect_problem(400, "invalid_id");
    server.delete(&format!("/v1/models/{other}")).await.expect(204);
    server.get("/v1/models/@best").await.expect_problem(404, "not_found");
    server.delete("/v1/aliases/same").await.expect_problem(404, "not_found");

    // Fine-tuning of the remaining model.
    put("best", best).await.expect(200);
    let finetune = json!({"kind": "finetune", "model": "@best", "training": {"epochs": 1}, "freeze": ["recurrent.0"]});
    let job = server.ended(&start(&server, &finetune).await).await;
    assert_eq!(job["order"]["model"], best, "the id that was meant is kept");
    assert_eq!((&job["kind"], &job["status"]), (&json!("finetune"), &json!("succeeded")), "{job}");
    for (change, pointer) in [
        (json!({"model": "@nobody"}), "/model"),
        (json!({"dataset": best}), "/dataset"),
        (json!({"training": {"epochs": -1}}), "/training/epochs"),
        (json!({"split": {"by": "time", "validation": 1.5}}), "/split/validation"),
    ] {
        let mut wrong = finetune.clone();
        gatecast_core::order::merge_patch::merge(&mut wrong, &change);
        let answer = server.post("/v1/jobs", &wrong).await;
        answer.expect_problem(422, "invalid_body");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
}
