use serde_json::json;

use super::*;
use crate::kinds::TrainRequest;

const DATASET: &str = "01920000-0000-7000-8000-000000000000";

fn fault(change: &Value) -> String {
    let mut order = json!({"dataset": DATASET});
    crate::order::merge_patch::merge(&mut order, change);
    read_stored::<TrainRequest>(&order).unwrap_err().to_string()
}

#[test]
fn a_misfit_reports_its_place_and_what_was_expected() {
    assert_eq!(fault(&json!({"dataset": null})), "/dataset: the field is missing");
    assert_eq!(
        fault(&json!({"data": {"context": "ten"}})),
        "/data/context: expected a whole number from 0 to 18446744073709551615, found the text \"ten\""
    );
    let cell = fault(&json!({"model": {"cell": "LSTM"}}));
    assert!(
        cell.starts_with("/model/cell: `LSTM` is not one of `simple_rnn`, ") && cell.ends_with("did you mean `lstm`?"),
        "{cell}"
    );
    for enums in [
        json!({"training": {"schedule": ["step", 3]}}),
        json!({"training": {"optimizer": ["adam"]}}),
        json!({"data": {"split": ["time"]}}),
    ] {
        assert!(fault(&enums).ends_with(": expected an object, found a list"), "{enums}");
    }
    assert_eq!(fault(&json!({"data": {"differencing": [1]}})), "/data/differencing: expected an object, found a list");
}

#[test]
fn a_list_of_a_fixed_length_is_read_whole() {
    assert!(read_stored::<[f64; 2]>(&json!([1, 2])).is_ok());
    assert!(read_stored::<[f64; 2]>(&json!([1, 2, 3])).is_err());
}

#[test]
fn an_unknown_field_inside_an_enum_is_ignored_but_not_its_namesake() {
    let split = json!({"by": "time", "from": 1, "training": {"from": "2024-01-01"}});
    let mut stored = json!({"dataset": DATASET, "data": {"split": split}});
    let read: TrainRequest = read_stored(&stored).unwrap();
    stored["data"]["split"].as_object_mut().unwrap().remove("from");
    assert_eq!(read, serde_json::from_value(stored).unwrap());
}
