//! The norms of the gradient per layer.

use std::collections::BTreeMap;
use std::ops::Range;

use gatecast_nn::clip::norm;
use gatecast_nn::network::Network;

/// Sums norms over the steps of an epoch.
#[derive(Debug)]
pub(super) struct GradientNorms {
    layers: Vec<Group>,
    steps: u32,
}

#[derive(Debug)]
struct Group {
    name: String,
    /// Parameters of one layer are contiguous in the flat buffer.
    range: Range<usize>,
    sum: f64,
}

impl GradientNorms {
    /// Tracks all layers except those entirely within the `frozen` ranges.
    pub(super) fn new(network: &Network, frozen: &[Range<usize>]) -> Self {
        let mut layers: Vec<Group> = Vec::new();
        for parameter in network.parameters() {
            let (name, range) = (layer_name(&parameter.name), parameter.range());
            if frozen.iter().any(|frozen| frozen.start <= range.start && range.end <= frozen.end) {
                continue;
            }
            match layers.last_mut() {
                Some(last) if last.name == name && last.range.end == range.start => last.range.end = range.end,
                _ => layers.push(Group { name: name.to_owned(), range, sum: 0.0 }),
            }
        }
        Self { layers, steps: 0 }
    }

    pub(super) fn begin(&mut self) {
        self.layers.iter_mut().for_each(|layer| layer.sum = 0.0);
        self.steps = 0;
    }

    /// Adds the gradient of one step and returns its norm over all layers.
    pub(super) fn add(&mut self, gradient: &[f32]) -> f64 {
        self.steps += 1;
        let mut squares = 0.0;
        for layer in &mut self.layers {
            let norm = gradient.get(layer.range.clone()).map_or(0.0, norm);
            layer.sum += norm;
            squares += norm * norm;
        }
        squares.sqrt()
    }

    /// The mean over the steps per layer.
    pub(super) fn means(&self) -> BTreeMap<String, f64> {
        let mut means = BTreeMap::new();
        for layer in &self.layers {
            *means.entry(layer.name.clone()).or_insert(0.0) += layer.sum / f64::from(self.steps.max(1));
        }
        means
    }
}

/// The layer of a variable: `recurrent.0` for `recurrent.0.input_norm.gain`, `head` for `head.bias`.
fn layer_name(variable: &str) -> &str {
    let dots = if variable.starts_with("recurrent.") { 2 } else { 1 };
    variable.match_indices('.').nth(dots - 1).map_or(variable, |(at, _)| &variable[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::order::{Cell, Output};

    #[test]
    fn norms_are_by_layer_and_frozen_layers_have_none() {
        let network = Network::stack(Cell::SimpleRnn, false, 1, &[1, 1], 1, Output::LastStep);
        let gradient = [3.0, 4.0, 0.0, 1.0, 2.0, 2.0, 0.5, 0.0];
        let mut norms = GradientNorms::new(&network, &[]);
        for times in [1.0, 3.0] {
            let gradient = gradient.map(|x| x * times);
            assert!((norms.add(&gradient) - f64::from(times) * 34.25_f64.sqrt()).abs() < 1e-9);
        }
        let names = |norms: &GradientNorms| norms.means().into_iter().collect::<Vec<_>>();
        let own = |name: &str, norm| (name.to_owned(), norm);
        assert_eq!(names(&norms), [own("head", 1.0), own("recurrent.0", 10.0), own("recurrent.1", 6.0)]);
        norms.begin();
        norms.add(&gradient);
        assert_eq!(norms.means()["head"], 0.5);
        let mut partly = GradientNorms::new(&network, std::slice::from_ref(&(0..3)));
        partly.add(&gradient);
        assert_eq!(names(&partly), [own("head", 0.5), own("recurrent.1", 3.0)]);
    }
}
