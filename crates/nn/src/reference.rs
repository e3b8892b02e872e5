//! The networks as plain loops in double precision, straight from the equations of
//! `docs/models.md`. Every engine is tested against them. The tests of other crates include this file
//! by its path.

use gatecast_core::order::{Activation, Cell, Output};
use gatecast_nn::dropout::{Dropped, Place, mask};
use gatecast_nn::engine::DropoutKey;
use gatecast_nn::network::{Layer, Network, Parameter};

const EPSILON: f64 = 1e-3;

/// `[batch, output step, output]` of inputs `[batch, step, input]`.
pub(crate) fn forward(network: &Network, parameters: &[f64], inputs: &[f64], batch: usize, steps: usize) -> Vec<f64> {
    forward_dropping(network, parameters, inputs, batch, steps, None)
}

/// The same with what a draw drops.
pub(crate) fn forward_dropping(
    network: &Network,
    parameters: &[f64],
    inputs: &[f64],
    batch: usize,
    steps: usize,
    draw: Option<DropoutKey>,
) -> Vec<f64> {
    let layout = network.parameters();
    let width = network.inputs;
    let mut predictions = Vec::new();
    for (series, values) in inputs.chunks(steps * width).take(batch).enumerate() {
        let mut rows: Vec<Vec<f64>> = values.chunks(width).map(<[f64]>::to_vec).collect();
        for (place, layer) in network.layers.iter().enumerate() {
            let run =
                |backwards| Direction { layout: &layout, parameters, place, backwards, series, draw }.run(layer, &rows);
            let mut states = run(false);
            if layer.bidirectional {
                states = states.into_iter().zip(run(true)).map(|(ahead, back)| [ahead, back].concat()).collect();
            }
            if layer.residual {
                states = states.iter().zip(&rows).map(|(state, row)| add(state, row)).collect();
            }
            rows = states;
        }
        let (kernel, bias) = (read(&layout, parameters, "head.kernel"), read(&layout, parameters, "head.bias"));
        if network.output == Output::LastStep {
            let mut end = rows[rows.len() - 1].clone();
            if let Some(layer) = network.layers.last().filter(|layer| layer.bidirectional) {
                end[layer.units..].copy_from_slice(&rows[0][layer.units..]);
            }
            rows = vec![end];
        }
        for row in &rows {
            predictions.extend(add(&product(kernel, row), bias));
        }
    }
    predictions
}

/// A variable; empty if the network has none of that name.
fn read<'a>(layout: &[Parameter], parameters: &'a [f64], name: &str) -> &'a [f64] {
    layout.iter().find(|parameter| parameter.name == name).map_or(&[], |parameter| &parameters[parameter.range()])
}

/// The variables of one direction of a layer; empty where the cell has none.
struct Variables<'a> {
    kernel: &'a [f64],
    recurrent: &'a [f64],
    bias: &'a [f64],
    input_gain: &'a [f64],
    recurrent_gain: &'a [f64],
    /// Of the norm of the simple RNN's pre-activation or the LSTM's cell state.
    gain: &'a [f64],
    offset: &'a [f64],
}

/// One series in one direction of one layer.
struct Direction<'a> {
    layout: &'a [Parameter],
    parameters: &'a [f64],
    place: usize,
    backwards: bool,
    series: usize,
    draw: Option<DropoutKey>,
}

