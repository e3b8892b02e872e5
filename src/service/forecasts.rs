//! Forecasts from the models of the store: which models are in memory, and who computes when.
//!
//! Loaded models stay in memory, the least used leaving first. Tensor work runs on blocking
//! threads, at most as many at once as the server allows; a caller that leaves stops its work
//! between two batches.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatecast_blobs::{Blobs, Key};
use gatecast_core::forecast::{ForecastRequest, ForecastResponse};
use gatecast_core::ids::{DatasetId, ModelId};
use gatecast_core::model::Manifest;
use gatecast_forecast::{DatasetFiles, ForecastError, LoadError, LocalModel};
use gatecast_model::bundle::{self, BundleError};
use gatecast_store::{Store, StoreError};
use moka::future::Cache;
use tokio::sync::Semaphore;

/// Why a forecast was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("there is no model {0}")]
    NoModel(ModelId),
    #[error("there is no dataset {0}")]
    NoDataset(DatasetId),
    #[error(transparent)]
    Forecast(#[from] ForecastError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Many callers may have waited for the same load.
    #[error("the model could not be loaded: {0}")]
    Load(Arc<ModelError>),
    /// This machine is to blame.
    #[error("the forecast failed: {0}")]
    Machine(String),
}

impl ServeError {
    fn machine(cause: impl std::fmt::Display) -> Self {
        Self::Machine(cause.to_string())
    }
}

/// A stored model could not be brought into memory.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("{0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Serves forecasts from the models of one store.
#[derive(Debug, Clone)]
pub struct Forecaster {
    store: Store,
    blobs: Blobs,
    models: Models,
    /// Forecasts computed at once.
    permits: Arc<Semaphore>,
}

impl Forecaster {
    /// Keeps loaded models up to `cache_bytes` of weights; computes `threads` forecasts at once.
    pub fn new(store: Store, blobs: Blobs, cache_bytes: u64, threads: usize) -> Self {
        let models = Models::new(blobs.clone(), cache_bytes);
        Self { store, blobs, models, permits: Arc::new(Semaphore::new(threads.max(1))) }
    }

    /// The answer to a request whose fields are each valid by themselves.
    pub async fn forecast(&self, id: ModelId, request: ForecastRequest) -> Result<ForecastResponse, ServeError> {
        // Asked of the store each time, so that a model deleted elsewhere is gone here too.
        if self.store.model(id).await?.is_none() {
            self.models.forget(id).await;
            return Err(ServeError::NoModel(id));
        }
        let model = match self.models.get(id).await {
            // Deleted between the question above and the load.
            Err(ServeError::Load(_)) if self.store.model(id).await?.is_none() => {
                return Err(ServeError::NoModel(id));
            }
            found => found?,
        };
        let asked = model.ask(&request)?;
        let files = match request.dataset {
            Some(dataset) => Some(self.files(dataset).await?),
            None => None,
        };
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(ServeError::machine)?;
        let caller = Caller::default();
        let left = Arc::clone(&caller.left);
        let work = move || {
            let _permit = permit;
            let histories = match &files {
                None => model.given(&asked, request.series)?,
                Some(files) => model.stored(&asked, request.series, files)?,
            };
            model.run(&histories, &asked, || left.load(Ordering::Relaxed))
        };
        let forecasts = tokio::task::spawn_blocking(work).await.map_err(ServeError::machine)??;
        Ok(ForecastResponse { model: id, forecasts })
    }

    async fn files(&self, dataset: DatasetId) -> Result<DatasetFiles, ServeError> {
        let found = self.store.dataset(dataset).await?.ok_or(ServeError::NoDataset(dataset))?;
        let points = Key::dataset_points(dataset, &found.sha256).map_err(ServeError::machine)?;
        let index = Key::dataset_index(dataset, &found.sha256).map_err(ServeError::machine)?;
        Ok(DatasetFiles { points: self.blobs.local(&points), index: self.blobs.local(&index) })
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

/// Models in memory, loaded once however many ask at once.
#[derive(Debug, Clone)]
struct Models {
    blobs: Blobs,
    loaded: Cache<ModelId, Arc<LocalModel>>,
}

impl Models {
    fn new(blobs: Blobs, bytes: u64) -> Self {
        let weigher = |_: &ModelId, model: &Arc<LocalModel>| model.weight();
        Self { blobs, loaded: Cache::builder().max_capacity(bytes).weigher(weigher).build() }
    }

    async fn get(&self, id: ModelId) -> Result<Arc<LocalModel>, ServeError> {
        let path = self.blobs.local(&Key::model(id));
        let load = async move {
            let loaded = tokio::task::spawn_blocking(move || LocalModel::read(&path)).await??;
            Ok::<_, ModelError>(Arc::new(loaded))
        };
        self.loaded.try_get_with(id, load).await.map_err(ServeError::Load)
    }

    async fn forget(&self, id: ModelId) {
        self.loaded.invalidate(&id).await;
    }
}

/// The manifest of a bundle that holds a model this program can run. Blocking.
pub fn check_bundle(path: &Path) -> Result<Manifest, BundleError> {
    bundle::read(path).map(|bundle| bundle.manifest)
}
