//! Recurrent networks: their structure (`network`), initial weights (`initialise`), optimisers
//! (`optimizer`), embeddings of categories (`embedding`), losses (`loss`), and the engines that compute
//! them (`engine`).
//!
//! All parameters of a network are in one flat `[f32]`, laid out by [`network::Network`]. An engine is
//! a function from that buffer and a batch to a loss and a gradient of the same layout; it owns no
//! weights. So initialisers, optimisers, clipping, checkpoints and bundles are written once for every
//! engine.

pub mod clip;
pub mod dropout;
mod embedding;
pub mod engine;
mod initialise;
pub mod loss;
pub mod network;
pub mod optimizer;
pub use gatecast_core::random;
#[cfg(test)]
mod reference;

pub use initialise::initialise;

// `reference` is shared with the tests of other crates, which name this one so.
#[cfg(test)]
extern crate self as gatecast_nn;
