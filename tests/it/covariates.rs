//! Covariates from request to forecast: covariates known ahead help, future values of the others are
//! not used, and both ways to request a forecast give the same result.

use gatecast_core::order::{Covariates, DataSpec, LayerSpec, Optimizer, Output};
use gatecast_data::Frame;
use gatecast_data::frame::{FrameCategories, FrameColumn, FrameSeries};
use reqwest::Method;
use serde_json::{Value, json};

use crate::learn::{events, finished, task};
use crate::support::{Answer, TestServer};

/// Uniform numbers in 0..1 from a congruential generator, which a network cannot predict.
fn noise(count: usize) -> Vec<f64> {
    let mut state = 12_345_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / 2_147_483_648.0
    };
    (0..count).map(next).collect()
}

/// The validation MAE, one step ahead, of a model trained on noise and a copy of it with these
/// `covariates`.
fn error_with(covariates: Value, categories: bool) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let x = noise(600).iter().map(|x| x.round()).collect::<Vec<f64>>();
    let mut frame = Frame {
        series: vec![FrameSeries { key: "s".into(), rows: 0..x.len(), frequency: None }],
        columns: vec![FrameColumn { name: "x".into(), values: x.clone() }],
        ..Frame::default()
    };
    if categories {
        let codes = x.iter().map(|&x| x as u32).collect();
        frame.categories.push(FrameCategories { name: "copy".into(), codes, texts: vec!["low".into(), "high".into()] });
    } else {
        frame.columns.push(FrameColumn { name: "copy".into(), values: x });
    }
    let mut task = task(folder.path());
    let covariates: Covariates = serde_json::from_value(covariates).unwrap();
    task.order.data = DataSpec {
        targets: vec!["x".into()],
        future_window: usize::from(!covariates.future.is_empty()),
        covariates,
        context: 6,
        horizon: 1,
        season: 1,
        ..DataSpec::of("x", 1, 1)
    };
    task.order.model.layers = vec![LayerSpec::Units(8)];
    task.order.model.output = Output::LastStep;
    task.order.training.epochs = 40;
    task.order.training.optimizer = Optimizer::adam(0.01);
    finished(&events(frame, &task)).model.validation.unwrap().mae
}

#[test]
fn a_copy_of_the_target_helps_only_as_a_future_covariate() {
    for categories in [false, true] {
        let future = error_with(json!({"future": ["copy"]}), categories);
        assert!(future < 0.05, "read ahead, nothing is left to guess: {future}, categories: {categories}");
        let past = error_with(json!({"past": ["copy"]}), categories);
        assert!(past > 0.35, "a coin cannot be foreseen from its past: {past}, categories: {categories}");
    }
}

/// Daily sales of two shops from Wednesday, 1 January 2020: more on promotion and at weekends. The
/// sales of the last `unknown` days are empty.
fn shops(days: usize, unknown: usize) -> String {
    let promotions = noise(2 * days);
    let mut csv = "shop,time,sales,promotion,weather,region\n".to_owned();
    for (at, (shop, region)) in [("a", "north"), ("b", "south")].into_iter().enumerate() {
        let mut date = jiff::civil::date(2020, 1, 1);
        for day in 0..days {
            let promotion = promotions[at * days + day].round();
            let weather = ["rain", "sun", "snow"][day % 3];
            let weekend = if date.weekday().to_monday_zero_offset() > 4 { 30.0 } else { 0.0 };
            let sales = 100.0 + 40.0 * promotion + weekend + if at == 1 { 200.0 } else { 0.0 };
            let sales = if day + unknown < days { sales.to_string() } else { String::new() };
            csv.push_str(&format!("{shop},{date},{sales},{promotion},{weather},{region}\n"));
            date = date.tomorrow().unwrap();
        }
    }
    csv
}

fn order(dataset: &Value) -> Value {
    json!({
        "kind": "train", "dataset": dataset["id"],
        "data": {
            "targets": ["sales"], "context": 14, "horizon": 3, "lags": [7], "calendar": ["day_of_week", "is_weekend"],
            "covariates": {"future": ["promotion", "weather"], "static": ["region"], "series": true},
            "scaling": "standard", "missing": "interpolate", "base": "none",
            "split": {"by": "time", "validation": 0.15, "test": 0.15},
        },
        "model": {"cell": "gru", "layer_norm": false, "layers": [12], "output": "every_step"},
        "training": {"loss": "mse", "epochs": 40, "seed": 3, "optimizer": {"type": "adam", "learning_rate": 0.01}},
    })
}

