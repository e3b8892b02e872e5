//! Bounds on the gradient before a step, by Keras's meanings.

use super::network::Network;
use gatecast_core::order::Clip;

/// Clips `gradient`, laid out as `network` has it. A gradient that is not finite stays so.
pub fn clip(clip: Clip, network: &Network, gradient: &mut [f32]) {
    match clip {
        Clip::Norm(bound) => {
            for parameter in network.parameters() {
                let variable = &mut gradient[parameter.range()];
                shrink(variable, norm(variable), bound);
            }
        }
        Clip::GlobalNorm(bound) => {
            let norm = norm(gradient);
            shrink(gradient, norm, bound);
        }
        Clip::Value(bound) => {
            let bound = bound as f32;
            gradient.iter_mut().for_each(|x| *x = x.clamp(-bound, bound));
        }
    }
}

/// The Euclidean norm, summed in double precision, always in one order.
pub fn norm(values: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let tail: f64 = chunks.remainder().iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    for chunk in chunks {
        for lane in 0..8 {
            sums[lane] += f64::from(chunk[lane]) * f64::from(chunk[lane]);
        }
    }
    (sums.iter().sum::<f64>() + tail).sqrt()
}

/// Scales a vector of length `norm` to at most `bound`.
fn shrink(values: &mut [f32], norm: f64, bound: f64) {
    // Written so that a norm of NaN scales, and keeps the NaN in sight.
    if norm <= bound {
        return;
    }
    let scale = (bound / norm) as f32;
    values.iter_mut().for_each(|x| *x *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::order::{Cell, Output};

    /// Variables of the head: 2 weights and 2 biases, behind a layer of one unit.
    fn network() -> Network {
        Network::stack(Cell::SimpleRnn, false, 1, &[1], 2, Output::LastStep)
    }

    #[test]
    fn by_variable_each_keeps_its_direction() {
        let mut gradient = [0.1, 0.2, 0.3, 3.0, 4.0, -6.0, 8.0];
        clip(Clip::Norm(1.0), &network(), &mut gradient);
        assert_eq!(gradient, [0.1, 0.2, 0.3, 0.6, 0.8, -0.6, 0.8]);
    }

    #[test]
    fn by_global_norm_all_shrink_alike() {
        let mut gradient = [0.0, 0.0, 0.0, 3.0, 4.0, 0.0, 12.0];
        clip(Clip::GlobalNorm(6.5), &network(), &mut gradient);
        assert_eq!(gradient, [0.0, 0.0, 0.0, 1.5, 2.0, 0.0, 6.0]);
        clip(Clip::GlobalNorm(6.6), &network(), &mut gradient);
        assert_eq!(gradient, [0.0, 0.0, 0.0, 1.5, 2.0, 0.0, 6.0]);
    }

    #[test]
    fn by_value_each_element_is_bounded() {
        let mut gradient = [0.5, -0.5, 2.0, -2.0, 0.0, 1.0, -1.0];
        clip(Clip::Value(1.0), &network(), &mut gradient);
        assert_eq!(gradient, [0.5, -0.5, 1.0, -1.0, 0.0, 1.0, -1.0]);
    }

    #[test]
    fn what_is_not_finite_is_never_hidden() {
        for bound in [Clip::Norm(1.0), Clip::GlobalNorm(1.0), Clip::Value(1.0)] {
            let mut gradient = [0.0, 0.0, 0.0, f32::NAN, 1.0, 0.0, 0.0];
            clip(bound, &network(), &mut gradient);
            assert!(gradient[3].is_nan(), "{bound:?}");
        }
    }
}
