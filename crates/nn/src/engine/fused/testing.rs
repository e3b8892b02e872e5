//! What the tests of the engine share.

use crate::engine::DropoutKey;
use crate::network::Network;
use crate::reference::forward_dropping;
use gatecast_core::order::{Cell, Loss, Output};

/// Numbers in −1 to 1 that depend on the seed alone.
pub(super) fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x1234_5678_9ABC_DEF1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..4).for_each(|_| {
        next();
    });
    (0..count).map(|_| next()).collect()
}

/// Within `tolerance`, relative to the wanted number or to 1, whichever is larger.
pub(super) fn close(got: f32, want: f64, tolerance: f64) -> bool {
    (f64::from(got) - want).abs() <= tolerance * want.abs().max(1.0)
}

pub(super) fn network(cell: Cell, layer_norm: bool, inputs: usize, layers: &[usize], outputs: usize) -> Network {
    Network::stack(cell, layer_norm, inputs, layers, outputs, Output::EveryStep)
}

/// The mean loss over a batch.
pub(super) fn loss(
    network: &Network,
    loss: Loss,
    parameters: &[f64],
    inputs: &[f64],
    targets: &[f64],
    batch: usize,
    draw: Option<DropoutKey>,
) -> f64 {
    let steps = inputs.len() / (batch * network.inputs);
    let predictions = forward_dropping(network, parameters, inputs, batch, steps, draw);
    let errors = predictions.into_iter().zip(targets).map(|(y, target)| y - target);
    let total: f64 = match loss {
        Loss::Mse => errors.map(|error| error.powi(2)).sum(),
        _ => errors.map(f64::abs).sum(),
    };
    total / targets.len() as f64
}

/// The loss's gradient by central differences.
pub(super) fn gradient(
    network: &Network,
    kind: Loss,
    parameters: &[f64],
    inputs: &[f64],
    targets: &[f64],
    batch: usize,
    draw: Option<DropoutKey>,
) -> Vec<f64> {
    let step = 1e-7;
    let mut moved = parameters.to_vec();
    (0..parameters.len())
        .map(|i| {
            let mut at = |by: f64| {
                moved[i] = parameters[i] + by;
                loss(network, kind, &moved, inputs, targets, batch, draw)
            };
            let slope = (at(step) - at(-step)) / (2.0 * step);
            moved[i] = parameters[i];
            slope
        })
        .collect()
}
