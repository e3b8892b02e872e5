//! Recency weights.

use serde_json::json;

use super::{error, forecast, frame, trained};

/// Repeats one season, and a different one from the middle of the training part on.
fn changing() -> Vec<f64> {
    let season = |at: usize| if at < 100 { [1.0, 5.0, 2.0, 8.0] } else { [8.0, 2.0, 5.0, 1.0] };
    (0..200).map(|at| season(at)[at % 4]).collect()
}

#[tokio::test]
async fn recency_weights_favour_recent_windows() {
    let mut errors = Vec::new();
    for recency in [json!(null), json!({"half_life": 4.0})] {
        let mut fields = json!({"split": {"by": "time"}, "scaling": "none"});
        if !recency.is_null() {
            fields["recency"] = recency;
        }
        let (house, id, _) = trained(frame(&[("a", changing())]), fields).await;
        let got = forecast(&house, id, json!({"id": "a", "values": changing()}), 3).await;
        errors.push(error(&got, &[8.0, 2.0, 5.0]));
    }
    assert!(errors[1] < errors[0], "{errors:?}");
}
