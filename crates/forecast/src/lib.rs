//! Forecasts with one model in memory. This crate uses files, but no database and no HTTP.
//!
//! A request is converted to one [`SeriesInput`](series_input::SeriesInput) per series, whether its values are in the
//! request or in a stored dataset. The series are scaled, run through the network in batches, converted back to the
//! data's units and written as JSON. All of this blocks.

mod covariates;
mod dataset_input;
mod error;
mod fault;
mod grid_series;
mod input_spec;
mod limits;
mod model;
mod predict;
mod request;
mod request_input;
mod respond;
mod response;
mod rollout;
mod series_input;
mod warnings;

pub use error::{ForecastError, LoadError};
pub use input_spec::InputSpec;
pub use model::LocalModel;
pub use request::{RequestedSeries, StoredSeries};
pub use respond::ForecastInput;
pub use response::ForecastOptions;
