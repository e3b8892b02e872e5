//! Learning from a dataset: an order, a frame of series and perhaps a checkpoint go in; events and
//! a model come out. Knows no database and no HTTP.
//!
//! In the order of a training: `prepare` (with `missing`, `split`, `scaling`) makes the dataset fit
//! to cut `windows` from, whose steps `features` lays out; `train` runs the epochs, keeps a `checkpoint` and lets `evaluate` judge,
//! with `metrics` and beside the `baselines`; `child` is the process around it.

pub mod baselines;
pub mod build;
pub mod bundle;
pub mod checkpoint;
pub mod child;
mod counts;
pub mod differences;
pub mod durable;
pub mod error;
pub mod evaluate;
pub mod features;
pub mod memory;
pub mod metrics;
pub mod missing;
pub mod prepare;
pub mod progress;
pub mod resample;
pub mod scaling;
pub mod schedule;
pub mod source;
pub mod split;
pub mod spread;
pub mod state;
pub mod train;
pub mod transform;
pub mod values;
pub mod windows;

pub use error::LearnError;

#[cfg(test)]
mod tests;
