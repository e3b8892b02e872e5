//! Learning from a dataset: an order, a frame of series and perhaps a checkpoint go in; events and
//! a model come out. Knows no database and no HTTP.
//!
//! In the order of a training: `prepare` (with `split`) makes the dataset ready to cut `windows` from; `train` runs the epochs,
//! writes a `checkpoint` and its `history` after each, and evaluates the model (`evaluate`, `window_metrics`) and the `baselines`; `child` is the
//! process around it. `backtest` evaluates stored models on the past.

pub mod backtest;
pub mod baselines;
pub mod checkpoint;
pub mod child;
pub mod evaluate;
pub mod history;
pub mod memory;
mod padding;
pub mod prepare;
pub mod progress;
pub mod schedule;
pub mod source;
pub mod split;
pub mod train;
pub mod training_state;
mod validate_counts;
pub mod window_metrics;
pub mod windows;

pub use gatecast_model::LearnError;

#[cfg(test)]
mod features_tests;
#[cfg(test)]
mod tests;
