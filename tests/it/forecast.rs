//! Forecasts from stored models, with a store and files on disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatecast::service::forecasts::{Forecaster, ForecasterParts, ServeError};
use gatecast_blobs::{Blobs, Key};
use gatecast_core::forecast::{Forecast, ForecastRequest, ForecastResponse};
use gatecast_core::ids::{DatasetId, ModelId};
use gatecast_core::order::Cell;
use gatecast_forecast::ForecastError;
use gatecast_model::bundle::{Bundle, network, write};
use gatecast_nn::initialise;
use gatecast_store::{NewModel, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::bundle::model;
use super::reference;

/// A store and a blob store that are empty at first.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    store: Store,
    blobs: Blobs,
    forecaster: Forecaster,
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("gatecast.db").display());
        let store = Store::open(&url.parse().unwrap()).await.unwrap();
        let blobs = Blobs::open(folder.path().join("blobs")).unwrap();
        let forecaster = Forecaster::new(ForecasterParts {
            store: store.clone(),
            blobs: blobs.clone(),
            datasets: Arc::default(),
            cache_bytes: 64 << 20,
            threads: 1,
        });
        Self { folder, store, blobs, forecaster }
    }

    pub(crate) async fn keep(&self, bundle: &Bundle) -> ModelId {
        let id = ModelId::new();
        let path = self.folder.path().join("model");
        let written = write(&path, bundle).unwrap();
        self.blobs.put_file(&Key::model(id), path).await.unwrap();
        let (sha256, bytes) = (written.sha256, written.bytes);
        let new = NewModel { id, name: "small".to_owned(), sha256, bytes, manifest: bundle.manifest.clone() };
        self.store.insert_model(new).await.unwrap();
        id
    }

    pub(crate) async fn ask(&self, id: ModelId, body: Value) -> Result<Vec<Forecast>, ServeError> {
        let request: ForecastRequest = serde_json::from_value(body).unwrap();
        self.respond(id, request).await.map(|response| response.forecasts)
    }

    pub(crate) async fn respond(&self, id: ModelId, request: ForecastRequest) -> Result<ForecastResponse, ServeError> {
        let json = self.forecaster.forecast(id, request).await?;
        Ok(serde_json::from_slice(&json).unwrap())
    }

    /// The pointer and detail of the only error.
    pub(crate) async fn refused(&self, id: ModelId, body: Value) -> (String, String) {
        match self.ask(id, body).await.unwrap_err() {
            ServeError::Forecast(ForecastError::Invalid(errors)) => {
                let [error] = <[_; 1]>::try_from(errors).unwrap();
                (error.pointer, error.detail)
            }
            other => panic!("{other}"),
        }
    }
}

/// Six hours of load.
const LOAD: [f64; 6] = [98.0, 110.0, 121.0, 104.0, 91.0, 99.0];

/// The forecast of the plain loops, in the data's units.
fn expected(bundle: &Bundle, history: &[f64], mean: f64, std: f64) -> Vec<f64> {
    let parameters: Vec<f64> = bundle.parameters.iter().map(|&x| f64::from(x)).collect();
    let scaled: Vec<f64> = history.iter().map(|x| (x - mean) / std).collect();
    let all = reference::forward(&bundle.network, &parameters, &scaled, 1, scaled.len());
    all[all.len() - bundle.network.outputs..].iter().map(|x| x * std + mean).collect()
}

/// Compares numbers near 100 that were scaled and scaled back in single precision.
#[track_caller]
fn close(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-3, "{got}, {expected}");
    }
}

#[tokio::test]
async fn a_forecast_equals_the_plain_loops_in_the_datas_units() {
    let house = House::new().await;
    for cell in Cell::ALL {
        let bundle = model(cell, true, &["load"], &[]);
        let id = house.keep(&bundle).await;
        let body = json!({"series": [
            {"id": "north", "start": "2024-03-30T20:00:00Z", "values": LOAD},
            {"id": "never seen", "values": LOAD},
        ]});
        let [known, unknown] = <[Forecast; 2]>::try_from(house.ask(id, body).await.unwrap()).unwrap();
        close(&known.mean, &expected(&bundle, &LOAD, 20.0, 5.0));
        let stamps: Vec<String> = known.timestamps.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(stamps, ["2024-03-31T02:00:00Z", "2024-03-31T03:00:00Z", "2024-03-31T04:00:00Z"]);
        let mean = LOAD.iter().sum::<f64>() / 6.0;
        let std = (LOAD.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 6.0).sqrt();
        close(&unknown.mean, &expected(&bundle, &LOAD, mean, std));
        assert_eq!(unknown.timestamps, None);
        assert_eq!((unknown.series.as_deref(), unknown.target.as_str()), (Some("never seen"), "load"));
    }
}

#[tokio::test]
async fn past_the_trained_horizon_the_forecast_is_fed_back() {
    let house = House::new().await;
    let bundle = model(Cell::Lstm, false, &["load"], &[]);
    let id = house.keep(&bundle).await;
    let ask = async |values: &[f64], horizon: usize| {
        let body = json!({"series": [{"id": "north", "values": values}], "horizon": horizon});
        house.ask(id, body).await.unwrap().remove(0).mean
    };
    let far = ask(&LOAD, 8).await;
    assert_eq!(far.len(), 8);
    let near = ask(&LOAD, 2).await;
    close(&near, &far[..2]);
    let mut longer = [&LOAD[..], &far[..3]].concat();
    close(&ask(&longer, 3).await, &far[3..6]);
    longer.extend(&far[3..6]);
    close(&ask(&longer, 2).await, &far[6..]);
}

