//! Models in memory, loaded once however many ask at once.

use std::fmt;
use std::sync::{Arc, Mutex};

use moka::future::Cache;

use super::error::{ForecastError, LoadError};
use crate::blobs::{Blobs, Key};
use crate::domain::ids::ModelId;
use crate::domain::order::{Device, EngineChoice};
use crate::learn::bundle::{self, Bundle};
use crate::nn::engine::{self, Engine, Objective};
use crate::nn::loss::Criterion;

/// A model ready to compute.
pub(super) struct Loaded {
    pub(super) bundle: Bundle,
    /// Reads what its network says of a point.
    pub(super) criterion: Criterion,
    /// Its scratch memory serves one forecast at a time.
    pub(super) engine: Mutex<Box<dyn Engine>>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("network", &self.bundle.network).finish_non_exhaustive()
    }
}

impl Loaded {
    pub(super) fn read(path: &std::path::Path) -> Result<Self, LoadError> {
        let bundle = bundle::read(path)?;
        let objective = Objective::ordered(&bundle.manifest.order);
        let criterion = objective.criterion.clone();
        let engine = engine::build(&bundle.network, objective, Device::Cpu, EngineChoice::Auto, 1)?.engine;
        Ok(Self { bundle, criterion, engine: Mutex::new(engine) })
    }

    /// Bytes of memory, as the cache counts them: weights and scaling, and something for the rest.
    fn weight(&self) -> u32 {
        let scaling = self.bundle.scaler.terms().len() * 16 + self.bundle.scaler.keys().len() * 64;
        u32::try_from(self.bundle.parameters.len() * 4 + scaling + 16_384).unwrap_or(u32::MAX)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Models {
    blobs: Blobs,
    loaded: Cache<ModelId, Arc<Loaded>>,
}

impl Models {
    pub(super) fn new(blobs: Blobs, bytes: u64) -> Self {
        let weigher = |_: &ModelId, model: &Arc<Loaded>| model.weight();
        Self { blobs, loaded: Cache::builder().max_capacity(bytes).weigher(weigher).build() }
    }

    pub(super) async fn get(&self, id: ModelId) -> Result<Arc<Loaded>, ForecastError> {
        let path = self.blobs.local(&Key::model(id));
        let load = async move {
            let loaded = tokio::task::spawn_blocking(move || Loaded::read(&path)).await??;
            Ok::<_, LoadError>(Arc::new(loaded))
        };
        self.loaded.try_get_with(id, load).await.map_err(ForecastError::Load)
    }

    pub(super) async fn forget(&self, id: ModelId) {
        self.loaded.invalidate(&id).await;
    }
}