/// A column of a shop's rows in the CSV, from `first` on.
fn column<'c>(csv: &'c str, shop: &str, column: usize, first: usize) -> Vec<&'c str> {
    let rows = csv.lines().filter(|line| line.starts_with(&format!("{shop},")));
    rows.skip(first).map(|line| line.split(',').nth(column).unwrap()).collect()
}

fn numbers(texts: &[&str]) -> Vec<f64> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_model_with_every_kind_of_input_is_trained_imported_and_forecasts() {
    let server = TestServer::start().await;
    let csv = shops(160, 6);
    let dataset = server.upload("?name=shops", csv.clone()).await.expect(201);
    let job = server.post("/v1/jobs", &order(&dataset)).await.expect(202);
    assert_eq!(job["order"]["data"]["future_window"], 3);
    let job = server.ended(job["id"].as_str().unwrap()).await;
    assert_eq!(job["status"], "succeeded", "{job}\n{}", server.log());
    let test = &job["metrics"]["test"]["mae"];
    assert!(test.as_f64().unwrap() < 10.0, "promotions are worth 40 and known: {test}");

    let model = format!("/v1/models/{}", job["model"].as_str().unwrap());
    let manifest = server.get(&model).await.expect(200)["manifest"].clone();
    assert_eq!(manifest["inputs"], json!(["sales", "promotion"]));
    assert_eq!(manifest["encodings"]["categories"]["weather"], json!(["rain", "snow", "sun"]));
    let bundle = server.request(Method::GET, &format!("{model}/bundle")).send().await.unwrap().bytes().await.unwrap();
    let import = server.request(Method::POST, "/v1/models").header("content-type", "application/octet-stream");
    let moved = Answer::of(import.body(bundle).send().await.unwrap()).await.expect(201);
    let moved = format!("/v1/models/{}/forecast", moved["id"].as_str().unwrap());

    // Read from the dataset, whose last six rows hold the values known ahead; twice the trained horizon.
    let stored = json!({"dataset": dataset["id"], "series": ["b", "a"], "horizon": 6});
    let stored = server.post(&format!("{model}/forecast"), &stored).await.expect(200);
    assert_eq!(stored["forecasts"][0]["timestamps"][0], "2020-06-03T00:00:00Z");
    let history = |shop: &str, region: &str| {
        json!({
            "id": shop, "start": "2020-05-10", "values": numbers(&column(&csv, shop, 2, 130)[..24]),
            "future": {"promotion": numbers(&column(&csv, shop, 3, 130)), "weather": column(&csv, shop, 4, 130)},
            "static": {"region": region},
        })
    };
    let body = json!({"series": [history("b", "south"), history("a", "north")], "horizon": 6});
    let given = server.post(&moved, &body).await.expect(200);
    assert_eq!(given["forecasts"], stored["forecasts"], "by body and moved, or stored: the same");
    for (at, shop) in ["b", "a"].into_iter().enumerate() {
        let mean: Vec<f64> = serde_json::from_value(given["forecasts"][at]["mean"].clone()).unwrap();
        let whole = shops(160, 0);
        let truth = numbers(&column(&whole, shop, 2, 154));
        let error = mean.iter().zip(&truth).map(|(mean, truth)| (mean - truth).abs()).sum::<f64>() / 6.0;
        assert!(error < 15.0, "{shop}: {mean:?}, {truth:?}");
    }

    // Values known ahead may be sent with the request; otherwise the error names what is missing.
    let known: Vec<&str> = csv.lines().filter(|line| !line.contains(",,")).collect();
    let known = known.join("\n");
    let bare = server.upload("?name=bare", known).await.expect(201);
    let ask = |series: Value| json!({"dataset": bare["id"], "series": [series], "horizon": 6});
    let ahead = |days: usize| {
        json!({"id": "b", "future": {"promotion": numbers(&column(&csv, "b", 3, 154)[..days]),
            "weather": column(&csv, "b", 4, 154)}})
    };
    let answer = server.post(&moved, &ask(json!("b"))).await;
    answer.expect_problem(422, "invalid_body");
    assert!(answer.text.contains("/series/0/future/promotion") && answer.text.contains("6 values ahead are needed"));
    let answer = server.post(&moved, &ask(ahead(5))).await;
    answer.expect_problem(422, "invalid_body");
    assert!(answer.text.contains("has 5 values; 6 are needed"), "{}", answer.text);
    let completed = server.post(&moved, &ask(ahead(6))).await.expect(200);
    assert_eq!(completed["forecasts"][0], stored["forecasts"][0]);
}
