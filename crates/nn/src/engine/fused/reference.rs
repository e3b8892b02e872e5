//! The same networks as plain loops over `f64`, and what tests share.

use crate::dropout::{self, Dropped, Place};
use crate::engine::DropoutKey;
use crate::network::{LAYER_NORM_EPSILON, Layer, Network};
use gatecast_core::order::{Activation, Cell, Loss, Output};

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

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The rows of `[rows, columns]` weights times x.
fn product(weights: &[f64], x: &[f64]) -> Vec<f64> {
    weights.chunks(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
}

fn layer_norm(x: &[f64]) -> Vec<f64> {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    x.iter().map(|x| (x - mean) / (variance + f64::from(LAYER_NORM_EPSILON)).sqrt()).collect()
}

fn scaled(gain: &[f64], x: &[f64]) -> Vec<f64> {
    gain.iter().zip(x).map(|(g, x)| g * x).collect()
}

/// What a series drops: the draw, and its place in the batch.
pub(super) type Dropping = Option<(DropoutKey, usize)>;

/// Rows of a series' mask, `[row, width]`.
fn mask(dropping: Dropping, place: Place, rate: f32, rows: usize, width: usize) -> Vec<Vec<f64>> {
    let mut mask = vec![1.0; rows * width];
    if let Some((draw, series)) = dropping.filter(|_| rate > 0.0) {
        dropout::mask(draw, place, series, rate, &mut mask);
    }
    mask.chunks(width).map(|row| row.iter().copied().map(f64::from).collect()).collect()
}

/// One direction of a layer over a sequence that it reads from the first to the last.
fn half(
    layer: &Layer,
    place: Place,
    at: impl Fn(&str) -> Vec<f64>,
    sequence: &[Vec<f64>],
    dropping: Dropping,
) -> Vec<Vec<f64>> {
    let u = layer.units;
    let (w, r, b) = (at("kernel"), at("recurrent_kernel"), at("bias"));
    // Drawn for the steps in their own order, whichever way they are read.
    let mut inputs_mask = mask(dropping, place, layer.dropout, sequence.len(), sequence[0].len());
    if place.backwards {
        inputs_mask.reverse();
    }
    let state = Place { dropped: Dropped::State, ..place };
    let state_mask = mask(dropping, state, layer.recurrent_dropout, 1, u);
    let (mut states, mut cells) = (vec![vec![0.0; u]; layer.dilation], vec![vec![0.0; u]; layer.dilation]);
    for (step, x) in sequence.iter().enumerate() {
        let (before, cell) = (states[step].clone(), cells[step].clone());
        let (wx, rh) = (product(&w, &scaled(&inputs_mask[step], x)), product(&r, &scaled(&state_mask[0], &before)));
        let mut c = vec![0.0; u];
        let h = match layer.cell {
            Cell::SimpleRnn => {
                let mut a: Vec<f64> = (0..u).map(|i| wx[i] + rh[i] + b[i]).collect();
                if layer.layer_norm {
                    a = scaled(&at("norm.gain"), &layer_norm(&a));
                    a.iter_mut().zip(at("norm.offset")).for_each(|(a, o)| *a += o);
                }
                let activation = match layer.activation {
                    Activation::Tanh => f64::tanh,
                    Activation::Relu => |x: f64| x.max(0.0),
                    Activation::Sigmoid => sigmoid,
                    Activation::Linear => |x: f64| x,
                };
                a.into_iter().map(activation).collect()
            }
            Cell::Lstm => {
                let (wx, rh) = match layer.layer_norm {
                    true => (
                        scaled(&at("input_norm.gain"), &layer_norm(&wx)),
                        scaled(&at("recurrent_norm.gain"), &layer_norm(&rh)),
                    ),
                    false => (wx, rh),
                };
                let a = |gate: usize, i: usize| wx[gate * u + i] + rh[gate * u + i] + b[gate * u + i];
                for (i, c) in c.iter_mut().enumerate() {
                    *c = sigmoid(a(1, i)) * cell[i] + sigmoid(a(0, i)) * a(2, i).tanh();
                }
                let mut s = c.clone();
                if layer.layer_norm {
                    s = scaled(&at("cell_norm.gain"), &layer_norm(&c));
                    s.iter_mut().zip(at("cell_norm.offset")).for_each(|(s, o)| *s += o);
                }
                (0..u).map(|i| sigmoid(a(3, i)) * s[i].tanh()).collect()
            }
            Cell::Gru => {
                let apart = |x: Vec<f64>, gain: &[f64]| match layer.layer_norm {
                    true => {
                        let (gates, candidate) = x.split_at(2 * u);
                        scaled(gain, &[layer_norm(gates), layer_norm(candidate)].concat())
                    }
                    false => x,
                };
                let (wx, rh) = (apart(wx, &at("input_norm.gain")), apart(rh, &at("recurrent_norm.gain")));
                let mut h = before;
                for (i, h) in h.iter_mut().enumerate() {
                    let by_x = |gate: usize| wx[gate * u + i] + b[gate * u + i];
                    let by_h = |gate: usize| rh[gate * u + i] + b[(3 + gate) * u + i];
                    let (r, z) = (sigmoid(by_x(0) + by_h(0)), sigmoid(by_x(1) + by_h(1)));
                    let n = (by_x(2) + r * by_h(2)).tanh();
                    *h = z * *h + (1.0 - z) * n;
                }
                h
            }
        };
        states.push(h);
        cells.push(c);
    }
    states.split_off(layer.dilation)
}

/// Predictions of one series, `[output step, output]`.
pub(super) fn predict(network: &Network, parameters: &[f64], inputs: &[f64], dropping: Dropping) -> Vec<f64> {
    let list = network.parameters();
    let get =
        |name: &str| list.iter().find(|p| p.name == name).map(|p| parameters[p.range()].to_vec()).unwrap_or_default();
    let mut sequence: Vec<Vec<f64>> = inputs.chunks(network.inputs).map(<[f64]>::to_vec).collect();
    for (layer, spec) in network.layers.iter().enumerate() {
        let place = Place { layer, backwards: false, dropped: Dropped::Inputs };
        let mut given = half(spec, place, |name| get(&format!("recurrent.{layer}.{name}")), &sequence, dropping);
        if spec.bidirectional {
            let at = |name: &str| get(&format!("recurrent.{layer}.reverse.{name}"));
            let turned: Vec<Vec<f64>> = sequence.iter().rev().cloned().collect();
            let second = half(spec, Place { backwards: true, ..place }, at, &turned, dropping);
            given.iter_mut().zip(second.into_iter().rev()).for_each(|(given, second)| given.extend(second));
        }
        if spec.residual {
            given.iter_mut().flatten().zip(sequence.iter().flatten()).for_each(|(given, x)| *given += x);
        }
        sequence = given;
    }
    // The half that reads from the end is at its end with the first step.
    if let (Output::LastStep, Some(last)) = (network.output, network.layers.last()) {
        let begin = sequence[0][last.units..].to_vec();
        if let Some(end) = sequence.last_mut().filter(|_| last.bidirectional) {
            end[last.units..].copy_from_slice(&begin);
        }
    }
    let (w, b) = (get("head.kernel"), get("head.bias"));
    let first = sequence.len() - network.output_steps(sequence.len());
    sequence[first..].iter().flat_map(|h| product(&w, h).into_iter().zip(&b).map(|(y, b)| y + b)).collect()
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
    let total: f64 = inputs
        .chunks(inputs.len() / batch)
        .zip(targets.chunks(targets.len() / batch))
        .enumerate()
        .flat_map(|(series, (inputs, targets))| {
            let dropping = draw.map(|draw| (draw, series));
            predict(network, parameters, inputs, dropping).into_iter().zip(targets)
        })
        .map(|(y, &target)| match loss {
            Loss::Mse => (y - target).powi(2),
            _ => (y - target).abs(),
        })
        .sum();
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
