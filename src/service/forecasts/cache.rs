//! Models in memory. Concurrent requests for a model share one load.

use std::sync::Arc;
use std::time::Duration;

use gatecast_blobs::{Blobs, Key};
use gatecast_core::ids::ModelId;
use gatecast_forecast::{LoadError, LocalModel};
use moka::future::Cache;
use tokio::sync::{AcquireError, Semaphore};
use tokio::task::JoinError;

use super::ServeError;

/// The number of bundles read concurrently: a load takes up to twice the memory of its model.
const LOADS: usize = 2;

/// A model is evicted after this time without a request. This also covers models deleted by another server,
/// which get no more requests.
const IDLE: Duration = Duration::from_secs(3_600);

/// A stored model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the thread that loads it ended early")]
    Thread(#[from] JoinError),
    #[error("no more models are loaded")]
    Closed(#[from] AcquireError),
}

#[derive(Debug, Clone)]
pub(super) struct ModelCache {
    blobs: Blobs,
    loaded: Cache<ModelId, Arc<LocalModel>>,
    loads: Arc<Semaphore>,
}

impl ModelCache {
    /// Keeps up to `bytes` of models; evicts the least used first.
    pub(super) fn new(blobs: Blobs, bytes: u64) -> Self {
        // In KiB, because a weight has 32 bits.
        let weigher =
            |_: &ModelId, model: &Arc<LocalModel>| u32::try_from(model.memory_bytes() >> 10).unwrap_or(u32::MAX);
        let loaded = Cache::builder().max_capacity(bytes >> 10).weigher(weigher).time_to_idle(IDLE).build();
        Self { blobs, loaded, loads: Arc::new(Semaphore::new(LOADS)) }
    }

    pub(super) async fn get(&self, id: ModelId) -> Result<Arc<LocalModel>, ServeError> {
        let path = self.blobs.local(&Key::model(id));
        let loads = Arc::clone(&self.loads);
        let load = async move {
            let permit = loads.acquire_owned().await?;
            let read = move || {
                let _permit = permit;
                LocalModel::read(&path)
            };
            Ok::<_, ModelError>(Arc::new(tokio::task::spawn_blocking(read).await??))
        };
        self.loaded.try_get_with(id, load).await.map_err(ServeError::Load)
    }

    /// Evicts a model. Its memory is freed once running forecasts have finished with it.
    pub(super) async fn forget(&self, id: ModelId) {
        self.loaded.invalidate(&id).await;
        // Otherwise the cache would keep the model until its next maintenance.
        self.loaded.run_pending_tasks().await;
    }
}
