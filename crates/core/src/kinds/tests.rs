use serde_json::{Value, json};

use super::*;
use crate::dataset::Profile;
use crate::spec_error::SpecError;

const DATASET: &str = "01920000-0000-7000-8000-000000000000";

fn dataset() -> Dataset {
    let profile: Profile = serde_json::from_value(json!({
        "format": "csv", "layout": "long", "layout_reason": "said so", "time_column": "date", "series_column": null,
        "rows": 400, "points": 400, "series": 1, "shortest": 400, "longest": 400,
        "start": "2024-01-01T00:00:00Z", "end": "2025-02-03T00:00:00Z", "frequency": "P1D", "frequencies": [],
        "gaps": 0, "duplicates_dropped": 0, "constant": [],
        "columns": [{"name": "rail", "kind": "number", "missing": 0}], "warnings": [],
    }))
    .unwrap();
    Dataset {
        id: DATASET.parse().unwrap(),
        name: "shops".to_owned(),
        revision: 1,
        created_at: jiff::Timestamp::UNIX_EPOCH,
        sha256: "ab".repeat(32),
        bytes: 1,
        profile,
    }
}

/// Resolves a request in the way that every caller does.
fn resolve(request: Value) -> Result<JobSpec, Vec<FieldError>> {
    let checked = JobRequest::read(request)?.check()?;
    checked.resolve(&Found { dataset: &dataset(), model: None })
}

fn refused(request: Value) -> Vec<(String, String)> {
    resolve(request).unwrap_err().into_iter().map(|error| (error.pointer, error.detail)).collect()
}

fn train() -> Value {
    json!({"kind": "train", "dataset": DATASET, "data": {"split": {"by": "time", "training": {"to": "2024-10-31"}}},
           "model": {"layers": [4, {"units": 8}], "kernel_initializer": {"type": "constant", "value": 0.5}},
           "training": {"optimizer": {"type": "sgd"}, "seed": u64::MAX}})
}

fn composites() -> [Value; 3] {
    let base = json!({"dataset": DATASET, "model": {"layers": [4]}});
    [
        json!({"kind": "compare", "base": base, "variants": [{"name": "a"}, {"name": "b", "model": {"cell": "gru"}}],
               "seeds": [3, 4]}),
        json!({"kind": "search", "base": base, "budget": {"trials": 3}, "seed": 7,
               "ranges": [{"path": "/training/batch_size", "integer": [8, 64]}]}),
        json!({"kind": "backtest", "order": {"dataset": DATASET, "data": {"split": {"by": "time", "validation": 0.1}}},
               "folds": 3}),
    ]
}

