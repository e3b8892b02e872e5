use gatecast_core::kinds::CheckedRequest;

use super::*;

/// The first error's pointer and detail.
fn order(body: &str) -> Result<CheckedRequest, (String, String)> {
    let request = read::<JobRequest>(body.as_bytes()).map_err(first)?;
    request.check().map_err(|errors| first(Problem::invalid_fields(errors)))
}

fn first(problem: Problem) -> (String, String) {
    let problem = serde_json::to_value(&problem).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&problem["errors"][0]["pointer"]), text(&problem["errors"][0]["detail"]))
}

const DATASET: &str = r#""dataset": "0192d3b4-5f6a-7c81-9e2f-0a1b2c3d4e5f""#;

fn train(rest: &str) -> Result<CheckedRequest, (String, String)> {
    order(&format!(r#"{{"kind": "train", {DATASET}{rest}}}"#))
}

#[test]
fn every_error_in_a_job_request_has_its_pointer() {
    for (rest, pointer, detail) in [
        (r#", "modle": {}"#, "/modle", "did you mean `model`?"),
        (r#", "zebra": {}"#, "/zebra", "known fields are `data`, `dataset`"),
        (r#", "training": {"epocs": 1}"#, "/training/epocs", "did you mean `epochs`?"),
        (r#", "training": {"epochs": -1}"#, "/training/epochs", "must be at least 1, found -1"),
        (r#", "training": {"epochs": 0}"#, "/training/epochs", "must be at least 1"),
        (r#", "training": {"epochs": 9223372036854775808}"#, "/training/epochs", "must be at most 100000"),
        (r#", "training": {"epochs": "ten"}"#, "/training/epochs", "found the string `ten`"),
        (r#", "training": {"seed": -1}"#, "/training/seed", "must be at least 0"),
        (r#", "training": {"seed": 18446744073709551616}"#, "/training/seed", "expected an integer"),
        (r#", "training": {"batch_size": 0}"#, "/training/batch_size", "at least 1"),
        (r#", "training": {"device": "gpu"}"#, "/training/device", "is not a device"),
        (r#", "training": {"loss": "msee"}"#, "/training/loss", "did you mean `mse`?"),
        (
            r#", "training": {"optimizer": {"type": "adam", "learning_rate": 0}}"#,
            "/training/optimizer/learning_rate",
            "at least 1e-12",
        ),
        (
            r#", "training": {"optimizer": {"type": "adam", "learning_rate": 1e30}}"#,
            "/training/optimizer/learning_rate",
            "10",
        ),
        (r#", "training": {"optimizer": {"type": "adam", "lr": 1}}"#, "/training/optimizer/lr", "unknown field"),
        (
            r#", "training": {"optimizer": {"type": "adamw", "learning_rate": "fnd"}}"#,
            "/training/optimizer/learning_rate",
            "expected `find`, found `fnd`; did you mean `find`?",
        ),
        (r#", "training": {"schedule": {"type": "cosin"}}"#, "/training/schedule", "did you mean `cosine`?"),
        (
            r#", "training": {"schedule": {"type": "constant", "factor": 1}}"#,
            "/training/schedule/factor",
            "unknown field",
        ),
        (r#", "training": {"schedule": ["step", 3]}"#, "/training/schedule", "found an array"),
        (r#", "training": {"schedule": {"type": "step", "factor": 2}}"#, "/training/schedule/factor", "at most 1"),
        (r#", "training": {"max_steps": 0}"#, "/training/max_steps", "at least 1"),
        (r#", "training": {"clip": {"norm": 0}}"#, "/training/clip/norm", "at least"),
        (r#", "model": {"layers": []}"#, "/model/layers", "at least 1 item"),
        (r#", "model": {"layers": [1000000]}"#, "/model/layers/0", "at most 8192"),
        (r#", "model": {"layers": [32, {"units": 1000000}]}"#, "/model/layers/1/units", "at most 8192"),
        (r#", "model": {"layers": [32, {"units": 8, "droput": 0.1}]}"#, "/model/layers/1/droput", "did you mean"),
        (r#", "model": {"layers": [[32]]}"#, "/model/layers/0", "found an array"),
        (r#", "model": {"kernel_initializer": "he_norml"}"#, "/model/kernel_initializer", "did you mean `he_normal`"),
        (r#", "model": {"cell": "LSTM"}"#, "/model/cell", "did you mean `lstm`?"),
        (r#", "data": {"horizon": 0}"#, "/data/horizon", "at least 1"),
        (r#", "data": {"horizon": 1000000}"#, "/data/horizon", "at most 10000"),
        (r#", "data": {"split": {"by": "time", "validation": 2}}"#, "/data/split/validation", "at most 0.95"),
        (
            r#", "data": {"split": {"by": "time", "test": {"form": "2019-01-01"}}}"#,
            "/data/split/test/form",
            "did you mean `from`?",
        ),
        (r#", "data": []"#, "/data", "found an array"),
        (r#", "name": 5"#, "/name", "a string"),
        (r#", "name": """#, "/name", "must not be empty"),
    ] {
        let (at, told) = train(rest).unwrap_err();
        assert!(at.starts_with(pointer) && told.contains(detail), "{rest}\n -> {at}: {told}");
        assert!(!told.contains("struct") && !told.contains("u32") && !told.contains("Spec"), "{told}");
    }
}

#[test]
fn kind_and_dataset_are_required() {
    assert_eq!(order("{}").unwrap_err().0, "/kind");
    assert_eq!(order(r#"{"kind": "tain"}"#).unwrap_err().0, "/kind");
    assert_eq!(order(r#"{"kind": 1}"#).unwrap_err().0, "/kind");
    assert_eq!(order(r#"{"kind": "train"}"#).unwrap_err().0, "/dataset");
    assert_eq!(order(r#"{"kind": "train", "dataset": "../etc"}"#).unwrap_err().0, "/dataset");
    assert!(train("").is_ok());
}

#[test]
fn an_invalid_number_in_a_forecast_request_has_its_pointer() {
    let body = br#"{"series": [{"values": [1, 2, "x"]}], "levels": [0.8]}"#;
    let problem = serde_json::to_value(read::<ForecastRequest>(body).unwrap_err()).unwrap();
    assert_eq!(problem["errors"][0]["pointer"], "/series/0/values/2");
    assert_eq!(problem["errors"][1]["pointer"], "/levels/0");
    let detail = problem["errors"][1]["detail"].as_str().unwrap();
    assert!(detail.contains("per cent"), "{detail}");
}

#[test]
fn objects_are_never_read_from_arrays() {
    for (rest, pointer) in [
        (r#", "data": {"differencing": [1]}"#, "/data/differencing"),
        (r#", "data": {"resample": ["P1D"]}"#, "/data/resample"),
        (r#", "data": {"recency": [1]}"#, "/data/recency"),
        (r#", "data": {"covariates": [["a"]]}"#, "/data/covariates"),
        (r#", "data": {"transform": ["log"]}"#, "/data/transform"),
        (r#", "model": {"head": ["normal"]}"#, "/model/head"),
        (r#", "training": {"early_stopping": [3]}"#, "/training/early_stopping"),
    ] {
        assert_eq!(train(rest).unwrap_err().0, pointer);
    }
    let search = |rest: &str| {
        let body = format!(
            r#"{{"kind": "search", "base": {{{DATASET}}}, "ranges": [{{"path": "/training/epochs", "integer": [1, 2]}}]{rest}}}"#
        );
        order(&body)
    };
    search("").unwrap();
    assert_eq!(search(r#", "budget": [3]"#).unwrap_err().0, "/budget");
    assert_eq!(search(r#", "method": ["random"]"#).unwrap_err().0, "/method");
    let finetune = format!(r#"{{"kind": "finetune", "model": "@a", {DATASET}, "split": ["time"]}}"#);
    assert_eq!(order(&finetune).unwrap_err().0, "/split");
}
