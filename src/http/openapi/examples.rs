//! Request examples: at least one per operation that takes a body.
//!
//! The JSON examples share one scenario, so that a test can send them: daily sales of shops (`shop`, `date`,
//! `sales`, `promo`), as in the CSV example.

use serde_json::{Map, Value, json};

/// Placeholders for the reader's ids.
pub(super) const DATASET: &str = "0192d3b4-5f6a-7c81-9e2f-0a1b2c3d4e5f";
pub(super) const MODEL: &str = "0192d3b4-7a8b-7c9d-8e0f-1a2b3c4d5e6f";

const CSV: &str = "shop,date,sales,promo\nnorth,2024-01-01,312,0\nnorth,2024-01-02,298,1\nsouth,2024-01-01,145,0\nsouth,2024-01-02,151,0\n";

struct Example {
    /// A JSON pointer to the operation's media type.
    place: &'static str,
    name: &'static str,
    summary: &'static str,
    /// `value`, or `externalValue`: the address of a value that JSON cannot represent.
    field: &'static str,
    value: Value,
}

fn example(place: &'static str, name: &'static str, summary: &'static str, value: Value) -> Example {
    Example { place, name, summary, field: "value", value }
}

fn fetched(place: &'static str, name: &'static str, summary: &'static str, from: String) -> Example {
    Example { place, name, summary, field: "externalValue", value: from.into() }
}

fn all() -> Vec<Example> {
    [uploads(), jobs(), models()].into_iter().flatten().collect()
}

fn uploads() -> Vec<Example> {
    let row = |shop, date, sales, promo| json!({"shop": shop, "date": date, "sales": sales, "promo": promo});
    let rows =
        [row("north", "2024-01-01", 312, 0), row("north", "2024-01-02", 298, 1), row("south", "2024-01-01", 145, 0)];
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let at = |media| match media {
        "csv" => "/paths/~1v1~1datasets/post/requestBody/content/text~1csv",
        "json" => "/paths/~1v1~1datasets/post/requestBody/content/application~1json",
        "parquet" => "/paths/~1v1~1datasets/post/requestBody/content/application~1vnd.apache.parquet",
        "ndjson" => "/paths/~1v1~1datasets/post/requestBody/content/application~1x-ndjson",
        _ => "/paths/~1v1~1datasets/post/requestBody/content/multipart~1form-data",
    };
    vec![
        example(at("csv"), "rows", "A row for each point of each series", CSV.into()),
        example(at("json"), "rows", "An object for each row", rows.to_vec().into()),
        example(at("ndjson"), "rows", "An object for each line", lines.into()),
        fetched(
            at("parquet"),
            "dataset",
            "What another dataset's address answers",
            format!("/v1/datasets/{DATASET}/content"),
        ),
        example(at("form"), "rows", "Options first, the file last", json!({"name": "shops", "file": CSV})),
    ]
}

fn jobs() -> Vec<Example> {
    let at = "/paths/~1v1~1jobs/post/requestBody/content/application~1json";
    let train = json!({
        "kind": "train", "dataset": DATASET,
        "data": {"targets": ["sales"], "covariates": {"future": ["promo"]}, "calendar": ["day_of_week"],
                 "context": 28, "horizon": 7},
        "model": {"cell": "lstm", "layers": [32],
                  "head": {"type": "quantile", "levels": [0.025, 0.1, 0.5, 0.9, 0.975]}},
        "training": {"epochs": 20, "early_stopping": {"patience": 5}}
    });
    let base = json!({"dataset": DATASET, "data": {"targets": ["sales"], "context": 28, "horizon": 7},
                      "training": {"epochs": 10}});
    vec![
        example(at, "train", "Train a network that forecasts a week with intervals", train),
        example(
            at,
            "train_defaults",
            "Train with the defaults",
            json!({
                "kind": "train", "dataset": DATASET, "data": {"targets": ["sales"]}
            }),
        ),
        example(
            at,
            "compare",
            "Train several networks and rank them",
            json!({
                "kind": "compare", "base": base, "cells": ["lstm", "gru"], "seeds": [1, 2],
                "variants": [{"name": "small", "model": {"layers": [16]}}, {"name": "wide", "model": {"layers": [64]}}],
                "metric": "validation.mae", "alias": "best-sales"
            }),
        ),
        example(
            at,
            "search",
            "Search for good settings",
            json!({
                "kind": "search",
            "base": {"dataset": DATASET, "data": {"targets": ["sales"], "context": 28, "horizon": 7},
                     "training": {"epochs": 10, "optimizer": {"type": "adam"}}},
                "ranges": [{"path": "/training/optimizer/learning_rate", "log_uniform": [0.0001, 0.1]},
                           {"path": "/model/layers", "choice": [[16], [32], [32, 32]]}],
                "method": {"type": "successive_halving", "min_epochs": 2, "factor": 3}, "budget": {"trials": 9}
            }),
        ),
        example(
            at,
            "finetune",
            "Go on training a stored model on its dataset's newest data",
            json!({
                "kind": "finetune", "model": MODEL, "training": {"epochs": 3}
            }),
        ),
        example(
            at,
            "backtest",
            "Backtest a stored model on the past",
            json!({
                "kind": "backtest", "model": MODEL, "folds": 3, "step": 7
            }),
        ),
        example(
            at,
            "backtest_refit",
            "Backtest with a network trained for each fold",
            json!({
                "kind": "backtest", "order": base, "folds": 2
            }),
        ),
    ]
}

fn models() -> Vec<Example> {
    let at = "/paths/~1v1~1models~1{id}~1forecast/post/requestBody/content/application~1json";
    let promo = vec![0; 35];
    let values: Vec<u32> = (0..28).map(|day| 300 + 10 * (day % 7)).collect();
    vec![
        example(
            at,
            "stored",
            "Forecast series of a dataset, with 80 % and 95 % intervals",
            json!({
                "dataset": DATASET, "series": ["north", "south"], "levels": [80, 95]
            }),
        ),
        example(
            at,
            "history",
            "Forecast a series given by its latest values",
            json!({
                "series": [{"id": "north", "start": "2024-02-01", "values": values, "future": {"promo": promo}}]
            }),
        ),
        fetched(
            "/paths/~1v1~1models/post/requestBody/content/application~1octet-stream",
            "bundle",
            "What another server's model answers",
            "/v1/models/@best-sales/bundle".to_owned(),
        ),
        example(
            "/paths/~1v1~1aliases~1{name}/put/requestBody/content/application~1json",
            "alias",
            "Give the name to a model",
            json!({"model": MODEL}),
        ),
    ]
}

/// Adds the examples to the document.
pub(super) fn add(document: &mut Value) {
    for Example { place, name, summary, field, value } in all() {
        let Some(media) = document.pointer_mut(place).and_then(Value::as_object_mut) else { continue };
        let examples = media.entry("examples").or_insert_with(|| Map::new().into());
        if let Some(examples) = examples.as_object_mut() {
            examples.insert(name.to_owned(), json!({"summary": summary, field: value}));
        }
    }
}
