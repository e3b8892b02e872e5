//! Builds the network that a request describes.

use gatecast_core::order::ModelSpec;
use gatecast_nn::network::Network;

/// A network that reads `inputs` numbers per step and forecasts `points` (horizon × targets) points. Each point takes
/// as many outputs as its head needs.
pub fn network(model: &ModelSpec, inputs: usize, points: usize) -> Network {
    let outputs = points * model.head.width();
    Network { inputs, layers: model.stack(), outputs, output: model.output, embeddings: Vec::new() }
}
