//! The words and rules of forecasting as Gatecast speaks them. No I/O, no database, no tensors.

pub mod dataset;
pub mod forecast;
pub mod frequency;
pub mod ids;
pub mod job;
pub mod metrics;
pub mod model;
pub mod moment;
pub mod order;
pub mod resolve;
mod schema;
pub mod trainer;