impl<'a> Direction<'a> {
    fn variables(&self, layer: &Layer) -> Variables<'a> {
        let way = if self.backwards { "reverse." } else { "" };
        let get = |name: &str| read(self.layout, self.parameters, &format!("recurrent.{}.{way}{name}", self.place));
        let own = if layer.cell == Cell::SimpleRnn { "norm" } else { "cell_norm" };
        Variables {
            kernel: get("kernel"),
            recurrent: get("recurrent_kernel"),
            bias: get("bias"),
            input_gain: get("input_norm.gain"),
            recurrent_gain: get("recurrent_norm.gain"),
            gain: get(&format!("{own}.gain")),
            offset: get(&format!("{own}.offset")),
        }
    }

    fn mask(&self, dropped: Dropped, rate: f32, count: usize) -> Vec<f64> {
        let mut numbers = vec![1.0; count];
        if let Some(draw) = self.draw.filter(|_| rate > 0.0) {
            let place = Place { layer: self.place, backwards: self.backwards, dropped };
            mask(draw, place, self.series, rate, &mut numbers);
        }
        numbers.iter().map(|&number| f64::from(number)).collect()
    }

    fn run(&self, layer: &Layer, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let (steps, width) = (rows.len(), rows[0].len());
        let variables = self.variables(layer);
        let kept = self.mask(Dropped::Inputs, layer.dropout, steps * width);
        let seen = self.mask(Dropped::State, layer.recurrent_dropout, layer.units);
        let nothing = vec![0.0; layer.units];
        let mut states = vec![nothing.clone(); steps];
        let mut cells = states.clone();
        for turn in 0..steps {
            let at = |turn: usize| if self.backwards { steps - 1 - turn } else { turn };
            let x = scale(&rows[at(turn)], &kept[at(turn) * width..][..width]);
            let before = turn.checked_sub(layer.dilation).map(at);
            let h = before.map_or(&nothing, |before| &states[before]).clone();
            let c = before.map_or(&nothing, |before| &cells[before]).clone();
            let (h, c) = variables.step(layer, &x, &h, &scale(&h, &seen), &c);
            states[at(turn)] = h;
            cells[at(turn)] = c;
        }
        states
    }
}

impl Variables<'_> {
    /// The state and the LSTM's cell state after reading x; `seen` is what of h the recurrent
    /// products read.
    fn step(&self, layer: &Layer, x: &[f64], h: &[f64], seen: &[f64], c: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (units, norm) = (layer.units, layer.layer_norm);
        let (wx, uh, bias) = (product(self.kernel, x), product(self.recurrent, seen), self.bias);
        match layer.cell {
            Cell::SimpleRnn => {
                let mut sum = add(&add(&wx, &uh), bias);
                if norm {
                    sum = add(&scale(&normalise(&sum), self.gain), self.offset);
                }
                let state = sum.iter().map(|&x| match layer.activation {
                    Activation::Tanh => x.tanh(),
                    Activation::Relu => x.max(0.0),
                    Activation::Sigmoid => sigmoid(x),
                    Activation::Linear => x,
                });
                (state.collect(), c.to_vec())
            }
            Cell::Lstm => {
                let gates = if norm {
                    let input = scale(&normalise(&wx), self.input_gain);
                    add(&add(&input, &scale(&normalise(&uh), self.recurrent_gain)), bias)
                } else {
                    add(&add(&wx, &uh), bias)
                };
                let next = |j: usize| {
                    let (i, f) = (sigmoid(gates[j]), sigmoid(gates[units + j]));
                    f * c[j] + i * gates[2 * units + j].tanh()
                };
                let c: Vec<f64> = (0..units).map(next).collect();
                let told = if norm { add(&scale(&normalise(&c), self.gain), self.offset) } else { c.clone() };
                ((0..units).map(|j| sigmoid(gates[3 * units + j]) * told[j].tanh()).collect(), c)
            }
            Cell::Gru => {
                let (input_bias, recurrent_bias) = bias.split_at(3 * units);
                let norm = |sum: Vec<f64>, gain: &[f64]| match norm {
                    true => scale(&[normalise(&sum[..2 * units]), normalise(&sum[2 * units..])].concat(), gain),
                    false => sum,
                };
                let input = add(&norm(wx, self.input_gain), input_bias);
                let state = add(&norm(uh, self.recurrent_gain), recurrent_bias);
                let next = |j: usize| {
                    let r = sigmoid(input[j] + state[j]);
                    let z = sigmoid(input[units + j] + state[units + j]);
                    let n = (input[2 * units + j] + r * state[2 * units + j]).tanh();
                    z * h[j] + (1.0 - z) * n
                };
                ((0..units).map(next).collect(), c.to_vec())
            }
            Cell::MinGru => {
                let products = match norm {
                    true => scale(&[normalise(&wx[..units]), normalise(&wx[units..])].concat(), self.input_gain),
                    false => wx,
                };
                let input = add(&products, bias);
                let next = |j: usize| {
                    let z = sigmoid(input[j]);
                    (1.0 - z) * h[j] + z * input[units + j]
                };
                ((0..units).map(next).collect(), c.to_vec())
            }
        }
    }
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
