//! Killing servers and trainers at random does not change the result of a comparison.

use std::time::Duration;

use serde_json::{Value, json};

use super::{children, start};
use crate::support::{TestServer, daily};

/// Twelve trainings, each long enough to be killed midway.
fn order(dataset: &Value) -> Value {
    json!({
        "kind": "compare", "name": "killed or not",
        "base": {"dataset": dataset["id"], "data": {"context": 20, "horizon": 3, "split": {"by": "time", "validation": 0.2}},
                 "model": {"layers": [24]}, "training": {"epochs": 80, "batch_size": 8, "engine": "fused"}},
        "cells": ["lstm", "gru", "simple_rnn"], "layer_norm": [false, true], "seeds": [1, 2], "alias": "best",
    })
}

/// The leaderboard without times, and with each id replaced by whether it is present.
fn timeless(board: &Value) -> Value {
    match board {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| *name != "seconds");
            let plain = |(name, value): (&String, &Value)| {
                let value = match name.as_str() {
                    "job" | "model" => json!(value.is_string()),
                    _ => timeless(value),
                };
                (name.clone(), value)
            };
            Value::Object(kept.map(plain).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(timeless).collect()),
        other => other.clone(),
    }
}

/// Every child's bundle, by the child's name.
async fn bundles(server: &TestServer, id: &str) -> Vec<(String, Vec<u8>)> {
    let mut bundles = Vec::new();
    for child in children(server, id).await {
        let url = format!("{}/v1/models/{}/bundle", server.url, child["model"].as_str().unwrap());
        let answer = server.client.get(url).send().await.unwrap().error_for_status().unwrap();
        bundles.push((child["name"].as_str().unwrap().to_owned(), answer.bytes().await.unwrap().to_vec()));
    }
    bundles.sort();
    bundles
}

#[tokio::test]
async fn killing_workers_at_random_does_not_change_the_result() {
    // The same data folder and dataset, so that the bundles name the same data; one worker first.
    let server = TestServer::with().flag("workers", "1").start().await;
    let order = order(&server.upload("?name=lines", daily(&["a", "b"], 260)).await.expect(201));
    let id = start(&server, &order).await;
    let straight = server.ended(&id).await;
    assert_eq!(straight["status"], "succeeded", "{straight}");
    let expected = (timeless(&straight["result"]).to_string(), bundles(&server, &id).await);

    let mut server = server.restart_with("workers", "3").await;
    let id = start(&server, &order).await;
    let mut noise = 12_345_u32;
    let (mut servers, mut trainers) = (0, 0);
    loop {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        tokio::time::sleep(Duration::from_millis(u64::from(noise >> 16) % 900)).await;
        let job = server.get(&format!("/v1/jobs/{id}")).await.expect(200);
        if job["status"] == "succeeded" || servers + trainers >= 14 {
            break;
        }
        if noise >> 30 == 0 {
            server = server.restart().await;
            servers += 1;
        } else if let Some(trainer) = server.children().get((noise >> 8) as usize % 3) {
            let killed = std::process::Command::new("kill").args(["-KILL", trainer]).status().unwrap();
            trainers += u32::from(killed.success());
        }
    }
    assert!(trainers > 2 && servers > 0, "the comparison was too short for this test: {trainers} and {servers} kills");
    let job = server.ended(&id).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(timeless(&job["result"]).to_string(), expected.0);
    assert!(bundles(&server, &id).await == expected.1, "the bundles differ");

    let of = children(&server, &id).await;
    assert_eq!(of.len(), 12);
    assert!(of.iter().any(|child| child["attempt"].as_u64().unwrap() > 1), "no child was disturbed");
    let events = server.get(&format!("/v1/jobs/{id}/events")).await.text;
    let ends = events.lines().filter(|line| line.starts_with("data: ") && line.contains("\"succeeded\"")).count();
    assert_eq!(ends, 1, "{events}");
    assert_eq!(server.get("/v1/models?limit=200").await.expect(200)["items"].as_array().unwrap().len(), 24);
}
