//! The parts of a trained model between its data and its network: transforms, scaling, the layout of inputs, gap
//! filling, and the bundle, which stores the whole model in one file.

pub mod build;
pub mod bundle;
pub mod differences;
pub mod error;
pub mod features;
pub mod missing;
pub mod resample;
pub mod scaling;
pub mod target_transform;
pub mod transform;
mod units;

pub use error::LearnError;
pub use units::in_units;
