//! Compares the forward pass, losses, gradients and optimiser steps with those of Keras in
//! `tests/keras`.

use std::collections::BTreeMap;

use super::build;
use gatecast_core::order::{Cell, Clip, Device, EngineChoice, Loss, Optimizer, Output};
use gatecast_nn::clip::clip;
use gatecast_nn::engine::fused::Fused;
use gatecast_nn::engine::{Batch, Engine, Inputs, Objective, Steps};
use gatecast_nn::network::{Network, Parameter};
use gatecast_nn::optimizer::OptimizerState;
use serde::Deserialize;

/// Relative to the largest value of a variable. Relative errors of single elements are large where a
/// weight or its gradient crosses zero.
const TOLERANCE: f64 = 1e-4;

/// For three steps of SGD with momentum and layer norm, which amplify rounding errors. Keras differs
/// more from the same steps in double precision than both engines differ from Keras, and LibTorch's
/// kernels for other processors give 1.4e-4 to 1.6e-4.
const STEEP_TOLERANCE: f64 = 2e-4;

#[derive(Deserialize)]
struct Fixture {
    cell: String,
    units: Vec<usize>,
    features: usize,
    horizon: usize,
    batch: usize,
    steps: usize,
    weights: Weights,
    x: Array,
    y: Array,
    prediction: Array,
    mse: f64,
    last_time_step_mse: f64,
    gradients: Weights,
    weights_after: BTreeMap<String, Weights>,
}

type Weights = BTreeMap<String, Array>;