#[tokio::test]
async fn covariates_are_read_and_bound_the_horizon() {
    let house = House::new().await;
    let id = house.keep(&model(Cell::Gru, false, &["load"], &["temperature"])).await;
    let ask = |warmth: [f64; 6], horizon: usize| json!({"series": [{"values": LOAD, "past": {"temperature": warmth}}], "horizon": horizon});
    let cold = house.ask(id, ask([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3)).await.unwrap();
    let warm = house.ask(id, ask([6.0, 2.0, 3.0, 4.0, 5.0, 1.0], 3)).await.unwrap();
    assert_ne!(cold[0].mean, warm[0].mean);
    let (pointer, detail) = house.refused(id, ask([1.0; 6], 4)).await;
    assert_eq!(pointer, "/horizon");
    assert!(detail.contains("at most 3, the trained horizon"), "{detail}");
    let (pointer, detail) = house.refused(id, json!({"series": [{"values": LOAD}]})).await;
    assert_eq!(pointer, "/series/0/past");
    assert!(detail.contains("`temperature`"), "{detail}");
}

#[tokio::test]
async fn a_forecast_does_not_depend_on_the_other_series_of_the_request() {
    let house = House::new().await;
    let id = house.keep(&model(Cell::SimpleRnn, false, &["load", "wind"], &[])).await;
    let series = |at: usize| {
        let values: Vec<f64> = (0..6 + at % 4).map(|step| ((at * 7 + step * 3) % 11) as f64).collect();
        let wind: Vec<f64> = values.iter().map(|value| 5.0 - value).collect();
        json!({"id": format!("s{at}"), "targets": {"wind": wind, "load": values}})
    };
    let all: Vec<Value> = (0..300).map(series).collect();
    let together = house.ask(id, json!({"series": all})).await.unwrap();
    assert_eq!(together.len(), 600);
    for at in [0, 1, 127, 128, 299] {
        let alone = house.ask(id, json!({"series": [series(at)]})).await.unwrap();
        for (target, name) in ["load", "wind"].into_iter().enumerate() {
            let entry = &together[2 * at + target];
            assert_eq!((entry.series.clone(), entry.target.as_str()), (Some(format!("s{at}")), name));
            close(&entry.mean, &alone[target].mean);
        }
    }
}

#[tokio::test]
async fn extreme_histories_give_finite_forecasts_and_short_ones_are_refused() {
    let house = House::new().await;
    let id = house.keep(&model(Cell::Lstm, false, &["load"], &[])).await;
    let constant = house.ask(id, json!({"series": [{"values": [7.0, 7.0, 7.0, 7.0, 7.0, 7.0]}]})).await.unwrap();
    assert!(constant[0].mean.iter().all(|value| value.is_finite()));
    let huge = house.ask(id, json!({"series": [{"values": [1e38, 1e38, 1e38, -1e38, 1e38, 1e38]}]})).await.unwrap();
    assert!(huge[0].mean.iter().all(|value| value.is_finite()));
    let (pointer, detail) = house.refused(id, json!({"series": [{"values": [1.0, 2.0]}]})).await;
    assert_eq!(pointer, "/series/0/values");
    assert!(detail.contains("the last 6"), "{detail}");
    let many: Vec<Value> = (0..1000).map(|at| json!({"id": at.to_string(), "values": LOAD})).collect();
    let (pointer, detail) = house.refused(id, json!({"series": many, "horizon": 10_000})).await;
    assert_eq!(pointer, "/series");
    assert!(detail.contains("1000 series are too many"), "{detail}");
}

#[tokio::test]
async fn missing_models_and_datasets_are_named() {
    let house = House::new().await;
    let id = house.keep(&model(Cell::Lstm, false, &["load"], &[])).await;
    let body = json!({"series": [{"values": LOAD}]});
    let stranger = ModelId::new();
    assert!(matches!(house.ask(stranger, body.clone()).await, Err(ServeError::NoModel(id)) if id == stranger));
    let dataset = DatasetId::new();
    let stored = json!({"dataset": dataset, "series": ["north"]});
    assert!(matches!(house.ask(id, stored).await, Err(ServeError::NoDataset(id)) if id == dataset));
    house.ask(id, body.clone()).await.unwrap();
    assert!(house.store.delete_model(id).await.unwrap());
    assert!(matches!(house.ask(id, body).await, Err(ServeError::NoModel(_))), "though it was loaded");
}

/// Uses the fastest of fifty forecasts, to exclude the effect of other load.
#[tokio::test]
async fn one_forecast_of_a_loaded_model_takes_under_5_ms() {
    let house = House::new().await;
    let mut bundle = model(Cell::Lstm, false, &["load"], &[]);
    let manifest = &mut bundle.manifest;
    manifest.order.model.layers = vec![20.into(), 20.into()];
    (manifest.context, manifest.order.data.context) = (50, 50);
    bundle.network = network(manifest);
    bundle.parameters = initialise(&bundle.network, 1);
    manifest.parameters = bundle.parameters.len() as u64;
    let id = house.keep(&bundle).await;
    let values: Vec<f64> = (0..50).map(f64::from).map(f64::sin).collect();
    let body = json!({"series": [{"id": "north", "values": values}]});
    let mut times = Vec::new();
    for _ in 0..50 {
        let begun = Instant::now();
        house.ask(id, body.clone()).await.unwrap();
        times.push(begun.elapsed());
    }
    times.sort();
    println!("one forecast: {:?} at best, {:?} at the median", times[0], times[25]);
    assert!(times[0] < Duration::from_millis(5), "{times:?}");
}
