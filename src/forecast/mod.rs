//! Forecasts from stored models.
//!
//! A request becomes one [`History`](history::History) a series, whether its values came in the
//! body or are read from a stored dataset; the histories are scaled, run through the model in
//! batches, and brought back to the data's units. Loaded models stay in memory, the least used
//! leaving first. Tensor work runs on blocking threads, at most as many at once as the server
//! allows; a caller that leaves stops its work between two batches.

mod answer;
mod cache;
mod columns;
mod error;
mod feed;
mod history;
mod predict;
mod reads;
mod stored;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;

use crate::blobs::Blobs;
use crate::domain::forecast::{Forecast, ForecastRequest, ForecastResponse, SeriesRequest};
use crate::domain::ids::ModelId;
use crate::domain::model::Manifest;
use crate::learn::bundle;
use crate::store::Store;

pub use crate::learn::bundle::BundleError;
pub use crate::nn::engine::{ENGINES, devices};
pub use error::{ForecastError, LoadError};

use answer::Asked;
use cache::{Loaded, Models};
use history::History;
use reads::Reads;

/// Serves forecasts from the models of one store.
#[derive(Debug, Clone)]
pub struct Forecaster {
    store: Store,
    blobs: Blobs,
    models: Models,
    /// Forecasts computed at once.
    places: Arc<Semaphore>,
}

impl Forecaster {
    /// Keeps loaded models up to `cache_bytes` of weights; computes `threads` forecasts at once.
    pub fn new(store: Store, blobs: Blobs, cache_bytes: u64, threads: usize) -> Self {
        let models = Models::new(blobs.clone(), cache_bytes);
        Self { store, blobs, models, places: Arc::new(Semaphore::new(threads.max(1))) }
    }

    /// The answer to a request whose fields are each valid by themselves.
    pub async fn forecast(&self, id: ModelId, request: ForecastRequest) -> Result<ForecastResponse, ForecastError> {
        // Asked of the store each time, so that a model deleted elsewhere is gone here too.
        if self.store.model(id).await?.is_none() {
            self.models.forget(id).await;
            return Err(ForecastError::NoModel(id));
        }
        let model = match self.models.get(id).await {
            // Deleted between the question above and the load.
            Err(ForecastError::Load(_)) if self.store.model(id).await?.is_none() => {
                return Err(ForecastError::NoModel(id));
            }
            found => found?,
        };
        let horizon = predict::horizon(&model.bundle.manifest, request.horizon)?;
        let asked = Asked { horizon, levels: answer::levels(&model.criterion, &request.levels)? };
        predict::check_size(&model, request.series.len(), &asked)?;
        let histories = match request.dataset {
            None => history::from_request(&Reads::of(&model.bundle.manifest, horizon), request.series)?,
            Some(dataset) => {
                let place = (&self.store, &self.blobs);
                stored::read(place, &model.bundle.manifest, horizon, dataset, request.series).await?
            }
        };
        let forecasts = self.compute(model, histories, asked).await?;
        Ok(ForecastResponse { model: id, forecasts })
    }

    async fn compute(
        &self,
        model: Arc<Loaded>,
        histories: Vec<History>,
        asked: Asked,
    ) -> Result<Vec<Forecast>, ForecastError> {
        let place = self.places.clone().acquire_owned().await.map_err(ForecastError::machine)?;
        let caller = Caller::default();
        let left = Arc::clone(&caller.left);
        let work = move || {
            let _place = place;
            predict::run(&model, &histories, &asked, || left.load(Ordering::Relaxed))
        };
        tokio::task::spawn_blocking(work).await.map_err(ForecastError::machine)?
    }
}

/// Notes when the request's future is dropped before its answer.
#[derive(Default)]
struct Caller {
    left: Arc<AtomicBool>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.left.store(true, Ordering::Relaxed);
    }
}

/// A model from a file, for one process's own use: no store, no cache.
#[derive(Debug)]
pub struct LocalModel(Loaded);

impl LocalModel {
    /// Blocking.
    pub fn read(bundle: &Path) -> Result<Self, LoadError> {
        Loaded::read(bundle).map(Self)
    }

    pub fn manifest(&self) -> &Manifest {
        &self.0.bundle.manifest
    }

    /// The answer that these histories would be given: one forecast a series and target, with every
    /// interval that the model is judged by. Blocking.
    pub fn forecast(&self, series: Vec<SeriesRequest>, horizon: usize) -> Result<Vec<Forecast>, ForecastError> {
        let horizon = predict::horizon(self.manifest(), Some(horizon))?;
        let histories = history::from_request(&Reads::of(self.manifest(), horizon), series)?;
        let criterion = &self.0.criterion;
        let asked = Asked { horizon, levels: answer::levels(criterion, &answer::judged(criterion))? };
        predict::run(&self.0, &histories, &asked, || false)
    }
}

/// The manifest of a bundle that holds a model this program can run. Blocking.
pub fn check_bundle(path: &Path) -> Result<Manifest, BundleError> {
    bundle::read(path).map(|bundle| bundle.manifest)
}
