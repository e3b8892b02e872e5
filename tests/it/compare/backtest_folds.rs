//! The positions of a backtest's folds, which of them are evaluated, and their baseline.

use serde_json::{Value, json};

use super::{dataset, start};
use crate::support::TestServer;

/// A small training on a dataset; `data` is merged into its `data`.
async fn trained(server: &TestServer, dataset: &Value, data: Value) -> String {
    let mut order = json!({
        "kind": "train", "dataset": dataset["id"], "data": {"context": 8, "horizon": 3},
        "model": {"layers": [4]}, "training": {"epochs": 1},
    });
    gatecast_core::order::merge_patch::merge(&mut order["data"], &data);
    let job = server.ended(&start(server, &order).await).await;
    job["model"].as_str().unwrap_or_else(|| panic!("{job}")).to_owned()
}

async fn backtest(server: &TestServer, order: Value) -> Value {
    let mut order = order;
    order["kind"] = json!("backtest");
    let mut job = server.ended(&start(server, &order).await).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    job["result"].take()
}

/// Day `at` of the data, from 0: 2020-01-01.
fn day(at: i64) -> String {
    let date = jiff::civil::date(2020, 1, 1).checked_add(jiff::Span::new().days(at)).unwrap();
    date.to_string()
}

fn midnight(at: i64) -> Value {
    json!(format!("{}T00:00:00Z", day(at)))
}

/// CSV with `shop,day,sales,promo`. `sales` is empty if the function returns `Some(None)`, and the row is
/// omitted if it returns `None`.
fn shops(keys: &[&str], days: i64, sales: impl Fn(&str, i64) -> Option<Option<f64>>) -> String {
    let mut csv = "shop,day,sales,promo\n".to_owned();
    for key in keys {
        for at in 0..days {
            let Some(value) = sales(key, at) else { continue };
            let value = value.map(|value| value.to_string()).unwrap_or_default();
            csv.push_str(&format!("{key},{},{value},{}\n", day(at), at % 7 / 5));
        }
    }
    csv
}

