//! The network that an order describes.

use crate::domain::order::ModelSpec;
use crate::nn::network::{Layer, Network};

/// A network that reads `inputs` numbers a step and gives `outputs` of them.
pub fn network(model: &ModelSpec, inputs: usize, outputs: usize) -> Network {
    let layers = model.layers.iter().map(|&units| Layer::new(model.cell, model.layer_norm, units)).collect();
    Network { inputs, layers, outputs, output: model.output }
}
