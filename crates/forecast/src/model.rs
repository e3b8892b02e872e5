//! A model in memory, and the steps of a forecast with it.

use std::fmt;
use std::path::Path;
use std::sync::Mutex;

use gatecast_core::forecast::{Forecast, ForecastRequest, SeriesRequest};
use gatecast_core::model::Manifest;
use gatecast_model::bundle::{self, Bundle};
use gatecast_nn::engine::{self, Engine, Objective, Wanted};
use gatecast_nn::loss::Criterion;

use super::dataset_input::{self, DatasetFiles};
use super::error::{ForecastError, LoadError};
use super::input_spec::InputSpec;
use super::predict;
use super::request_input::{self, History};
use super::response::{self, ForecastOptions};

/// A model ready to compute.
pub struct LocalModel {
    pub(super) bundle: Bundle,
    /// Reads what its network says of a point.
    pub(super) criterion: Criterion,
    /// Its scratch memory serves one forecast at a time.
    pub(super) engine: Mutex<Box<dyn Engine>>,
}

impl fmt::Debug for LocalModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalModel").field("network", &self.bundle.network).finish_non_exhaustive()
    }
}

/// What a model reads, a series each.
#[derive(Debug)]
pub struct Histories(Vec<History>);

impl LocalModel {
    /// Blocking.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let bundle = bundle::read(path)?;
        let objective = Objective::ordered(&bundle.manifest.order)?;
        let criterion = objective.criterion.clone();
        let engine = engine::build(&bundle.network, objective, Wanted::PROCESSOR)?.engine;
        Ok(Self { bundle, criterion, engine: Mutex::new(engine) })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.bundle.manifest
    }

    /// Bytes of memory, as a cache counts them: weights and scaling, and something for the rest.
    pub fn weight(&self) -> u32 {
        let scaling = self.bundle.scaler.offsets().len() * 16 + self.bundle.scaler.keys().len() * 64;
        u32::try_from(self.bundle.parameters.len() * 4 + scaling + 16_384).unwrap_or(u32::MAX)
    }

    /// Checks what a request asks for beside its series.
    pub fn ask(&self, request: &ForecastRequest) -> Result<ForecastOptions, ForecastError> {
        let horizon = predict::horizon(self.manifest(), request.horizon)?;
        let options = ForecastOptions { horizon, levels: response::levels(&self.criterion, &request.levels)? };
        predict::check_size(self, request.series.len(), &options)?;
        Ok(options)
    }

    /// The histories of series whose values the request holds.
    pub fn given(&self, options: &ForecastOptions, series: Vec<SeriesRequest>) -> Result<Histories, ForecastError> {
        request_input::from_request(&InputSpec::of(self.manifest(), options.horizon), series).map(Histories)
    }

    /// The histories of stored series. Blocking.
    pub fn stored(
        &self,
        options: &ForecastOptions,
        series: Vec<SeriesRequest>,
        files: &DatasetFiles,
    ) -> Result<Histories, ForecastError> {
        dataset_input::read(&InputSpec::of(self.manifest(), options.horizon), series, files).map(Histories)
    }

    /// One forecast a history and target, in order; `is_cancelled` is asked between two batches. Blocking.
    pub fn run(
        &self,
        histories: &Histories,
        options: &ForecastOptions,
        is_cancelled: impl Fn() -> bool,
    ) -> Result<Vec<Forecast>, ForecastError> {
        predict::run(self, &histories.0, options, is_cancelled)
    }

    /// The answer that these histories would be given: one forecast a series and target, with every
    /// interval that the model is judged by. Blocking.
    pub fn forecast(&self, series: Vec<SeriesRequest>, horizon: usize) -> Result<Vec<Forecast>, ForecastError> {
        let horizon = predict::horizon(self.manifest(), Some(horizon))?;
        let options =
            ForecastOptions { horizon, levels: response::levels(&self.criterion, &response::judged(&self.criterion))? };
        self.run(&self.given(&options, series)?, &options, || false)
    }
}
