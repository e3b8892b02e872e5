//! A model in memory.

use std::fmt;
use std::path::Path;

use gatecast_core::forecast::{Forecast, ForecastRequest, SeriesRequest};
use gatecast_core::ids::ModelId;
use gatecast_core::model::Manifest;
use gatecast_model::bundle::{self, Bundle};
use gatecast_nn::engine::{self, Objective, Wanted};
use gatecast_nn::loss::Criterion;

use super::error::{ForecastError, LoadError};
use super::input_spec::InputSpec;
use super::predict::Predictor;
use super::request::RequestedSeries;
use super::request_input;
use super::respond::{self, ForecastInput};
use super::response::{self, ForecastOptions};

/// A model that is ready to forecast. Its methods block.
pub struct LocalModel {
    pub(super) bundle: Bundle,
    /// Interprets the network's outputs.
    pub(super) criterion: Criterion,
    memory_bytes: usize,
}

impl fmt::Debug for LocalModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalModel").field("network", &self.bundle.network).finish_non_exhaustive()
    }
}

impl LocalModel {
    /// Reads a bundle and checks that an engine supports it.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let bundle = bundle::read(path)?;
        let objective = Objective::ordered(&bundle.manifest.order)?;
        let criterion = objective.criterion.clone();
        engine::build(&bundle.network, objective, Wanted::PROCESSOR)?;
        let memory_bytes = memory_bytes(&bundle);
        Ok(Self { bundle, criterion, memory_bytes })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.bundle.manifest
    }

    /// The approximate memory of the model itself: weights, scaling and manifest. It does not include the temporary
    /// memory of a forecast.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Checks the fields of a request other than its series.
    pub fn options(&self, request: &ForecastRequest) -> Result<ForecastOptions, ForecastError> {
        let horizon = self.horizon(request.horizon)?;
        Ok(ForecastOptions { horizon, levels: response::levels(&self.criterion, &request.levels)? })
    }

    /// Computes the response to a request, as the JSON of a [`gatecast_core::forecast::ForecastResponse`].
    ///
    /// # Errors
    /// [`ForecastError::Cancelled`] soon after `is_cancelled` returns true.
    pub fn respond(
        &self,
        id: ModelId,
        options: &ForecastOptions,
        input: ForecastInput,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, ForecastError> {
        respond::respond(self, id, options, input, is_cancelled)
    }

    /// Computes forecasts for these series, one per series and target, with every interval that the model is
    /// evaluated by.
    pub fn forecast(&self, series: Vec<SeriesRequest>, horizon: usize) -> Result<Vec<Forecast>, ForecastError> {
        let horizon = self.horizon(Some(horizon))?;
        let options = ForecastOptions { horizon, levels: response::evaluated_levels(&self.criterion) };
        let RequestedSeries::Given(series) = RequestedSeries::of_list(series, false)? else {
            return Err(ForecastError::internal("series without values"));
        };
        let spec = self.input_spec(horizon);
        let inputs = request_input::read(&spec, series)?;
        let mut predictor = Predictor::new(self, &spec, &options, &|| false)?;
        let mut forecasts = Vec::with_capacity(inputs.len() * self.manifest().targets.len());
        for batch in inputs.chunks(predictor.batch_series()) {
            forecasts.extend(predictor.forecast(batch)?);
        }
        Ok(forecasts)
    }

    /// The input that the model needs to forecast this many points.
    pub fn input_spec(&self, horizon: usize) -> InputSpec<'_> {
        InputSpec::of(self.manifest(), horizon)
    }

    /// The number of points to forecast.
    fn horizon(&self, wanted: Option<usize>) -> Result<usize, ForecastError> {
        let horizon = wanted.unwrap_or(self.manifest().horizon);
        match self.manifest().refuses_horizon(horizon) {
            Some(detail) => Err(ForecastError::field("/horizon", detail)),
            None => Ok(horizon),
        }
    }
}

/// The memory used by the contents of a bundle.
fn memory_bytes(bundle: &Bundle) -> usize {
    /// For small models: structs and the network's layout.
    const BASE: usize = 16 << 10;
    let scaler = &bundle.scaler;
    // Each key is stored twice: as the row's name and in the map.
    let keys: usize = scaler.keys().iter().map(|key| 2 * key.len() + 96).sum();
    // The manifest takes about twice the size of its JSON.
    let manifest = serde_json::to_vec(&bundle.manifest).map_or(0, |json| 2 * json.len());
    BASE + bundle.parameters.len() * size_of::<f32>() + scaler.offsets().len() * 2 * size_of::<f64>() + keys + manifest
}