#[test]
fn every_kind_is_written_and_read_back() {
    for request in composites().into_iter().chain([train()]) {
        let spec = resolve(request).unwrap();
        let written = spec.write().unwrap();
        assert!(written.starts_with(&format!(r#"{{"version":2,"kind":"{}""#, spec.kind().name())), "{written}");
        assert_eq!(JobSpec::read(&written).as_ref(), Ok(&spec), "{written}");
    }
}

#[test]
fn a_composite_spec_contains_its_trainings() {
    for (request, names, children) in composites()
        .into_iter()
        .zip([["a", "a", "b"], ["trial 0", "trial 1", "trial 2"], ["fold 0", "fold 1", "fold 2"]])
        .zip([4, 3, 3])
        .map(|((request, names), children)| (request, names, children))
    {
        let spec = resolve(request).unwrap();
        assert!(spec.coordinates());
        let stored: Value = serde_json::from_str(&spec.write().unwrap()).unwrap();
        let plan = stored["plan"].as_array().unwrap();
        assert_eq!(plan.len(), children);
        for (candidate, name) in plan.iter().zip(names) {
            assert_eq!(candidate["name"], name);
            assert!(
                candidate["train"]["data"]["context"].is_u64() && candidate["train"]["training"]["loss"].is_string()
            );
        }
        let queued = spec.children().unwrap();
        assert_eq!(queued.iter().map(|child| child.slot).collect::<Vec<_>>(), (0..children as u32).collect::<Vec<_>>());
        assert!(queued.iter().all(|child| child.name.starts_with("shops: ")), "{queued:?}");
        let shown = serde_json::to_value(&spec).unwrap();
        assert!(shown.get("plan").is_none() && shown.get("version").is_none());
    }
    assert!(!resolve(train()).unwrap().coordinates());
}

#[test]
fn read_only_fields_are_rejected_in_requests() {
    let [compare, search, backtest] = composites();
    for (request, field) in
        [(compare, "plan"), (search.clone(), "trials"), (search, "rungs"), (backtest, "ends"), (train(), "version")]
    {
        let mut request = request;
        request[field] = json!([]);
        let errors = refused(request);
        assert_eq!((errors.len(), errors[0].0.as_str()), (1, format!("/{field}").as_str()), "{errors:?}");
        assert!(errors[0].1.starts_with("unknown field"), "{errors:?}");
    }
    let finetune = json!({"kind": "finetune", "model": "@prod", "resolved": {"dataset": DATASET}});
    assert_eq!(refused(finetune)[0].0, "/resolved");
}

#[test]
fn a_request_is_read_by_its_kind() {
    assert_eq!(refused(json!([]))[0].0, "");
    let (pointer, detail) = refused(json!({"kind": "tain"})).remove(0);
    assert_eq!(pointer, "/kind");
    assert!(detail.contains("`train`, `compare`, `search`, `finetune` or `backtest`"), "{detail}");
    assert_eq!(refused(json!({"kind": 1}))[0].0, "/kind");
    assert_eq!(refused(json!({"kind": "train"}))[0], ("/dataset".to_owned(), "the field is missing".to_owned()));
    assert_eq!(refused(json!({"kind": "train", "dataset": DATASET, "data": [1]}))[0].0, "/data");
}

#[test]
fn the_order_of_a_job_is_a_valid_request() {
    let [compare, _, _] = composites();
    for request in [train(), compare] {
        let spec = resolve(request).unwrap();
        assert_eq!(resolve(serde_json::to_value(&spec).unwrap()), Ok(spec));
    }
}

#[test]
fn unknown_fields_of_a_stored_spec_are_ignored_at_any_depth() {
    let stored: Value = serde_json::from_str(&resolve(train()).unwrap().write().unwrap()).unwrap();
    let expected = JobSpec::read(&stored.to_string());
    assert!(expected.is_ok());
    for at in [
        "",
        "/data",
        "/data/split",
        "/data/split/training",
        "/model/layers/1",
        "/model/kernel_initializer",
        "/training",
        "/training/optimizer",
    ] {
        let mut value = stored.clone();
        let object = value.pointer_mut(at).and_then(Value::as_object_mut).unwrap();
        object.insert("added".to_owned(), json!({"later": [1]}));
        assert_eq!(JobSpec::read(&value.to_string()), expected, "{at}");
    }
    // A known field elsewhere has the same name, and is kept.
    let mut value = stored;
    value["data"]["split"]["to"] = json!(1);
    assert_eq!(JobSpec::read(&value.to_string()), expected);
}

#[test]
fn newer_and_damaged_specs_have_different_errors() {
    let mut stored: Value = serde_json::from_str(&resolve(train()).unwrap().write().unwrap()).unwrap();
    let mut newer = stored.clone();
    newer["version"] = json!(3);
    assert_eq!(JobSpec::read(&newer.to_string()), Err(SpecError::Newer { found: 3, newest: 2 }));
    let damage = |text: &str| match JobSpec::read(text) {
        Err(SpecError::Damaged(detail)) => detail,
        other => panic!("{other:?}"),
    };
    assert!(damage("{\"kind\":").contains("EOF"));
    assert!(damage("[]").contains("an object"));
    assert!(damage(r#"{"kind": "dream"}"#).contains("`dream`"));
    assert!(damage(r#"{"version": 2}"#).contains("`kind`"));
    stored["data"].as_object_mut().unwrap().remove("context");
    assert_eq!(damage(&stored.to_string()), "`data.context` is missing");
    stored["training"]["epochs"] = json!("ten");
    assert!(damage(&stored.to_string()).starts_with("/training/epochs: expected a whole number"));
}

#[test]
fn specs_of_version_1_are_read_with_the_names_of_their_trainings() {
    let read = |value: Value| JobSpec::read(&value.to_string()).unwrap();
    let whole = json!({"name": "one", "dataset": DATASET, "data": {"targets": ["rail"], "context": 8, "horizon": 2, "season": 7}});
    // The first rows had no kind and no loss.
    let train = read(whole.clone());
    assert_eq!(train.train().unwrap().training.loss.name(), "mse");
    let compare = read(json!({"kind": "compare", "name": "c", "base": {"dataset": DATASET}, "cells": ["gru", "lstm"],
                              "seeds": [1, 2], "metric": "validation.mae"}));
    let names: Vec<_> = compare.plan().iter().map(|one| (one.name.as_str(), one.seed)).collect();
    assert_eq!(names, [("gru", Some(1)), ("gru", Some(2)), ("lstm", Some(1)), ("lstm", Some(2))]);
    assert!(compare.coordinates() && compare.children().is_none());
    let search = read(json!({"kind": "search", "name": "s", "base": {}, "ranges": [], "method": {"type": "random"},
                             "budget": {"trials": 2}, "seed": 1, "metric": "validation.mae", "trials": [[1], [2]], "rungs": [5]}));
    assert_eq!(search.plan().len(), 2);
    let model = "01920000-0000-7000-8000-000000000001";
    let finetune = read(
        json!({"kind": "finetune", "name": "f", "model": model, "dataset": DATASET, "scaling": "keep", "resolved": whole}),
    );
    assert_eq!(finetune.train().unwrap().data.horizon, 2);
    let backtest = json!({"kind": "backtest", "name": "b", "model": model, "dataset": DATASET, "folds": 2, "step": 2, "gap": 0, "horizon": 2});
    assert!(!read(backtest).coordinates());
    let refit = json!({"kind": "backtest", "name": "b", "order": {}, "folds": 2, "step": 2, "gap": 0, "horizon": 2,
                       "ends": ["2024-03-01T00:00:00Z", "2024-03-03T00:00:00Z"]});
    assert_eq!(read(refit).plan().len(), 2);
}
