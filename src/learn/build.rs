//! The network that an order describes.

use crate::domain::order::ModelSpec;
use crate::nn::network::Network;

/// A network that reads `inputs` numbers a step and gives `outputs` of them.
pub fn network(model: &ModelSpec, inputs: usize, outputs: usize) -> Network {
    Network { inputs, layers: model.stack(), outputs, output: model.output, embeddings: Vec::new() }
}
