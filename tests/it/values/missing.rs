//! Unknown values: masked or filled.

use serde_json::{Value, json};

use super::{error, forecast, frame, trained};

const NAN: f64 = f64::NAN;

fn wave(points: usize) -> Vec<f64> {
    (0..points).map(|step| 50.0 + 10.0 * (step as f64 / 2.0).sin()).collect()
}

#[tokio::test]
async fn a_model_learns_and_forecasts_across_gaps() {
    let all = wave(160);
    let mut holed = all[..150].to_vec();
    holed[..4].fill(NAN);
    (20..140).step_by(7).for_each(|at| holed[at] = NAN);
    holed[60..66].fill(NAN);
    for fields in [
        json!({"missing": "mask"}),
        json!({"missing": "mask", "scaling": {"type": "standard", "per": "window"}}),
        json!({"missing": "mask", "differencing": {"order": 1}}),
    ] {
        let (house, id, metrics) = trained(frame(&[("a", holed.clone())]), fields.clone()).await;
        let (test, naive) = (metrics.model.test.as_ref().unwrap(), metrics.baselines.naive.test.as_ref().unwrap());
        assert!(test.mae < 0.7 * naive.mae, "{fields}: {metrics:?}");
        let mut values: Vec<Value> = all[..150].iter().map(|value| json!(value)).collect();
        values[141] = Value::Null;
        values[147] = Value::Null;
        let got = forecast(&house, id, json!({"id": "a", "values": values}), 3).await;
        assert!(error(&got, &all[150..153]) < 4.0, "{fields}: {got:?} {:?}", &all[150..153]);
        let nothing = vec![Value::Null; 20];
        let (pointer, detail) = house.refused(id, json!({"series": [{"values": nothing}]})).await;
        assert_eq!(pointer, "/series/0/values/0");
        assert!(detail.contains("is unknown"), "{detail}");
    }
}

#[tokio::test]
async fn models_that_do_not_mask_fill_unknown_values_of_a_request() {
    let (house, id, _) = trained(frame(&[("a", wave(100))]), json!({"missing": "forward_fill"})).await;
    let mut values: Vec<Value> = wave(30).iter().map(|value| json!(value)).collect();
    values[25] = Value::Null;
    let open = forecast(&house, id, json!({"id": "a", "values": values}), 3).await;
    values[25] = values[24].clone();
    assert_eq!(open, forecast(&house, id, json!({"id": "a", "values": values}), 3).await);
    let (house, id, _) = trained(frame(&[("a", wave(100))]), json!({"missing": "refuse"})).await;
    values[25] = Value::Null;
    let (pointer, _) = house.refused(id, json!({"series": [{"values": values}]})).await;
    assert_eq!(pointer, "/series/0/values/25");
}
