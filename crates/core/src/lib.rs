//! The words and rules of forecasting as Gatecast speaks them. No I/O, no database, no tensors.

pub mod alias;
pub mod backtest;
pub mod comparability;
pub mod composite_job;
pub mod dataset;
pub mod forecast;
pub mod frequency;
pub mod ids;
pub mod job;
pub mod kinds;
pub mod leaderboard;
pub mod metric_accumulator;
pub mod metric_name;
pub mod metric_values;
pub mod model;
pub mod order;
pub mod quantile_level;
pub mod random;
pub mod reader;
pub mod resolve;
pub mod result;
mod schema;
pub mod seasonal;
pub mod spec_error;
pub mod time_bound;
pub mod trainer;
pub mod validate;
