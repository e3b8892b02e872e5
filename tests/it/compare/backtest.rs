//! Backtests: forecasts from rolling origins in the past, compared with the known values.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use super::{dataset, start};
use crate::support::TestServer;

const DAYS: usize = 120;

/// A row of the points: fold, series, step, forecast, actual.
pub(super) type Row = (i32, String, i32, f64, Option<f64>);

pub(super) async fn points(server: &TestServer, id: &str) -> Vec<Row> {
    let answer = server.client.get(format!("{}/v1/jobs/{id}/points", server.url)).send().await.unwrap();
    let bytes = answer.error_for_status().unwrap().bytes().await.unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let (folds, steps) = (column("fold").as_primitive::<Int32Type>(), column("step").as_primitive::<Int32Type>());
        let series = column("series").as_string::<i32>();
        let forecasts = column("forecast").as_primitive::<Float64Type>();
        let actuals = column("actual").as_primitive::<Float64Type>();
        for at in 0..batch.num_rows() {
            let actual = actuals.iter().nth(at).unwrap();
            rows.push((folds.value(at), series.value(at).to_owned(), steps.value(at), forecasts.value(at), actual));
        }
    }
    rows
}

#[tokio::test]
async fn a_stored_model_is_evaluated_from_rolling_origins() {
    let server = TestServer::start().await;
    let dataset = dataset(&server).await;
    let order = json!({
        "kind": "train", "dataset": dataset["id"], "data": {"context": 8, "horizon": 3, "split": {"by": "time", "validation": 0.2}},
        "model": {"layers": [4]}, "training": {"epochs": 2},
    });
    let model = server.ended(&start(&server, &order).await).await["model"].as_str().unwrap().to_owned();
    let id = start(&server, &json!({"kind": "backtest", "model": model, "folds": 4, "step": 2})).await;
    let job = server.ended(&id).await;
    assert_eq!(
        (&job["kind"], &job["status"], &job["model"]),
        (&json!("backtest"), &json!("succeeded"), &Value::Null),
        "{job}"
    );
    let result = &job["result"];
    let rows = points(&server, &id).await;
    assert_eq!((rows.len(), result["points"]["rows"].as_u64()), (4 * 2 * 3, Some(24)));

    // Every mean equals the mean over its points.
    let mae = |keep: &dyn Fn(&Row) -> bool| {
        let errors: Vec<f64> = rows.iter().filter(|row| keep(row)).map(|row| (row.3 - row.4.unwrap()).abs()).collect();
        errors.iter().sum::<f64>() / errors.len() as f64
    };
    let close = |found: &Value, wanted: f64| assert!((found["mae"].as_f64().unwrap() - wanted).abs() < 1e-9, "{found}");
    close(&result["overall"], mae(&|_| true));
    for (fold, errors) in result["folds"].as_array().unwrap().iter().enumerate() {
        close(errors, mae(&|row| row.0 == fold as i32));
    }
    for (at, errors) in result["by_step"].as_array().unwrap().iter().enumerate() {
        assert_eq!(errors["step"], at + 1);
        close(errors, mae(&|row| row.2 == at as i32 + 1));
    }
    for errors in result["by_series"].as_array().unwrap() {
        close(errors, mae(&|row| errors["series"] == row.1));
    }

    // The forecast that a user would have got at the first origin. Values rise by one a day from 100 on.
    let origin = DAYS - 3 - 3 * 2;
    let history: Vec<usize> = (0..origin).map(|day| 100 + day).collect();
    let ask = json!({"series": [{"id": "a", "start": "2020-01-01", "values": history}]});
    let told = server.post(&format!("/v1/models/{model}/forecast"), &ask).await.expect(200);
    let of_a = rows.iter().filter(|row| row.0 == 0 && row.1 == "a");
    for (row, mean) in of_a.zip(told["forecasts"][0]["mean"].as_array().unwrap()) {
        assert_eq!(Some(row.3), mean.as_f64());
        assert_eq!(row.4, Some((100 + origin) as f64 + f64::from(row.2) - 1.0));
    }

    // The steps of the gap are not evaluated.
    let gap = start(&server, &json!({"kind": "backtest", "model": model, "folds": 2, "gap": 1})).await;
    let job = server.ended(&gap).await;
    assert!(points(&server, &gap).await.iter().all(|row| row.2 > 1));
    assert_eq!(job["result"]["by_step"][0]["step"], 2);

    server.delete(&format!("/v1/jobs/{id}")).await.expect(204);
    server.get(&format!("/v1/jobs/{id}/points")).await.expect_problem(404, "not_found");
    assert_eq!(server.files("blobs/backtests").len(), 1, "its points go with it");
    for (change, pointer) in [
        (json!({"model": "@nobody"}), "/model"),
        (json!({"folds": 0}), "/folds"),
        (json!({"folds": 100}), "/folds"),
        (json!({"gap": 3}), "/gap"),
        (json!({"dataset": model}), "/dataset"),
    ] {
        let mut wrong = json!({"kind": "backtest", "model": model});
        gatecast_core::order::merge_patch::merge(&mut wrong, &change);
        let answer = server.post("/v1/jobs", &wrong).await;
        answer.expect_problem(422, "invalid_body");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
}

#[tokio::test]
async fn a_probabilistic_model_is_evaluated_by_pinball_loss_and_coverage() {
    let server = TestServer::start().await;
    let dataset = dataset(&server).await;
    for (head, levels) in [
        (json!({"type": "normal"}), &[80.0, 95.0][..]),
        (json!({"type": "quantile", "levels": [0.25, 0.5, 0.75]}), &[50.0]),
        (json!({"type": "point"}), &[]),
    ] {
        let order = json!({
            "kind": "train", "dataset": dataset["id"], "data": {"context": 8, "horizon": 3},
            "model": {"layers": [4], "head": head}, "training": {"epochs": 1},
        });
        let model = server.ended(&start(&server, &order).await).await["model"].clone();
        let id = start(&server, &json!({"kind": "backtest", "model": model, "folds": 2})).await;
        let result = server.ended(&id).await["result"].take();
        for errors in [&result["overall"], &result["folds"][1], &result["by_step"][2], &result["by_series"][0]] {
            let coverage = errors["coverage"].as_array().cloned().unwrap_or_default();
            let found: Vec<f64> = coverage.iter().map(|covered| covered["level"].as_f64().unwrap()).collect();
            assert_eq!(found, levels, "{errors}");
            assert!(coverage.iter().all(|covered| (0.0..=1.0).contains(&covered["share"].as_f64().unwrap())));
            assert_eq!(errors["pinball"].as_f64().is_some_and(|loss| loss > 0.0), !levels.is_empty(), "{errors}");
        }
    }
}

#[tokio::test]
async fn a_model_is_trained_for_each_fold_on_the_points_before_it() {
    let server = TestServer::with().flag("workers", "1").start().await;
    let dataset = dataset(&server).await;
    let order = json!({
        "kind": "backtest", "folds": 3, "step": 5,
        "order": {"dataset": dataset["id"], "data": {"context": 8, "horizon": 3, "split": {"by": "time", "validation": 0.2}},
                  "model": {"layers": [4]}, "training": {"epochs": 1}},
    });
    let id = start(&server, &order).await;
    let job = server.ended(&id).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    // The last day is the 120th: 2020-04-29.
    assert_eq!(job["order"]["ends"][2], "2020-04-29T00:00:00Z");
    let folds = job["result"]["folds"].as_array().unwrap();
    let mut absolute = 0.0;
    for (at, fold) in folds.iter().enumerate() {
        let rows = points(&server, fold["job"].as_str().unwrap()).await;
        assert_eq!(rows.len(), 2 * 3);
        let first_judged = 100.0 + (DAYS - 3 - (2 - at) * 5) as f64;
        assert_eq!(rows[0].4, Some(first_judged));
        absolute += rows.iter().map(|row| (row.3 - row.4.unwrap()).abs()).sum::<f64>();
        let model = server.get(&format!("/v1/models/{}", fold["model"].as_str().unwrap())).await.expect(200);
        let until = model["manifest"]["order"]["data"]["split"]["validation"]["to"].as_str().unwrap().to_owned();
        let day =
            jiff::civil::date(2020, 1, 1).checked_add(jiff::Span::new().days((first_judged - 101.0) as i64)).unwrap();
        assert_eq!(until, format!("{day}T00:00:00Z"), "the training ends right before what is judged");
    }
    let overall = job["result"]["overall"]["mae"].as_f64().unwrap();
    assert!((overall - absolute / 18.0).abs() < 1e-9);
    server.get(&format!("/v1/jobs/{id}/points")).await.expect_problem(404, "not_found");

    for (change, pointer) in [
        (json!({"model": "@x"}), "/order"),
        (json!({"order": null}), "/model"),
        (json!({"folds": 60}), "/folds"),
        (json!({"order": {"data": {"split": {"by": "series", "validation": 0.5}}}}), "/order/data/split"),
        (json!({"order": {"training": {"epocs": 1}}}), "/order/training/epocs"),
    ] {
        let mut wrong = order.clone();
        gatecast_core::order::merge_patch::merge(&mut wrong, &change);
        let answer = server.post("/v1/jobs", &wrong).await;
        answer.expect_problem(422, "invalid_body");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
}