#[derive(Deserialize)]
struct Array {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Fixture {
    fn read(name: &str) -> Self {
        let path = format!("{}/tests/keras/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn network(&self) -> Network {
        let (cell, layer_norm) = match self.cell.as_str() {
            "simple_rnn" => (Cell::SimpleRnn, false),
            "simple_rnn_layer_norm" => (Cell::SimpleRnn, true),
            "lstm" => (Cell::Lstm, false),
            "gru" => (Cell::Gru, false),
            other => panic!("unknown cell {other}"),
        };
        Network::stack(cell, layer_norm, self.features, &self.units, self.horizon, Output::EveryStep)
    }

    fn batch(&self) -> Batch<'_> {
        Batch::new(Inputs { batch: self.batch, steps: self.steps, values: &self.x.data }, &self.y.data)
    }
}

/// Keras's name of a variable.
fn keras_name(parameter: &Parameter) -> String {
    let kind = parameter.name.rsplit('.').next().unwrap();
    let kind = match kind {
        "gain" => "gamma",
        "offset" => "beta",
        other => other,
    };
    parameter.layer.map_or(format!("head.{kind}"), |layer| format!("layer{layer}.{kind}"))
}

/// Keras's kernels are transposed (`[in, gates × units]`), and the order of its GRU gates is z, r,
/// candidate instead of r, z, candidate.
fn from_keras(network: &Network, weights: &Weights) -> Vec<f32> {
    let mut flat = Vec::with_capacity(network.parameter_count());
    for parameter in network.parameters() {
        let keras = &weights[&keras_name(&parameter)];
        let columns = *keras.shape.last().unwrap();
        let units = columns / 3;
        let swap = |column: usize| match network.layer_of(&parameter).map(|layer| layer.cell) {
            Some(Cell::Gru) if column < units => column + units,
            Some(Cell::Gru) if column < 2 * units => column - units,
            _ => column,
        };
        let is_kernel = parameter.name.ends_with("kernel");
        let rows = keras.data.len() / columns;
        if is_kernel {
            for column in 0..columns {
                flat.extend((0..rows).map(|row| keras.data[row * columns + swap(column)]));
            }
        } else {
            for row in 0..rows {
                flat.extend((0..columns).map(|column| keras.data[row * columns + swap(column)]));
            }
        }
    }
    assert_eq!(flat.len(), network.parameter_count());
    flat
}

/// The largest error over all variables, each relative to its largest value.
fn relative_error(blocks: impl Iterator<Item = std::ops::Range<usize>>, got: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let mut worst: f64 = 0.0;
    for block in blocks {
        let (got, expected) = (&got[block.clone()], &expected[block]);
        let largest = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let errors = got.iter().zip(expected).map(|(got, expected)| f64::from(got - expected).abs());
        let error = errors.fold(0.0, |m: f64, error| if error <= m { m } else { error }) / f64::from(largest);
        assert!(error.is_finite(), "not a number in {got:?}");
        worst = worst.max(error);
    }
    worst
}

fn by_variable(network: &Network) -> impl Iterator<Item = std::ops::Range<usize>> {
    network.parameters().into_iter().map(|parameter| parameter.range())
}

/// Prints the error (see it with `--nocapture`) and compares it with the tolerance.
fn check(fixture: &Fixture, what: &str, error: f64) {
    println!("{:>22} {what:<42} {error:.1e}", fixture.cell);
    let steep = fixture.cell == "simple_rnn_layer_norm" && what.ends_with("momentum0.9_nesterov_3_steps");
    let tolerance = if steep { STEEP_TOLERANCE } else { TOLERANCE };
    assert!(error < tolerance, "{} {what}: {error:e}", fixture.cell);
}

/// The optimiser, clipping and number of steps in a case's name.
fn case(name: &str) -> (Optimizer, Option<Clip>, usize) {
    let optimizer = |text: &str| serde_json::from_str::<Optimizer>(text).unwrap();
    let sgd = optimizer(r#"{"type": "sgd", "learning_rate": 0.1}"#);
    match name {
        "adam_lr0.01_3_steps" => (optimizer(r#"{"type": "adam", "learning_rate": 0.01}"#), None, 3),
        "nadam_lr0.01_3_steps" => (optimizer(r#"{"type": "nadam", "learning_rate": 0.01}"#), None, 3),
        "rmsprop_lr0.01_3_steps" => (optimizer(r#"{"type": "rmsprop", "learning_rate": 0.01}"#), None, 3),
        "sgd_lr0.1_momentum0.9_nesterov_3_steps" => {
            (optimizer(r#"{"type": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": true}"#), None, 3)
        }
        "sgd_lr0.1_clipnorm0.05_1_step" => (sgd, Some(Clip::Norm(0.05)), 1),
        "sgd_lr0.1_global_clipnorm0.05_1_step" => (sgd, Some(Clip::GlobalNorm(0.05)), 1),
        "sgd_lr0.1_clipvalue0.01_1_step" => (sgd, Some(Clip::Value(0.01)), 1),
        other => panic!("unknown case {other}"),
    }
}

fn holds(name: &str) {
    let fixture = Fixture::read(name);
    let network = fixture.network();
    let first = from_keras(&network, &fixture.weights);
    let objective = Objective::of(Loss::Mse);
    agrees(
        &fixture,
        &network,
        &first,
        build(&network, objective.clone(), Device::Cpu, EngineChoice::Libtorch, 1).unwrap().engine,
    );
    agrees(&fixture, &network, &first, Box::new(Fused::new(&network, objective, 1).unwrap()));
}

fn agrees(fixture: &Fixture, network: &Network, first: &[f32], mut engine: Box<dyn Engine>) {
    let name = engine.name();
    let check = |what: &str, error| check(fixture, &format!("{name} {what}"), error);
    let mut predictions = Vec::new();
    engine.predict(first, fixture.batch().inputs, Steps::Trained, &mut predictions).unwrap();
    let all = std::iter::once(0..predictions.len());
    check("forward", relative_error(all, &predictions, &fixture.prediction.data));

    let row = fixture.steps * fixture.horizon;
    let last = |values: &[f32]| -> Vec<f32> {
        values.chunks(row).flat_map(|series| series[row - fixture.horizon..].to_vec()).collect()
    };
    let (last_predictions, last_targets) = (last(&predictions), last(&fixture.y.data));
    let squares = last_predictions.iter().zip(&last_targets).map(|(p, y)| f64::from(p - y).powi(2));
    let last_mse = squares.sum::<f64>() / last_targets.len() as f64;
    check("last_time_step_mse", (last_mse / fixture.last_time_step_mse - 1.0).abs());

    let mut gradient = vec![f32::NAN; first.len()];
    let loss = engine.loss_and_gradient(first, fixture.batch(), &mut gradient).unwrap();
    check("mse", (f64::from(loss) / fixture.mse - 1.0).abs());
    let expected = from_keras(network, &fixture.gradients);
    check("gradients", relative_error(by_variable(network), &gradient, &expected));

    assert_eq!(fixture.weights_after.len(), 7);
    for (name, expected) in &fixture.weights_after {
        let (optimizer, bound, steps) = case(name);
        let mut weights = first.to_vec();
        let mut state = OptimizerState::new(optimizer, weights.len());
        for _ in 0..steps {
            engine.loss_and_gradient(&weights, fixture.batch(), &mut gradient).unwrap();
            if let Some(bound) = bound {
                clip(bound, network, &mut gradient);
            }
            state.step(&mut weights, &gradient, optimizer.learning_rate().fixed().unwrap());
        }
        let expected = from_keras(network, expected);
        check(name, relative_error(by_variable(network), &weights, &expected));
    }
}

#[test]
fn simple_rnn_equals_keras() {
    holds("simple_rnn");
}

#[test]
fn layer_normalised_simple_rnn_equals_keras() {
    holds("simple_rnn_layer_norm");
}

#[test]
fn lstm_equals_keras() {
    holds("lstm");
}

#[test]
fn gru_equals_keras() {
    holds("gru");
}
