//! The networks once more, as plain loops in double precision, straight from the equations of
//! `docs/models.md`: what every engine is held against.

use gatecast::domain::order::{Cell, Output};
use gatecast::nn::network::Network;

const EPSILON: f64 = 1e-3;

/// `[batch, output step, output]` of inputs `[batch, step, input]`.
pub(crate) fn forward(network: &Network, parameters: &[f64], inputs: &[f64], batch: usize, steps: usize) -> Vec<f64> {
    let width = network.inputs;
    let mut predictions = Vec::new();
    for series in inputs.chunks(steps * width).take(batch) {
        let mut rows: Vec<Vec<f64>> = series.chunks(width).map(<[f64]>::to_vec).collect();
        for layer in 0..network.layers.len() {
            rows = run_layer(network, parameters, layer, &rows);
        }
        let first = if network.output == Output::LastStep { rows.len() - 1 } else { 0 };
        let (kernel, bias) = (read(network, parameters, "head.kernel"), read(network, parameters, "head.bias"));
        for row in &rows[first..] {
            predictions.extend(add(&product(kernel, row), bias));
        }
    }
    predictions
}

pub(crate) fn mean_squared_error(predictions: &[f64], targets: &[f64]) -> f64 {
    predictions.iter().zip(targets).map(|(p, t)| (p - t).powi(2)).sum::<f64>() / targets.len() as f64
}

fn read<'a>(network: &Network, parameters: &'a [f64], name: &str) -> &'a [f64] {
    let layout = network.parameters();
    let parameter = layout.iter().find(|parameter| parameter.name == name).unwrap_or_else(|| panic!("no {name}"));
    &parameters[parameter.range()]
}

fn run_layer(network: &Network, parameters: &[f64], layer: usize, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let spec = network.layers[layer];
    let units = spec.units;
    let get = |name: &str| read(network, parameters, &format!("recurrent.{layer}.{name}"));
    let (kernel, recurrent, bias) = (get("kernel"), get("recurrent_kernel"), get("bias"));
    let mut h = vec![0.0; units];
    let mut c = vec![0.0; units];
    let mut states = Vec::new();
    for x in rows {
        let (wx, uh) = (product(kernel, x), product(recurrent, &h));
        match spec.cell {
            Cell::SimpleRnn => {
                let mut sum = add(&add(&wx, &uh), bias);
                if spec.layer_norm {
                    sum = add(&scale(&normalise(&sum), get("norm.gain")), get("norm.offset"));
                }
                h = sum.iter().map(|x| x.tanh()).collect();
            }
            Cell::Lstm => {
                let gates = if spec.layer_norm {
                    let input = scale(&normalise(&wx), get("input_norm.gain"));
                    add(&add(&input, &scale(&normalise(&uh), get("recurrent_norm.gain"))), bias)
                } else {
                    add(&add(&wx, &uh), bias)
                };
                for j in 0..units {
                    let (i, f) = (sigmoid(gates[j]), sigmoid(gates[units + j]));
                    c[j] = f * c[j] + i * gates[2 * units + j].tanh();
                }
                let seen = if spec.layer_norm {
                    add(&scale(&normalise(&c), get("cell_norm.gain")), get("cell_norm.offset"))
                } else {
                    c.clone()
                };
                h = (0..units).map(|j| sigmoid(gates[3 * units + j]) * seen[j].tanh()).collect();
            }
            Cell::Gru => {
                let (input_bias, recurrent_bias) = bias.split_at(3 * units);
                let norm = |sum: &[f64], gain: &str| {
                    if !spec.layer_norm {
                        return sum.to_vec();
                    }
                    let (gates, candidate) = sum.split_at(2 * units);
                    let normed: Vec<f64> = [normalise(gates), normalise(candidate)].concat();
                    scale(&normed, get(gain))
                };
                let input = add(&norm(&wx, "input_norm.gain"), input_bias);
                let state = add(&norm(&uh, "recurrent_norm.gain"), recurrent_bias);
                h = (0..units)
                    .map(|j| {
                        let r = sigmoid(input[j] + state[j]);
                        let z = sigmoid(input[units + j] + state[units + j]);
                        let n = (input[2 * units + j] + r * state[2 * units + j]).tanh();
                        z * h[j] + (1.0 - z) * n
                    })
                    .collect();
            }
        }
        states.push(h.clone());
    }
    states
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `[rows, columns]` times `[columns]`.
fn product(matrix: &[f64], vector: &[f64]) -> Vec<f64> {
    matrix.chunks(vector.len()).map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum()).collect()
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn scale(a: &[f64], b: &[f64]) -> Vec<f64> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

fn normalise(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
    values.iter().map(|x| (x - mean) / (variance + EPSILON).sqrt()).collect()
}
