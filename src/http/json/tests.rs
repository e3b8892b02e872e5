use gatecast_core::kinds::CheckedRequest;

use super::*;

fn order(body: &str) -> Result<CheckedRequest, (String, String)> {
    shape::check(body.as_bytes()).map_err(|detail| (String::new(), detail))?;
    let read = <JobRequest as JsonBody>::read(body.as_bytes());
    read.and_then(|request| request.check().map_err(Problem::invalid_fields)).map_err(|problem| {
        let problem = serde_json::to_value(&problem).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&problem["errors"][0]["pointer"]), text(&problem["errors"][0]["detail"]))
    })
}

const DATASET: &str = r#""dataset": "0192d3b4-5f6a-7c81-9e2f-0a1b2c3d4e5f""#;

fn train(rest: &str) -> Result<CheckedRequest, (String, String)> {
    order(&format!(r#"{{"kind": "train", {DATASET}{rest}}}"#))
}

#[test]
fn every_mistake_in_an_order_is_named_by_its_place() {
    for (rest, pointer, detail) in [
        (r#", "modle": {}"#, "/modle", "did you mean `model`?"),
        (r#", "zebra": {}"#, "/zebra", "known are `name`, `dataset`"),
        (r#", "training": {"epocs": 1}"#, "/training/epocs", "did you mean `epochs`?"),
        (r#", "training": {"epochs": -1}"#, "/training/epochs", "from 0 to 4294967295"),
        (r#", "training": {"epochs": 0}"#, "/training/epochs", "must be at least 1"),
        (r#", "training": {"epochs": 9223372036854775808}"#, "/training/epochs", "whole number"),
        (r#", "training": {"epochs": "ten"}"#, "/training/epochs", "found the text \"ten\""),
        (r#", "training": {"seed": -1}"#, "/training/seed", "whole number"),
        (r#", "training": {"seed": 18446744073709551616}"#, "/training/seed", "whole number"),
        (r#", "training": {"batch_size": 0}"#, "/training/batch_size", "at least 1"),
        (r#", "training": {"device": "gpu"}"#, "/training/device", "unknown device"),
        (r#", "training": {"loss": "msee"}"#, "/training/loss", "did you mean `mse`?"),
        (
            r#", "training": {"optimizer": {"type": "adam", "learning_rate": 0}}"#,
            "/training/optimizer/learning_rate",
            "at least 0.000000000001",
        ),
        (
            r#", "training": {"optimizer": {"type": "adam", "learning_rate": 1e30}}"#,
            "/training/optimizer/learning_rate",
            "10",
        ),
        (r#", "training": {"optimizer": {"type": "adam", "lr": 1}}"#, "/training/optimizer/lr", "unknown field"),
        (
            r#", "training": {"optimizer": {"type": "adamw", "learning_rate": "fnd"}}"#,
            "/training/optimizer",
            "expected a learning rate such as 0.001, or \"find\", found the text \"fnd\"",
        ),
        (r#", "training": {"schedule": {"type": "cosin"}}"#, "/training/schedule", "did you mean `cosine`?"),
        (
            r#", "training": {"schedule": {"type": "constant", "factor": 1}}"#,
            "/training/schedule/factor",
            "unknown field",
        ),
        (r#", "training": {"schedule": ["step", 3]}"#, "/training/schedule", "found a list"),
        (r#", "training": {"schedule": {"type": "step", "factor": 2}}"#, "/training/schedule/factor", "at most 1"),
        (r#", "training": {"max_steps": 0}"#, "/training/max_steps", "at least 1"),
        (r#", "training": {"clip": {"norm": 0}}"#, "/training/clip", "at least"),
        (r#", "model": {"layers": []}"#, "/model/layers", "at least 1 long"),
        (r#", "model": {"layers": [1000000]}"#, "/model/layers/0", "at most 8192"),
        (r#", "model": {"layers": [32, {"units": 1000000}]}"#, "/model/layers/1/units", "at most 8192"),
        (r#", "model": {"layers": [32, {"units": 8, "droput": 0.1}]}"#, "/model/layers/1/droput", "did you mean"),
        (r#", "model": {"layers": [[32]]}"#, "/model/layers/0", "found a list"),
        (r#", "model": {"kernel_initializer": "he_norml"}"#, "/model/kernel_initializer", "did you mean `he_normal`"),
        (r#", "model": {"cell": "LSTM"}"#, "/model/cell", "did you mean `lstm`?"),
        (r#", "data": {"horizon": 0}"#, "/data/horizon", "at least 1"),
        (r#", "data": {"horizon": 1000000}"#, "/data/horizon", "at most 10000"),
        (r#", "data": {"split": {"by": "time", "validation": 2}}"#, "/data/split/validation", "at most 0.95"),
        (r#", "data": {"split": {"by": "time", "test": {"form": "2019-01-01"}}}"#, "/data/split", "from"),
        (r#", "data": []"#, "/data", "found a list"),
        (r#", "name": 5"#, "/name", "a text"),
        (r#", "name": """#, "/name", "at least 1"),
    ] {
        let (at, told) = train(rest).unwrap_err();
        assert!(at.starts_with(pointer) && told.contains(detail), "{rest}\n -> {at}: {told}");
        assert!(!told.contains("struct") && !told.contains("u32") && !told.contains("Spec"), "{told}");
    }
}

#[test]
fn the_kind_and_the_dataset_are_asked_for() {
    assert_eq!(order("{}").unwrap_err().0, "/kind");
    assert_eq!(order(r#"{"kind": "tain"}"#).unwrap_err().0, "/kind");
    assert_eq!(order(r#"{"kind": 1}"#).unwrap_err().0, "/kind");
    assert_eq!(order(r#"{"kind": "train"}"#).unwrap_err().0, "/dataset");
    assert_eq!(order(r#"{"kind": "train", "dataset": "../etc"}"#).unwrap_err().0, "/dataset");
    assert!(train("").is_ok());
}

#[test]
fn text_that_is_not_sound_json_is_refused_with_its_line() {
    let deep = format!("{}{}", "[".repeat(250_000), "]".repeat(250_000));
    for (body, detail) in [
        ("", "empty"),
        ("{\n  \"kind\": }", "line 2"),
        ("{\"kind\": \"train\",}", "line 1"),
        ("{\"kind\": NaN}", "line 1"),
        ("{\"kind\": 1e999}", "out of range"),
        ("{\"a\": 1, \"a\": 2}", "`a` stands twice"),
        ("{\"data\": {\"x\": [{\"b\": 1, \"b\": 1}]}}", "`b` stands twice"),
        ("{} {}", "trailing"),
        (deep.as_str(), "nested deeper than 32"),
    ] {
        let (_, told) = order(body).unwrap_err();
        assert!(told.contains(detail), "{}: {told}", &body[..body.len().min(40)]);
    }
    assert!(shape::check(b"{\"a\": \"\xff\"}").is_err());
}

#[test]
fn a_forecast_request_names_the_number_that_is_none() {
    let body = br#"{"series": [{"values": [1, 2, "x"]}]}"#;
    let problem = serde_json::to_value(ForecastRequest::read(body).unwrap_err()).unwrap();
    assert_eq!(problem["errors"][0]["pointer"], "/series/0/values/2");
}
