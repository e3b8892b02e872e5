//! Transforms of values before and after the network, tested through training, evaluation and
//! forecasts.

use std::path::Path;

use gatecast_core::forecast::Forecast;
use gatecast_core::metric_values::FinalMetrics;
use gatecast_core::order::DataSpec;
use gatecast_core::trainer::TrainTask;
use gatecast_data::Frame;
use gatecast_data::frame::{FrameColumn, FrameSeries};
use gatecast_model::bundle;
use serde_json::{Value, json};

use crate::forecast::House;
use crate::learn::{events, finished, task};

mod differencing;
mod missing;
mod resampling;
mod scaling;
mod transform;
mod weights;

/// Series of one column `x`, without times.
pub(crate) fn frame(series: &[(&str, Vec<f64>)]) -> Frame {
    let mut next = 0;
    let laid = series.iter().map(|(key, values)| {
        let rows = next..next + values.len();
        next = rows.end;
        FrameSeries { key: (*key).to_owned(), rows, frequency: None }
    });
    Frame {
        series: laid.collect(),
        times: None,
        categories: Vec::new(),
        columns: vec![FrameColumn {
            name: "x".into(),
            values: series.iter().flat_map(|(_, values)| values.clone()).collect(),
        }],
    }
}

/// A small training with context 12, horizon 3 and these additional fields of `data`.
pub(crate) fn ordered(folder: &Path, fields: Value) -> TrainTask {
    let mut task = task(folder);
    let mut data = serde_json::to_value(&task.order.data).unwrap();
    fields.as_object().unwrap().iter().for_each(|(key, value)| data[key] = value.clone());
    task.order.data = serde_json::from_value::<DataSpec>(data).unwrap();
    task.order.training.epochs = 40;
    task.order.training.optimizer = serde_json::from_value(json!({"type": "adam", "learning_rate": 0.02})).unwrap();
    task
}

/// Trains, stores the model, and returns its metrics.
pub(crate) async fn trained(frame: Frame, fields: Value) -> (House, gatecast_core::ids::ModelId, FinalMetrics) {
    let house = House::new().await;
    let task = ordered(house.folder.path(), fields);
    let metrics = finished(&events(frame, &task));
    let bundle = bundle::read(&task.model).unwrap();
    assert_eq!(bundle.manifest.order, task.order);
    let id = house.keep(&bundle).await;
    (house, id, metrics)
}

/// The forecast of one series, given by its values.
pub(crate) async fn forecast(
    house: &House,
    id: gatecast_core::ids::ModelId,
    series: Value,
    horizon: usize,
) -> Vec<f64> {
    let body = json!({"series": [series], "horizon": horizon});
    let [only] = <[Forecast; 1]>::try_from(house.ask(id, body).await.unwrap()).unwrap();
    only.mean
}

/// Mean absolute difference.
pub(crate) fn error(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).map(|(got, expected)| (got - expected).abs()).sum::<f64>() / got.len() as f64
}
