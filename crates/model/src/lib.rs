//! A trained model between its data and its network: how columns are transformed, scaled and laid
//! out as inputs, how gaps are filled, and the bundle, the one file that holds it all.

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
