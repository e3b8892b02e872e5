//! Searches: values are drawn from ranges, and successive halving stops poor trials early.

use serde_json::{Value, json};

use super::{children, dataset, start};
use crate::support::TestServer;

fn order(dataset: &Value) -> Value {
    json!({
        "kind": "search", "name": "how fast", "seed": 3, "budget": {"trials": 6},
        "base": {"dataset": dataset["id"], "data": {"context": 8, "horizon": 2, "split": {"by": "time", "validation": 0.2}},
                 "model": {"layers": [4], "cell": "gru"}, "training": {"epochs": 4, "batch_size": 32, "optimizer": {"type": "adam"}}},
        "ranges": [{"path": "/training/optimizer/learning_rate", "log_uniform": [1e-4, 1e-1]},
                   {"path": "/model/layers", "choice": [[2], [4, 4]]}],
        "method": {"type": "successive_halving", "min_epochs": 1, "factor": 3},
    })
}

#[tokio::test]
async fn successive_halving_trains_the_best_trials_longer() {
    let server = TestServer::start().await;
    let order = order(&dataset(&server).await);
    let id = start(&server, &order).await;
    let job = server.ended(&id).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    let board = &job["result"];
    assert_eq!(board["rungs"], json!([1, 3, 4]));
    let trials = board["trials"].as_array().unwrap();
    let rungs: Vec<u64> = trials.iter().map(|trial| trial["rung"].as_u64().unwrap()).collect();
    assert_eq!(rungs, [2, 1, 0, 0, 0, 0], "6 trials, the best 2 of them, the best of those");
    assert_eq!((&job["model"], &board["model"]), (&trials[0]["model"], &trials[0]["model"]));
    assert_eq!(children(&server, &id).await.len(), 9);
    for trial in trials {
        let number = trial["trial"].as_u64().unwrap() as usize;
        let last = server.get(&format!("/v1/jobs/{}", trial["job"].as_str().unwrap())).await.expect(200);
        assert_eq!(last["order"]["training"]["optimizer"]["learning_rate"], trial["drawn"][0]["value"]);
        assert_eq!(last["order"]["model"]["layers"], trial["drawn"][1]["value"]);
        assert_eq!(last["order"]["training"]["epochs"], trial["epochs"]);
        assert_eq!(job["order"]["trials"][number][0], trial["drawn"][0]["value"]);
    }
    // The same order, sent again without the fields that the server set, gives the same trials and result.
    let mut order = job["order"].clone();
    order.as_object_mut().unwrap().retain(|field, _| field != "trials" && field != "rungs");
    let again = server.ended(&start(&server, &order).await).await;
    let values = |job: &Value| -> Vec<Value> {
        job["result"]["trials"]
            .as_array()
            .unwrap()
            .iter()
            .map(|trial| json!([trial["trial"], trial["value"]]))
            .collect()
    };
    assert_eq!((values(&again), &again["order"]["trials"]), (values(&job), &job["order"]["trials"]));
}

#[tokio::test]
async fn a_search_ends_when_its_time_is_up() {
    let server = TestServer::with().flag("workers", "1").start().await;
    let mut order = order(&dataset(&server).await);
    order["method"] = json!({"type": "random"});
    // One training fits into the time on any machine, and five hundred do not.
    (order["budget"], order["base"]["training"]["epochs"]) = (json!({"trials": 500, "seconds": 4}), json!(60));
    let id = start(&server, &order).await;
    let job = server.ended(&id).await;
    assert_eq!((&job["status"], &job["result"]["out_of_time"]), (&json!("succeeded"), &json!(true)), "{job}");
    let of = children(&server, &id).await;
    assert!(of.iter().all(|child| ["succeeded", "cancelled"].contains(&child["status"].as_str().unwrap())));
    assert!(of.iter().any(|child| child["status"] == "cancelled"));
}

#[tokio::test]
async fn the_problem_for_an_invalid_range_names_it() {
    let server = TestServer::with().flag("workers", "0").start().await;
    let good = order(&dataset(&server).await);
    for (at, value, pointer) in [
        ("/ranges/0/log_uniform", json!([0, 1]), "/ranges/0"),
        ("/ranges/0/uniform", json!([0, 1]), "/ranges/0"),
        ("/ranges/0/path", json!("/training/optimizer/learning_rat"), "/ranges"),
        ("/ranges/1/path", json!("/model/layers/7"), "/ranges"),
        ("/ranges/1/path", json!("/data/horizon"), "/ranges"),
        ("/budget/trials", json!(0), "/budget/trials"),
        ("/base/model/cell", json!("x"), "/base/model/cell"),
        ("/method/type", json!("grid"), "/method"),
    ] {
        let mut wrong = good.clone();
        assert!(gatecast_core::order::merge_patch::put(&mut wrong, at, value));
        let answer = server.post("/v1/jobs", &wrong).await;
        answer.expect_problem(422, "invalid_body");
        let found = answer.json()["errors"][0]["pointer"].as_str().unwrap().to_owned();
        assert!(found.starts_with(pointer), "{}", answer.text);
    }
}
