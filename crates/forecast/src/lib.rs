//! Forecasts from one model in memory. Knows files, but no database and no HTTP.
//!
//! A request becomes one [`History`](request_input::History) a series, whether its values came in the
//! body or are read from a stored dataset; the histories are scaled, run through the model in
//! batches, and brought back to the data's units. All of it is blocking work.

mod covariates;
mod dataset_input;
mod error;
mod input_spec;
mod model;
mod predict;
mod request_input;
mod response;
mod rollout;

pub use dataset_input::DatasetFiles;
pub use error::{ForecastError, LoadError};
pub use model::{Histories, LocalModel};
pub use response::ForecastOptions;
