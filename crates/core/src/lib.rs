//! The words and rules of forecasting as Gatecast speaks them. No I/O, no database, no tensors.

pub mod alias;
pub mod backtest;
pub mod dataset;
pub mod family;
pub mod forecast;
pub mod frequency;
pub mod ids;
pub mod job;
pub mod leaderboard;
pub mod metric_name;
pub mod metric_values;
pub mod model;
pub mod order;
pub mod resolve;
pub mod result;
pub mod rivals;
mod schema;
pub mod time_bound;
pub mod trainer;
pub mod validate;
