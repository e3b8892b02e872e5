//! Resampling to another time step.

use std::ops::ControlFlow;

use gatecast_core::trainer::TrainerEvent;
use gatecast_data::{Encoding, UploadOptions, ingest};
use gatecast_learn::train::train;
use gatecast_model::bundle;
use serde_json::json;

use super::ordered;

/// Two or three readings per day at irregular times, whose daily mean is a wave.
#[test]
fn irregular_readings_are_resampled_to_days_and_learned() {
    let folder = tempfile::tempdir().unwrap();
    let mut csv = "time,x\n".to_owned();
    for day in 0..120_i32 {
        let level = 50.0 + 10.0 * (f64::from(day) / 2.0).sin();
        let date = jiff::civil::date(2024, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap();
        for (minute, offset) in [(7 + day % 13, -1.0), (31 + day % 17, 1.0)] {
            csv += &format!("{date}T0{}:{minute:02}:00Z,{}\n", day % 9, level + offset);
        }
    }
    let ingested = ingest(csv.as_bytes(), Encoding::Identity, &UploadOptions::default(), folder.path()).unwrap();
    let mut order = ordered(folder.path(), json!({"resample": {"every": "P1D"}, "season": 7}));
    order.dataset.path = folder.path().join("points.parquet");
    order.dataset.index = folder.path().join("index.parquet");
    std::fs::rename(&ingested.points, &order.dataset.path).unwrap();
    std::fs::rename(&ingested.index, &order.dataset.index).unwrap();
    order.dataset.sha256 = ingested.sha256;
    let mut told = Vec::new();
    train(&order, None, gatecast_nn::engine::build, &mut |event| {
        told.push(event);
        ControlFlow::Continue(())
    });
    let Some(TrainerEvent::Finished { metrics, .. }) = told.last() else { panic!("{told:?}") };
    assert!(
        metrics.model.test.as_ref().unwrap().mae < metrics.baselines.naive.test.as_ref().unwrap().mae,
        "{metrics:?}"
    );
    assert_eq!(bundle::read(&order.model).unwrap().manifest.frequency, "P1D".parse().ok());

    order.order.data.resample = None;
    let mut told = Vec::new();
    train(&order, None, gatecast_nn::engine::build, &mut |event| {
        told.push(event);
        ControlFlow::Continue(())
    });
    let Some(TrainerEvent::Failed { code, .. }) = told.last() else { panic!("{told:?}") };
    assert_eq!(code, "irregular_times");
}
