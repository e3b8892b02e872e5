//! Initial weights, as Keras draws them: unless an order says otherwise kernels Glorot uniform,
//! recurrent kernels orthogonal, biases 0 (the LSTM's forget gate 1); gains 1, offsets 0.
//!
//! Written here in plain f64, so that a seed means the same weights on every engine, device and
//! thread count.

use super::network::{FirstWeights, Initializer, Network, Parameter, Role};
use super::random::{Purpose, Random};

/// The flat parameter buffer of a new network.
pub fn initialise(network: &Network, seed: u64) -> Vec<f32> {
    let mut flat = vec![0.0; network.parameter_count()];
    for (place, parameter) in network.parameters().iter().enumerate() {
        let mut random = Random::new(seed, Purpose::Initialise, place as u64);
        let block = &mut flat[parameter.range()];
        let layer = network.layer_of(parameter);
        let first = layer.map_or_else(FirstWeights::default, |layer| layer.first);
        match parameter.role {
            Role::Kernel => draw(first.kernel, parameter, &mut random, block),
            Role::RecurrentKernel => draw(first.recurrent, parameter, &mut random, block),
            Role::Bias => {
                draw(first.bias, parameter, &mut random, block);
                let forget_gate = layer.and_then(|layer| Some((layer.cell.spec().forget_gate?, layer.units)));
                if let Some((gate, units)) = forget_gate.filter(|_| first.unit_forget_bias) {
                    // Jozefowicz et al. 2015.
                    block[gate * units..(gate + 1) * units].fill(1.0);
                }
            }
            Role::Gain => block.fill(1.0),
            Role::Offset => {}
            // Uniform within ±0.05, as Keras's `Embedding`.
            Role::Embedding => block.fill_with(|| (0.05 * (2.0 * random.uniform() - 1.0)) as f32),
        }
    }
    flat
}

fn draw(initializer: Initializer, parameter: &Parameter, random: &mut Random, block: &mut [f32]) {
    let (fan_in, fan_out) = fans(parameter);
    match initializer {
        Initializer::Zeros {} => block.fill(0.0),
        Initializer::Ones {} => block.fill(1.0),
        Initializer::Constant { value } => block.fill(value as f32),
        Initializer::RandomNormal { mean, stddev } => {
            block.fill_with(|| (mean + stddev * random.normal()) as f32);
        }
        Initializer::RandomUniform { minval, maxval } => {
            block.fill_with(|| (minval + (maxval - minval) * random.uniform()) as f32);
        }
        Initializer::TruncatedNormal { mean, stddev } => {
            block.fill_with(|| (mean + stddev * truncated(random)) as f32);
        }
        Initializer::GlorotUniform {} => uniform(6.0 / (fan_in + fan_out), random, block),
        Initializer::GlorotNormal {} => normal(2.0 / (fan_in + fan_out), random, block),
        Initializer::HeUniform {} => uniform(6.0 / fan_in, random, block),
        Initializer::HeNormal {} => normal(2.0 / fan_in, random, block),
        Initializer::LecunUniform {} => uniform(3.0 / fan_in, random, block),
        Initializer::LecunNormal {} => normal(1.0 / fan_in, random, block),
        Initializer::Orthogonal { gain } => orthogonal(&parameter.shape, gain, random, block),
        Initializer::Identity { gain } => {
            let columns = parameter.shape.last().copied().unwrap_or(1);
            block.fill(0.0);
            block.iter_mut().step_by(columns + 1).for_each(|number| *number = gain as f32);
        }
    }
}

/// Fan in and fan out as Keras derives them from the shape of its variable: all gates count in the
/// fan out. A vector's length is both; of the GRU's two biases Keras takes the 2 for the fan in.
fn fans(parameter: &Parameter) -> (f64, f64) {
    match (parameter.role, parameter.shape.as_slice()) {
        (Role::Bias, &[halves, rows]) => (halves as f64, rows as f64),
        (_, &[rows, columns]) => (columns as f64, rows as f64),
        _ => (parameter.len() as f64, parameter.len() as f64),
    }
}

