//! Forecasts from stored models: manages the models in memory, and limits the number of concurrent forecasts.
//!
//! A request waits for a permit. Then one blocking thread reads the series, forecasts them batch by batch,
//! and writes the response as JSON. It stops soon after the client disconnects: the request's future is
//! dropped, which sets a flag that the thread checks.

mod cache;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use gatecast_blobs::{BlobError, Blobs, Key};
use gatecast_core::forecast::ForecastRequest;
use gatecast_core::ids::{DatasetId, ModelId};
use gatecast_core::model::Manifest;
use gatecast_data::{DatasetFiles, Datasets};
use gatecast_forecast::{ForecastError, ForecastInput, RequestedSeries, StoredSeries};
use gatecast_model::bundle::{self, BundleError};
use gatecast_store::{Store, StoreError};
use tokio::sync::{AcquireError, Semaphore};
use tokio::task::JoinError;

use cache::ModelCache;
pub use cache::ModelError;

/// Why a forecast was not returned.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("there is no model {0}")]
    NoModel(ModelId),
    /// The request's dataset.
    #[error("there is no dataset {0}")]
    NoDataset(DatasetId),
    /// The dataset that the model was trained on. The request does not name one.
    #[error("the model was trained on dataset {0}, which is not on this server")]
    NoTrainingDataset(DatasetId),
    /// The dataset was deleted after the request was checked.
    #[error("dataset {0} was deleted a moment ago")]
    DatasetDeleted(DatasetId),
    #[error(transparent)]
    Forecast(#[from] ForecastError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// Shared, because several requests may wait for the same load.
    #[error("the model could not be loaded")]
    Load(#[source] Arc<ModelError>),
    #[error("the forecast's thread ended early")]
    Thread(#[from] JoinError),
    #[error("the server takes no more forecasts")]
    Closed(#[from] AcquireError),
}

/// Serves forecasts from the models of one store.
#[derive(Debug, Clone)]
pub struct Forecaster {
    store: Store,
    blobs: Blobs,
    datasets: Arc<Datasets>,
    models: ModelCache,
    /// One permit per concurrent forecast.
    permits: Arc<Semaphore>,
}

/// The parts of a forecaster.
#[derive(Debug)]
pub struct ForecasterParts {
    pub store: Store,
    pub blobs: Blobs,
    pub datasets: Arc<Datasets>,
    /// The memory for loaded models, in bytes.
    pub cache_bytes: u64,
    /// The number of concurrent forecasts, at least 1.
    pub threads: usize,
}

impl Forecaster {
    pub fn new(parts: ForecasterParts) -> Self {
        let ForecasterParts { store, blobs, datasets, cache_bytes, threads } = parts;
        let models = ModelCache::new(blobs.clone(), cache_bytes);
        Self { store, blobs, datasets, models, permits: Arc::new(Semaphore::new(threads.max(1))) }
    }

    /// The response to a request whose fields are valid by themselves, as the JSON of a
    /// [`gatecast_core::forecast::ForecastResponse`].
    pub async fn forecast(&self, id: ModelId, request: ForecastRequest) -> Result<Bytes, ServeError> {
        // Checked for every request, because another server may have deleted the model.
        if !self.store.has_model(id).await? {
            self.models.forget(id).await;
            return Err(ServeError::NoModel(id));
        }
        let model = match self.models.get(id).await {
            // The model was deleted between the two calls.
            Err(ServeError::Load(_)) if !self.store.has_model(id).await? => return Err(ServeError::NoModel(id)),
            found => found?,
        };
        let options = model.options(&request)?;
        let source = match RequestedSeries::of(request.series, request.dataset.is_some())? {
            RequestedSeries::Given(series) => Source::Given(series),
            RequestedSeries::Stored(series) => {
                let dataset = request.dataset.unwrap_or(model.manifest().trained_on.dataset);
                match self.files(dataset).await? {
                    Some(files) => Source::Stored { dataset, files, series },
                    None if request.dataset.is_some() => return Err(ServeError::NoDataset(dataset)),
                    None => return Err(ServeError::NoTrainingDataset(dataset)),
                }
            }
        };
        let dataset = source.dataset();
        let permit = Arc::clone(&self.permits).acquire_owned().await?;
        let client = Client::default();
        let gone = Arc::clone(&client.gone);
        let datasets = Arc::clone(&self.datasets);
        let work = move || {
            let _permit = permit;
            tracing::debug!(model = %id, "a forecast began");
            let input = source.open(&datasets)?;
            let response = model.respond(id, &options, input, &|| gone.load(Ordering::Relaxed));
            if let Err(ForecastError::Cancelled) = &response {
                tracing::info!(model = %id, "a forecast was cancelled: its client has gone");
            }
            response
        };
        match tokio::task::spawn_blocking(work).await? {
            Ok(response) => Ok(Bytes::from(response)),
            Err(error) => Err(self.explain(error, dataset).await?),
        }
    }

    /// Distinguishes a dataset that was deleted during the request from one whose files are missing.
    async fn explain(&self, error: ForecastError, dataset: Option<DatasetId>) -> Result<ServeError, ServeError> {
        Ok(match dataset.filter(|_| error.is_dataset_deleted()) {
            Some(dataset) if self.files(dataset).await?.is_none() => ServeError::DatasetDeleted(dataset),
            _ => error.into(),
        })
    }

    /// Removes a deleted model from memory.
    pub async fn forget(&self, id: ModelId) {
        self.models.forget(id).await;
    }

    /// The files of a dataset's newest revision; `None` if the dataset does not exist.
    async fn files(&self, dataset: DatasetId) -> Result<Option<DatasetFiles>, ServeError> {
        let Some(sha256) = self.store.dataset_sha256(dataset).await? else { return Ok(None) };
        let points = self.blobs.local(&Key::dataset_points(dataset, &sha256)?);
        let index = self.blobs.local(&Key::dataset_index(dataset, &sha256)?);
        Ok(Some(DatasetFiles { points, index, sha256 }))
    }
}

/// The source of the series' values.
enum Source {
    Given(Vec<gatecast_core::forecast::History>),
    Stored { dataset: DatasetId, files: DatasetFiles, series: StoredSeries },
}

impl Source {
    fn dataset(&self) -> Option<DatasetId> {
        match self {
            Self::Given(_) => None,
            Self::Stored { dataset, .. } => Some(*dataset),
        }
    }

    /// Blocking.
    fn open(self, datasets: &Datasets) -> Result<ForecastInput, ForecastError> {
        Ok(match self {
            Self::Given(series) => ForecastInput::Given(series),
            Self::Stored { files, series, .. } => {
                ForecastInput::Stored { dataset: Box::new(datasets.open(&files)?), series }
            }
        })
    }
}

/// Sets its flag if the request's future is dropped before the response.
#[derive(Default)]
struct Client {
    gone: Arc<AtomicBool>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// Checks that the bundle contains a model that this program can run, and returns its manifest. Blocking.
pub fn check_bundle(path: &Path) -> Result<Manifest, BundleError> {
    bundle::read(path).map(|bundle| bundle.manifest)
}

#[cfg(test)]
mod tests {
    use std::io;

    use gatecast_data::ReadError;

    use super::*;

    #[tokio::test]
    async fn a_dataset_deleted_meanwhile_is_distinguished_from_missing_files() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("gatecast.db").display());
        let parts = ForecasterParts {
            store: Store::open(&url.parse().unwrap()).await.unwrap(),
            blobs: Blobs::open(folder.path().join("blobs")).unwrap(),
            datasets: Arc::default(),
            cache_bytes: 1 << 20,
            threads: 1,
        };
        let forecaster = Forecaster::new(parts);
        let missing = || ForecastError::Dataset(ReadError::Io(io::ErrorKind::NotFound.into()));
        let dataset = DatasetId::new();
        let error = forecaster.explain(missing(), Some(dataset)).await.unwrap();
        assert!(matches!(error, ServeError::DatasetDeleted(id) if id == dataset), "{error}");
        let error = forecaster.explain(missing(), None).await.unwrap();
        assert!(matches!(error, ServeError::Forecast(_)), "{error}");
        let other = ForecastError::Dataset(ReadError::Corrupt("a page".to_owned()));
        let error = forecaster.explain(other, Some(dataset)).await.unwrap();
        assert!(matches!(error, ServeError::Forecast(_)), "{error}");
    }
}
