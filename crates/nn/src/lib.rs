//! Networks: what they are (`network`), how their numbers begin (`initialise`) and move
//! (`optimizer`), how categories reach them (`embedding`), and the engines that compute them (`engine`).
//!
//! All learnable numbers of a network stand in one flat `[f32]`, laid out by [`network::Network`].
//! An engine is a function from that buffer and a batch to a loss and a gradient of the same
//! layout; it owns no weights. So initialisers, optimisers, clipping, checkpoints and bundles are
//! written once and serve every engine.

pub mod clip;
pub mod dropout;
mod embedding;
pub mod engine;
mod initialise;
pub mod loss;
pub mod network;
pub mod optimizer;
pub mod random;

pub use initialise::initialise;