/// Within ±√`square`, whose third is the variance (Glorot and Bengio 2010; He et al. 2015; LeCun
/// et al. 1998).
fn uniform(square: f64, random: &mut Random, block: &mut [f32]) {
    let limit = square.sqrt();
    block.fill_with(|| (limit * (2.0 * random.uniform() - 1.0)) as f32);
}

/// Normal of this variance, with nothing beyond two deviations of the whole normal distribution.
fn normal(variance: f64, random: &mut Random, block: &mut [f32]) {
    let deviation = variance.sqrt() / TRUNCATED_DEVIATION;
    block.fill_with(|| (deviation * truncated(random)) as f32);
}

/// The standard deviation of a standard normal truncated at ±2.
const TRUNCATED_DEVIATION: f64 = 0.879_625_661_034_239_8;

/// Standard normal, drawn again beyond 2.
fn truncated(random: &mut Random) -> f64 {
    loop {
        let number = random.normal();
        if number.abs() <= 2.0 {
            return number;
        }
    }
}

/// `gain` times Q of a normal matrix's QR decomposition with R's diagonal positive: its columns
/// are orthonormal (its rows, where there are fewer), uniform over all such matrices (Saxe et al.
/// 2014).
///
/// Gram and Schmidt's method, each column cleared of the others twice: once loses orthogonality to
/// rounding, twice is enough (Giraud et al. 2005).
fn orthogonal(shape: &[usize], gain: f64, random: &mut Random, block: &mut [f32]) {
    let &[rows, columns] = shape else { return };
    let (length, count) = (rows.max(columns), rows.min(columns));
    let mut done: Vec<Vec<f64>> = Vec::with_capacity(count);
    while done.len() < count {
        let mut column: Vec<f64> = (0..length).map(|_| random.normal()).collect();
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
    for (at, vector) in done.iter().enumerate() {
        // A row where the matrix is wider than high, else a column.
        let (from, step) = if columns > rows { (at * columns, 1) } else { (at, columns) };
        block.iter_mut().skip(from).step_by(step).zip(vector).for_each(|(to, &number)| *to = (gain * number) as f32);
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

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::order::{Cell, Output};

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
        for cell in Cell::ALL.into_iter().filter(|cell| cell.spec().recurrent_kernel) {
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

    /// Mean and variance of a kernel `[4 × 300, 200]` and of its bias.
    fn moments(first: FirstWeights) -> [(f64, f64); 2] {
        let mut network = Network::stack(Cell::Lstm, false, 200, &[300], 1, Output::EveryStep);
        network.layers[0].first = first;
        let flat = initialise(&network, 5);
        ["recurrent.0.kernel", "recurrent.0.bias"].map(|name| {
            let numbers = variable(&network, &flat, name);
            let count = numbers.len() as f64;
            let mean = numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
            (mean, numbers.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count)
        })
    }

    #[test]
    fn distributions_have_the_moments_keras_gives_them() {
        let (fan_in, fan_out) = (200.0_f64, 1200.0_f64);
        let cases: [(Initializer, f64, f64); 13] = [
            (Initializer::Zeros {}, 0.0, 0.0),
            (Initializer::Ones {}, 1.0, 0.0),
            (Initializer::Constant { value: 0.25 }, 0.25, 0.0),
            (Initializer::RandomNormal { mean: 1.0, stddev: 0.5 }, 1.0, 0.25),
            (Initializer::RandomUniform { minval: -0.2, maxval: 0.4 }, 0.1, 0.36 / 12.0),
            // What is left of a normal's variance within two deviations.
            (Initializer::TruncatedNormal { mean: 0.0, stddev: 2.0 }, 0.0, 4.0 * 0.773_741),
            (Initializer::GlorotUniform {}, 0.0, 2.0 / (fan_in + fan_out)),
            (Initializer::GlorotNormal {}, 0.0, 2.0 / (fan_in + fan_out)),
            (Initializer::HeUniform {}, 0.0, 2.0 / fan_in),
            (Initializer::HeNormal {}, 0.0, 2.0 / fan_in),
            (Initializer::LecunUniform {}, 0.0, 1.0 / fan_in),
            (Initializer::LecunNormal {}, 0.0, 1.0 / fan_in),
            // Of 200 orthonormal columns of 1200 numbers.
            (Initializer::Orthogonal { gain: 3.0 }, 0.0, 9.0 / fan_out),
        ];
        for (kernel, mean, variance) in cases {
            let [(got_mean, got_variance), _] = moments(FirstWeights { kernel, ..FirstWeights::default() });
            // 240,000 numbers: five standard errors of the mean are 0.0102 deviations, and of a
            // normal's variance 1.5 % of it.
            assert!((got_mean - mean).abs() <= 0.0103 * variance.sqrt() + 1e-9, "{kernel:?}: {got_mean}");
            assert!((got_variance - variance).abs() <= 0.015 * variance + 1e-9, "{kernel:?}: {got_variance}");
        }
    }

    #[test]
    fn truncated_normals_end_at_two_deviations() {
        let mut network = Network::stack(Cell::Gru, false, 20, &[40], 1, Output::EveryStep);
        network.layers[0].first.kernel = Initializer::TruncatedNormal { mean: 1.0, stddev: 0.5 };
        let flat = initialise(&network, 5);
        let kernel = variable(&network, &flat, "recurrent.0.kernel");
        let furthest = kernel.iter().fold(0.0f32, |most, x| most.max((x - 1.0).abs()));
        assert!(furthest <= 1.0 && furthest > 0.9, "{furthest}");
    }

    #[test]
    fn a_bias_begins_as_asked_but_for_the_forget_gate() {
        let bias = Initializer::Constant { value: 0.5 };
        let [_, (mean, _)] = moments(FirstWeights { bias, ..FirstWeights::default() });
        assert_eq!(mean, (3.0 * 0.5 + 1.0) / 4.0);
        let [_, (mean, _)] = moments(FirstWeights { bias, unit_forget_bias: false, ..FirstWeights::default() });
        assert_eq!(mean, 0.5);
    }

    #[test]
    fn matrices_wider_than_high_have_orthonormal_rows_and_identities_a_diagonal() {
        let mut network = Network::stack(Cell::SimpleRnn, false, 9, &[4], 1, Output::EveryStep);
        network.layers[0].first = FirstWeights {
            kernel: Initializer::Orthogonal { gain: 2.0 },
            recurrent: Initializer::Identity { gain: 0.5 },
            ..FirstWeights::default()
        };
        let flat = initialise(&network, 5);
        let rows: Vec<&[f32]> = variable(&network, &flat, "recurrent.0.kernel").chunks(9).collect();
        let recurrent = variable(&network, &flat, "recurrent.0.recurrent_kernel");
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate() {
                let product: f32 = a.iter().zip(*b).map(|(a, b)| a * b).sum();
                let same = f32::from(u8::from(i == j));
                assert!((product - 4.0 * same).abs() < 1e-5, "{i} {j}: {product}");
                assert_eq!(recurrent[i * 4 + j], 0.5 * same);
            }
        }
    }

    #[test]
    fn both_directions_begin_apart() {
        let mut network = network(Cell::Lstm, false);
        network.layers[0].bidirectional = true;
        let flat = initialise(&network, 42);
        let kernels = ["recurrent.0.kernel", "recurrent.0.reverse.kernel"].map(|name| variable(&network, &flat, name));
        assert_ne!(kernels[0], kernels[1]);
    }

    #[test]
    fn a_seed_means_its_weights() {
        let network = network(Cell::Gru, true);
        assert_eq!(initialise(&network, 1), initialise(&network, 1));
        assert_ne!(initialise(&network, 1), initialise(&network, 2));
    }
}
