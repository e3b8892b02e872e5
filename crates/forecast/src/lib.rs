//! Forecasts from one model in memory. Knows files, but no database and no HTTP.
//!
//! A request becomes one [`History`](history::History) a series, whether its values came in the
//! body or are read from a stored dataset; the histories are scaled, run through the model in
//! batches, and brought back to the data's units. All of it is blocking work.

mod answer;
mod columns;
mod error;
mod feed;
mod history;
mod model;
mod predict;
mod reads;
mod stored;

pub use answer::Asked;
pub use error::{ForecastError, LoadError};
pub use model::{Histories, LocalModel};
pub use stored::DatasetFiles;
