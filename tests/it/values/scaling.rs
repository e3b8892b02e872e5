//! Every scaling with every scope.

use serde_json::json;

use super::{error, forecast, frame, trained};

/// A sine around a level, both proportional to `size`.
fn wave(size: f64, points: usize) -> Vec<f64> {
    (0..points).map(|step| size * (5.0 + (step as f64 / 2.0).sin())).collect()
}

#[tokio::test]
async fn every_scaling_trains_and_is_stored_in_the_model() {
    for kind in ["none", "standard", "center", "minmax", "robust", "mean"] {
        for per in ["series", "global", "window"] {
            let data = frame(&[("a", wave(1.0, 80)), ("b", wave(2.0, 80))]);
            let (house, id, metrics) = trained(data, json!({"scaling": {"type": kind, "per": per}})).await;
            let known = wave(1.0, 80);
            let got = forecast(&house, id, json!({"id": "a", "values": known}), 5).await;
            assert_eq!(got.len(), 5, "{kind} {per}");
            let test = metrics.model.test.as_ref().unwrap();
            assert!(test.mae < 2.0 * metrics.baselines.naive.test.as_ref().unwrap().mae, "{kind} {per}: {test:?}");
        }
    }
}

/// Forecasts of a network with scaling per window are proportional to the series: a series a thousand
/// times as large as another gets a forecast a thousand times as large.
#[tokio::test]
async fn forecasts_with_window_scaling_are_proportional_to_the_series() {
    for scaling in [json!({"type": "standard", "per": "window"}), json!({"type": "mean", "per": "window"})] {
        let data = frame(&[("a", wave(1.0, 100)), ("b", wave(30.0, 100))]);
        let (house, id, metrics) = trained(data, json!({"scaling": scaling})).await;
        let small = forecast(&house, id, json!({"id": "a", "values": wave(1.0, 40)}), 3).await;
        let large = forecast(&house, id, json!({"id": "new", "values": wave(1024.0, 40)}), 3).await;
        let expected: Vec<f64> = small.iter().map(|value| value * 1024.0).collect();
        // Single precision, and a different order of summation.
        assert!(error(&large, &expected) < 0.01, "{large:?} {expected:?}");
        assert!(
            metrics.model.test.as_ref().unwrap().mae < metrics.baselines.naive.test.as_ref().unwrap().mae,
            "{metrics:?}"
        );
    }
}
