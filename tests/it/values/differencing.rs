//! Networks trained on differences.

use gatecast_model::bundle;
use serde_json::json;

use super::{error, forecast, frame, ordered, trained};
use crate::learn::{events, finished};

/// A slope with a season of 4 points.
fn sloping(points: usize) -> Vec<f64> {
    (0..points).map(|at| 100.0 + 3.0 * at as f64 + [0.0, 30.0, -10.0, 5.0][at % 4]).collect()
}

/// The differences are constant, so any network that learns their scale is exact.
#[tokio::test]
async fn a_slope_with_a_season_is_extrapolated() {
    let all = sloping(140);
    let orders = [
        json!({"seasonal": 4}),
        json!({"seasonal": 4, "inputs": "values"}),
        json!({"order": 1, "seasonal": 4}),
        json!({"order": 1, "seasonal": 4, "inputs": "values"}),
    ];
    for differencing in orders {
        for output in ["every_step", "last_step"] {
            let folder = tempfile::tempdir().unwrap();
            let mut order = ordered(folder.path(), json!({"differencing": differencing, "season": 4}));
            order.order.model.output = serde_json::from_value(json!(output)).unwrap();
            let metrics = finished(&events(frame(&[("a", all[..120].to_vec())]), &order));
            let house = crate::forecast::House::new().await;
            let id = house.keep(&bundle::read(&order.model).unwrap()).await;
            // Past the trained horizon of 3, forecast values are the base of later ones.
            let got = forecast(&house, id, json!({"id": "a", "values": all[..120]}), 20).await;
            let naive = metrics.baselines.naive.test.as_ref().unwrap().mae;
            assert!(error(&got, &all[120..]) < 0.35 * naive, "{differencing} {output}: {got:?} {:?}", &all[120..]);
            assert!(metrics.model.test.as_ref().unwrap().mae < 0.2 * naive, "{differencing} {output}: {metrics:?}");
        }
    }
}

#[tokio::test]
async fn a_history_needs_extra_points_for_differencing() {
    let (house, id, _) =
        trained(frame(&[("a", sloping(100))]), json!({"differencing": {"order": 1, "seasonal": 4}})).await;
    let (pointer, detail) = house.refused(id, json!({"series": [{"values": sloping(16)}]})).await;
    assert_eq!(pointer, "/series/0/values");
    assert!(detail.contains("the last 17"), "{detail}");
    assert_eq!(forecast(&house, id, json!({"values": sloping(17)}), 3).await.len(), 3);
}

/// A request past the trained horizon gives the same as one whose history contains the first forecasts.
#[tokio::test]
async fn later_forecasts_equal_those_from_a_history_with_the_first_forecasts() {
    for fields in [
        json!({"differencing": {"order": 1}}),
        json!({"differencing": {"seasonal": 4}, "scaling": {"type": "standard", "per": "window"}, "transform": "log"}),
    ] {
        let (house, id, _) = trained(frame(&[("a", sloping(100))]), fields).await;
        let far = forecast(&house, id, json!({"id": "a", "values": sloping(60)}), 8).await;
        let longer: Vec<f64> = sloping(60).into_iter().chain(far[..6].iter().copied()).collect();
        let near = forecast(&house, id, json!({"id": "a", "values": longer}), 2).await;
        assert!(error(&near, &far[6..]) < 1e-3 * far[6], "{near:?} {:?}", &far[6..]);
    }
}