fn codes(result: &Value) -> Vec<&str> {
    let warnings = result["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn until_may_be_a_date_and_folds_report_their_dates() {
    let server = TestServer::start().await;
    let model = trained(&server, &dataset(&server).await, json!({})).await;
    let until = |until: &str| json!({"model": model, "folds": 2, "step": 5, "until": until});
    let of_day = backtest(&server, until(&day(100))).await;
    let newest = &of_day["folds"][1];
    assert_eq!((&newest["origin"], &newest["from"], &newest["to"]), (&midnight(97), &midnight(98), &midnight(100)));
    assert_eq!((&of_day["folds"][0]["to"], &of_day["skipped"]), (&midnight(95), &json!(0)));
    let mut of_time = backtest(&server, until(&format!("{}T00:00:00Z", day(100)))).await;
    let mut noon = backtest(&server, until(&format!("{}T12:00:00Z", day(100)))).await;
    for result in [&mut of_time, &mut noon] {
        result["points"] = of_day["points"].clone();
        assert_eq!(*result, of_day);
    }
    let past_the_end = backtest(&server, until("2030-01-01")).await;
    assert_eq!(past_the_end["folds"][1]["to"], midnight(119));
}

#[tokio::test]
async fn steps_and_folds_have_the_errors_of_the_seasonal_naive_forecast() {
    let server = TestServer::start().await;
    let model = trained(&server, &dataset(&server).await, json!({})).await;
    let result = backtest(&server, json!({"model": model, "folds": 2})).await;
    // Values rise by one a day, and a season has seven days.
    for of in result["by_step"].as_array().unwrap().iter().chain(result["folds"].as_array().unwrap()) {
        assert_eq!(of["seasonal_naive"]["mae"], 7.0, "{of}");
        assert_eq!(of["seasonal_naive"]["points"], of["points"], "{of}");
    }
}

#[tokio::test]
async fn rows_known_ahead_do_not_count_as_a_fold() {
    let server = TestServer::with().flag("workers", "1").start().await;
    let sales = |_: &str, at: i64| Some((at < 80).then_some(100.0 + at as f64));
    let dataset = server.upload("", shops(&["a", "b"], 87, sales)).await.expect(201);
    let known_ahead = json!({"targets": ["sales"], "covariates": {"future": ["promo"]}});
    let model = trained(&server, &dataset, known_ahead.clone()).await;
    let result = backtest(&server, json!({"model": model, "folds": 6})).await;
    assert_eq!((&result["overall"]["points"], &result["skipped"]), (&json!(6 * 3 * 2), &json!(0)), "{result}");
    assert_eq!(result["folds"][5]["to"], midnight(79));
    assert!(codes(&result).iter().all(|code| *code != "empty_folds"), "{result}");

    // The same for folds with refits, which are cut by time.
    let mut data = known_ahead;
    gatecast_core::order::merge_patch::merge(&mut data, &json!({"context": 8, "horizon": 3, "split": {"by": "time"}}));
    let order = json!({"dataset": dataset["id"], "data": data, "model": {"layers": [4]}, "training": {"epochs": 1}});
    let result = backtest(&server, json!({"order": order, "folds": 2})).await;
    assert_eq!((&result["overall"]["points"], &result["folds"][1]["to"]), (&json!(2 * 3 * 2), &midnight(79)));
}

#[tokio::test]
async fn folds_that_training_used_are_marked() {
    let server = TestServer::start().await;
    let data = dataset(&server).await;
    // The test part: days 96 to 119.
    let split = json!({"split": {"by": "time", "validation": 0.2, "test": 0.2}});
    let model = trained(&server, &data, split).await;
    let order = json!({"model": model, "folds": 5, "step": 8});
    let seen = |result: &Value| -> Vec<Value> {
        result["folds"].as_array().unwrap().iter().map(|fold| fold["seen_in_training"].clone()).collect()
    };
    let result = backtest(&server, order.clone()).await;
    // The oldest two evaluate days 85 to 87 and 93 to 95.
    assert_eq!(seen(&result), [json!(true), json!(true), json!(false), json!(false), json!(false)]);
    assert_eq!(codes(&result), ["folds_seen_in_training"]);
    assert!(result["warnings"][0]["detail"].as_str().unwrap().ends_with(": 0, 1"), "{result}");

    // For other data, this cannot be derived from the shares.
    let csv = crate::support::daily(&["a", "b"], 121);
    let other = server.upload("", csv).await.expect(201);
    let mut on_other = order;
    on_other["dataset"] = other["id"].clone();
    let result = backtest(&server, on_other).await;
    assert!(seen(&result).iter().all(Value::is_null), "{result}");
    assert!(codes(&result).is_empty());
}

#[tokio::test]
async fn folds_without_a_known_value_are_skipped_with_a_warning() {
    let server = TestServer::start().await;
    let known = |at: i64| !(60..66).contains(&at);
    let sales = |_: &str, at: i64| known(at).then_some(Some(100.0 + at as f64));
    let dataset = server.upload("", shops(&["a", "b"], 72, sales)).await.expect(201);
    let model = trained(&server, &dataset, json!({"targets": ["sales"]})).await;
    let result = backtest(&server, json!({"model": model, "folds": 5})).await;
    // The folds evaluate days 57 to 59, 60 to 62, 63 to 65, 66 to 68 and 69 to 71.
    let points: Vec<&Value> = result["folds"].as_array().unwrap().iter().map(|fold| &fold["points"]).collect();
    assert_eq!(points, [6, 0, 0, 6, 6]);
    assert_eq!(result["skipped"], 4);
    assert!(codes(&result).contains(&"empty_folds"), "{result}");
    assert_eq!(result["folds"][1]["mae"], Value::Null);
}

#[tokio::test]
async fn unknown_values_of_a_history_are_masked_as_in_training() {
    let server = TestServer::start().await;
    // The day before the last origin is unknown.
    let sales = |_: &str, at: i64| (at != 56).then_some(Some(100.0 + 10.0 * (at % 7) as f64));
    let dataset = server.upload("", shops(&["a"], 60, sales)).await.expect(201);
    let model = trained(&server, &dataset, json!({"targets": ["sales"], "missing": "mask"})).await;
    let id = start(&server, &json!({"kind": "backtest", "model": model, "folds": 1})).await;
    assert_eq!(server.ended(&id).await["status"], "succeeded");
    let values: Vec<Option<f64>> = (0..57).map(|at| sales("a", at).flatten()).collect();
    let ask = json!({"series": [{"id": "a", "start": "2020-01-01", "values": values}]});
    let told = server.post(&format!("/v1/models/{model}/forecast"), &ask).await.expect(200);
    let rows = super::backtest::points(&server, &id).await;
    let means = told["forecasts"][0]["mean"].as_array().unwrap();
    assert_eq!((rows.len(), means.len()), (3, 3));
    // The client parses numbers with an error of about the last digit.
    let close = |(row, mean): (&super::backtest::Row, &Value)| (row.3 - mean.as_f64().unwrap()).abs() < 1e-9;
    assert!(rows.iter().zip(means).all(close), "{rows:?} {means:?}");
}

#[tokio::test]
async fn a_model_of_resampled_data_is_evaluated_at_its_time_step() {
    let server = TestServer::start().await;
    let weekly = json!({"context": 4, "horizon": 2, "resample": {"every": "P7D", "aggregation": "sum"}});
    let model = trained(&server, &dataset(&server).await, weekly).await;
    let id = start(&server, &json!({"kind": "backtest", "model": model, "folds": 2, "until": "2020-04-26"})).await;
    let job = server.ended(&id).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    let rows = super::backtest::points(&server, &id).await;
    // The last week starts on 20 April, day 110: its days have the values 210 to 216.
    let last = rows.iter().rfind(|row| row.0 == 1 && row.1 == "a").unwrap();
    assert_eq!(last.4, Some((210..=216).sum::<i32>().into()), "{rows:?}");
}

#[tokio::test]
async fn a_series_that_ends_early_is_skipped_if_the_model_was_trained_on_its_end() {
    let server = TestServer::with().flag("workers", "1").start().await;
    let sales = |key: &str, at: i64| (key == "a" || at < 72).then_some(Some(100.0 + at as f64));
    let dataset = server.upload("", shops(&["a", "b"], 80, sales)).await.expect(201);
    let order = json!({
        "dataset": dataset["id"], "data": {"targets": ["sales"], "context": 8, "horizon": 3, "split": {"by": "time"}},
        "model": {"layers": [4]}, "training": {"epochs": 1},
    });
    let result = backtest(&server, json!({"order": order, "folds": 2, "step": 8})).await;
    // The older fold evaluates days 69 to 71, which both have. The newer model was trained on all of `b`.
    let folds = result["folds"].as_array().unwrap();
    assert_eq!([&folds[0]["points"], &folds[1]["points"]], [6, 3]);
    assert_eq!((&folds[1]["origin"], &folds[1]["to"]), (&midnight(76), &midnight(79)));
    assert!(folds.iter().all(|fold| fold["seen_in_training"] == false), "{result}");
    assert_eq!(result["skipped"], 1);
}
