//! Transforms of the targets.

use gatecast::service::forecasts::ServeError;
use gatecast_forecast::ForecastError;
use gatecast_model::bundle;
use serde_json::json;

use super::{error, forecast, frame, ordered, trained};
use crate::learn::events;

/// Growth of 3 % per point with a season of 6 points whose amplitude grows as well.
fn growing(points: usize) -> Vec<f64> {
    (0..points).map(|at| 20.0 * 1.03_f64.powi(at as i32) * [1.0, 1.5, 2.0, 1.8, 1.2, 0.9][at % 6]).collect()
}

#[tokio::test]
async fn every_transform_is_inverted_in_forecasts_and_metrics() {
    let all = growing(123);
    for transform in [json!("log"), json!("log1p"), json!("box_cox"), json!({"type": "box_cox", "lambda": 0.2})] {
        let fields = json!({"transform": transform, "season": 6, "differencing": {"seasonal": 6}});
        let (house, id, metrics) = trained(frame(&[("a", all[..120].to_vec())]), fields).await;
        let got = forecast(&house, id, json!({"id": "a", "values": all[..120]}), 3).await;
        let naive = error(&all[114..117], &all[120..]);
        assert!(error(&got, &all[120..]) < 0.3 * naive, "{transform}: {got:?} {:?}", &all[120..]);
        let (test, seasonal) =
            (metrics.model.test.as_ref().unwrap(), metrics.baselines.seasonal_naive.test.as_ref().unwrap());
        // In the data's units, in which the error of the seasonal naive forecast is large.
        assert!(seasonal.mae > 50.0 && test.mae < 0.3 * seasonal.mae, "{transform}: {metrics:?}");
        assert!(test.last_time_step_mse < 10.0, "in the network's scale: {test:?}");
    }
}

#[tokio::test]
async fn lambda_is_estimated_on_training_points_only() {
    let folder = tempfile::tempdir().unwrap();
    let order = ordered(folder.path(), json!({"transform": "box_cox", "season": 6}));
    let lambda = |values: Vec<f64>| {
        events(frame(&[("a", values)]), &order);
        bundle::read(&order.model).unwrap().manifest.encodings.lambdas["x"]
    };
    let mut values = growing(120);
    let first = lambda(values.clone());
    assert!((0.0..0.2).contains(&first), "spread grows with level: {first}");
    // Validation and test use the last 30 per cent.
    values[84..].iter_mut().enumerate().for_each(|(at, value)| *value = 1.0 + at as f64);
    assert_eq!(lambda(values), first);
}

#[tokio::test]
async fn values_that_cannot_be_transformed_are_refused_and_named() {
    let (house, id, _) = trained(frame(&[("a", growing(100))]), json!({"transform": "log"})).await;
    let mut values = growing(12);
    values[7] = 0.0;
    let (pointer, detail) = house.refused(id, json!({"series": [{"values": values}]})).await;
    assert_eq!(pointer, "/series/0/values/7");
    assert!(detail.contains("takes values above 0"), "{detail}");
    let answer = house.ask(id, json!({"series": [{"values": growing(12)}]})).await;
    assert!(!matches!(answer, Err(ServeError::Forecast(ForecastError::Invalid(_)))));
}
