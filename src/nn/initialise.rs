//! First weights, as Keras draws them: kernels Glorot uniform, recurrent kernels orthogonal,
//! biases 0 (the LSTM's forget gate 1), gains 1, offsets 0.
//!
//! Written here in plain f64, so that a seed means the same weights on every engine, device and
//! thread count.

use super::network::{Network, Parameter, Role};
use super::random::{Purpose, Random};
use crate::domain::order::Cell;

/// The flat parameter buffer of a new network.
pub fn initialise(network: &Network, seed: u64) -> Vec<f32> {
    let mut flat = vec![0.0; network.parameter_count()];
    for (place, parameter) in network.parameters().iter().enumerate() {
        let mut random = Random::new(seed, Purpose::Initialise, place as u64);
        let block = &mut flat[parameter.range()];
        match parameter.role {
            Role::Kernel => glorot_uniform(parameter, &mut random, block),
            Role::RecurrentKernel => orthogonal(parameter, &mut random, block),
            Role::Bias if network.layer_of(parameter).is_some_and(|layer| layer.cell == Cell::Lstm) => {
                forget_bias(block);
            }
            Role::Bias | Role::Offset => {}
            Role::Gain => block.fill(1.0),
        }
    }
    flat
}

/// Uniform within ±√(6 / (fan in + fan out)), all gates counted in the fan out, as the shape of
/// Keras's kernel has it (Glorot and Bengio 2010).
fn glorot_uniform(parameter: &Parameter, random: &mut Random, block: &mut [f32]) {
    let fans: usize = parameter.shape.iter().sum();
    let limit = (6.0 / fans as f64).sqrt();
    block.fill_with(|| (limit * (2.0 * random.uniform() - 1.0)) as f32);
}

/// The `[gates × units, units]` matrix Q of a normal matrix's QR decomposition with R's diagonal
/// positive: its columns are orthonormal, uniform over all such matrices (Saxe et al. 2014).
///
/// Gram and Schmidt's method, each column cleared of the others twice: once loses orthogonality to
/// rounding, twice is enough (Giraud et al. 2005).
fn orthogonal(parameter: &Parameter, random: &mut Random, block: &mut [f32]) {
    let &[rows, columns] = parameter.shape.as_slice() else { return };
    let mut done: Vec<Vec<f64>> = Vec::with_capacity(columns);
    while done.len() < columns {
        let mut column: Vec<f64> = (0..rows).map(|_| random.normal()).collect();
        for _ in 0..2 {
            for other in &done {
                let share = dot(other, &column);
                column.iter_mut().zip(other).for_each(|(x, o)| *x -= share * o);
            }
        }
        let norm = dot(&column, &column).sqrt();
        column.iter_mut().for_each(|x| *x /= norm);
        done.push(column);
    }
    for (at, column) in done.iter().enumerate() {
        block.iter_mut().skip(at).step_by(columns).zip(column).for_each(|(to, &from)| *to = from as f32);
    }
}

/// In eight partial sums, so that the compiler may use vector registers; always in one order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f64>() + tail
}

/// 1 for the forget gate, the second of i, f, g, o (Jozefowicz et al. 2015), else 0.
fn forget_bias(bias: &mut [f32]) {
    let units = bias.len() / 4;
    bias[units..2 * units].fill(1.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Output;

    fn network(cell: Cell, layer_norm: bool) -> Network {
        Network::stack(cell, layer_norm, 3, &[20, 12], 5, Output::EveryStep)
    }

    fn variable<'a>(network: &Network, flat: &'a [f32], name: &str) -> &'a [f32] {
        let parameters = network.parameters();
        let parameter = parameters.iter().find(|parameter| parameter.name == name).unwrap();
        &flat[parameter.range()]
    }

    #[test]
    fn recurrent_kernels_have_orthonormal_columns() {
        for cell in [Cell::SimpleRnn, Cell::Lstm, Cell::Gru] {
            let network = network(cell, false);
            let flat = initialise(&network, 42);
            let kernel = variable(&network, &flat, "recurrent.0.recurrent_kernel");
            for i in 0..20 {
                for j in 0..20 {
                    let product: f32 = kernel.chunks(20).map(|row| row[i] * row[j]).sum();
                    let expected = if i == j { 1.0 } else { 0.0 };
                    // Rounded to f32: 80 products of numbers below 1.
                    assert!((product - expected).abs() < 1e-5, "{cell:?} {i} {j}: {product}");
                }
            }
        }
    }

    #[test]
    fn kernels_fill_glorots_bounds() {
        let network = network(Cell::Lstm, false);
        let flat = initialise(&network, 42);
        for (name, fans) in [("recurrent.1.kernel", 20 + 4 * 12), ("head.kernel", 12 + 5)] {
            let limit = (6.0 / fans as f32).sqrt();
            let largest = variable(&network, &flat, name).iter().fold(0.0f32, |m, x| m.max(x.abs()));
            assert!(largest <= limit && largest > 0.9 * limit, "{name}: {largest} of {limit}");
        }
    }

    #[test]
    fn biases_gains_and_offsets_begin_as_in_keras() {
        let network = network(Cell::Lstm, true);
        let flat = initialise(&network, 42);
        let bias = variable(&network, &flat, "recurrent.0.bias");
        let expected: Vec<f32> = (0..80).map(|row| if (20..40).contains(&row) { 1.0 } else { 0.0 }).collect();
        assert_eq!(bias, expected);
        assert!(variable(&network, &flat, "head.bias").iter().all(|&x| x == 0.0));
        assert!(variable(&network, &flat, "recurrent.1.recurrent_norm.gain").iter().all(|&x| x == 1.0));
        assert!(variable(&network, &flat, "recurrent.1.cell_norm.offset").iter().all(|&x| x == 0.0));
    }

    #[test]
    fn a_seed_means_its_weights() {
        let network = network(Cell::Gru, true);
        assert_eq!(initialise(&network, 1), initialise(&network, 1));
        assert_ne!(initialise(&network, 1), initialise(&network, 2));
    }
}
