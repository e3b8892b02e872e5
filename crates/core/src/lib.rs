//! The words and rules of forecasting as Gatecast speaks them. No I/O, no database, no tensors.

pub mod alias;
pub mod backtest;
pub mod board;
pub mod dataset;
pub mod family;
pub mod forecast;
pub mod frequency;
pub mod ids;
pub mod job;
pub mod metric;
pub mod metrics;
pub mod model;
pub mod moment;
pub mod order;
pub mod resolve;
pub mod result;
pub mod rivals;
mod schema;
pub mod trainer;
