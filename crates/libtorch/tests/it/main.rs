//! Compares both engines with each other, with Keras, and with plain loops in double precision.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking and tell figures by printing, in their helpers too"
)]

use gatecast_core::order::{Device, EngineChoice};
use gatecast_nn::engine::{Built, EngineError, Objective, Wanted};
use gatecast_nn::network::Network;

mod engines;
mod golden;
mod gradients;
mod heads;
mod options;
mod program;
#[path = "../../../nn/src/reference.rs"]
mod reference;

/// The engine that the LibTorch trainer would use.
fn build(
    network: &Network,
    objective: Objective,
    device: Device,
    choice: EngineChoice,
    threads: usize,
) -> Result<Built, EngineError> {
    gatecast_libtorch::build(network, objective, Wanted { device, choice, threads })
}

pub(crate) fn mean_squared_error(predictions: &[f64], targets: &[f64]) -> f64 {
    predictions.iter().zip(targets).map(|(p, t)| (p - t).powi(2)).sum::<f64>() / targets.len() as f64
}
