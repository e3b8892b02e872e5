//! Options of layers: compares every engine's forward pass and gradient with the plain loops in double
//! precision, with the same masks, for every cell.

use gatecast_core::order::{Activation, Cell, Device, EngineChoice, Loss, Output};
use gatecast_nn::engine::fused::Fused;
use gatecast_nn::engine::{Batch, DropoutKey, Engine, Inputs, Objective, Steps};
use gatecast_nn::network::{Layer, Network};
use gatecast_nn::random::{Purpose, Random};

use super::{build, reference};

const BATCH: usize = 3;
const STEPS: usize = 7;
/// As for the plain networks: see `gradients`. Dropout scales the kept values, and the two
/// directions of a layer add up, so sums are a few times larger here.
const TOLERANCE: f64 = 5e-5;
const OBJECTIVE: Objective = Objective::of(Loss::Mse);
const DRAW: DropoutKey = DropoutKey { seed: 3, step: 17 };

/// Two layers, which `change` may alter; it gets the index of each.
fn network(cell: Cell, layer_norm: bool, output: Output, change: &dyn Fn(usize, &mut Layer)) -> Network {
    let mut network = Network::stack(cell, layer_norm, 2, &[5, 4], 3, output);
    network.layers.iter_mut().enumerate().for_each(|(place, layer)| change(place, layer));
    network
}

/// A network for every option, with the option's name, for one cell.
fn options(cell: Cell, layer_norm: bool) -> Vec<(&'static str, Network)> {
    let of = |output, change: &dyn Fn(usize, &mut Layer)| network(cell, layer_norm, output, change);
    let mut found = vec![
        ("dropout", of(Output::EveryStep, &|_, layer| layer.dropout = 0.4)),
        ("recurrent dropout", of(Output::EveryStep, &|_, layer| layer.recurrent_dropout = 0.4)),
        (
            "both dropouts",
            of(Output::LastStep, &|place, layer| {
                (layer.dropout, layer.recurrent_dropout) = (0.3, 0.2 * place as f32);
            }),
        ),
        ("bidirectional", of(Output::LastStep, &|_, layer| layer.bidirectional = true)),
        ("bidirectional below", of(Output::LastStep, &|place, layer| layer.bidirectional = place == 0)),
        ("bidirectional above", of(Output::LastStep, &|place, layer| layer.bidirectional = place == 1)),
        ("residual", of(Output::EveryStep, &|place, layer| (layer.units, layer.residual) = (5, place == 1))),
        ("dilation", of(Output::EveryStep, &|place, layer| layer.dilation = 2 + place)),
        ("dilation past the steps", of(Output::EveryStep, &|_, layer| layer.dilation = STEPS + 2)),
        ("other layers", {
            let mut network = of(Output::EveryStep, &|_, _| ());
            network.layers.push(Layer { dropout: 0.5, ..Layer::new(Cell::Gru, !layer_norm, 6) });
            network.layers.push(Layer { dilation: 2, ..Layer::new(Cell::Lstm, layer_norm, 3) });
            network.layers.push(Layer::new(Cell::SimpleRnn, !layer_norm, 4));
            network.layers.push(Layer::new(Cell::MinGru, layer_norm, 5));
            network
        }),
        (
            "all at once",
            of(Output::LastStep, &|place, layer| {
                (layer.dropout, layer.recurrent_dropout) = (0.3, 0.3);
                (layer.bidirectional, layer.units, layer.residual) = (true, 4, place == 1);
                layer.dilation = 1 + 2 * place;
            }),
        ),
    ];
    if cell.spec().activation {
        for (name, activation) in
            [("relu", Activation::Relu), ("sigmoid", Activation::Sigmoid), ("linear", Activation::Linear)]
        {
            found.push((name, of(Output::EveryStep, &|_, layer| layer.activation = activation)));
            let dropping = |_: usize, layer: &mut Layer| {
                (layer.activation, layer.recurrent_dropout) = (activation, 0.4);
            };
            found.push((name, of(Output::LastStep, &dropping)));
        }
    }
    found
}

fn each() -> impl Iterator<Item = (String, Network)> {
    Cell::ALL.into_iter().flat_map(|cell| {
        [false, true].into_iter().flat_map(move |layer_norm| {
            let named = move |(name, network)| (format!("{cell:?}, layer norm {layer_norm}: {name}"), network);
            options(cell, layer_norm).into_iter().map(named)
        })
    })
}

/// Both engines for a network.
fn engines(network: &Network) -> Vec<Box<dyn Engine>> {
    let libtorch = build(network, OBJECTIVE, Device::Cpu, EngineChoice::Libtorch, 1).unwrap().engine;
    vec![libtorch, Box::new(Fused::new(network, OBJECTIVE, 1).unwrap())]
}

fn numbers(count: usize, step: u64) -> Vec<f32> {
    let mut random = Random::new(23, Purpose::Initialise, step);
    (0..count).map(|_| (0.5 * random.normal()) as f32).collect()
}

fn double(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

struct Case {
    parameters: Vec<f32>,
    inputs: Vec<f32>,
    targets: Vec<f32>,
}

impl Case {
    fn of(network: &Network) -> Self {
        Self {
            parameters: numbers(network.parameter_count(), 0),
            inputs: numbers(BATCH * STEPS * network.inputs, 1),
            targets: numbers(BATCH * network.output_steps(STEPS) * network.outputs, 2),
        }
    }

    fn batch(&self, draw: Option<DropoutKey>) -> Batch<'_> {
        Batch { draw, ..Batch::new(Inputs { batch: BATCH, steps: STEPS, values: &self.inputs }, &self.targets) }
    }

    fn learn(&self, engine: &mut dyn Engine, draw: Option<DropoutKey>) -> (f32, Vec<f32>) {
        let mut gradient = vec![f32::NAN; self.parameters.len()];
        let loss = engine.loss_and_gradient(&self.parameters, self.batch(draw), &mut gradient).unwrap();
        (loss, gradient)
    }
}

#[test]
fn gradients_equal_central_differences_with_every_option() {
    for (name, network) in each() {
        let case = Case::of(&network);
        let (inputs, targets) = (double(&case.inputs), double(&case.targets));
        let loss_at = |parameters: &[f64]| {
            let found = reference::forward_dropping(&network, parameters, &inputs, BATCH, STEPS, Some(DRAW));
            super::mean_squared_error(&found, &targets)
        };
        let mut parameters = double(&case.parameters);
        let expected = loss_at(&parameters);
        let step = 1e-5;
        let slopes: Vec<f64> = (0..parameters.len())
            .map(|at| {
                let middle = parameters[at];
                parameters[at] = middle + step;
                let above = loss_at(&parameters);
                parameters[at] = middle - step;
                let below = loss_at(&parameters);
                parameters[at] = middle;
                (above - below) / (2.0 * step)
            })
            .collect();
        for mut engine in engines(&network) {
            let (loss, gradient) = case.learn(engine.as_mut(), Some(DRAW));
            let engine = engine.name();
            assert!((f64::from(loss) - expected).abs() < TOLERANCE * expected, "{engine}, {name}: {loss}, {expected}");
            for (at, (&got, &expected)) in gradient.iter().zip(&slopes).enumerate() {
                let error = (f64::from(got) - expected).abs();
                assert!(error < TOLERANCE * (1.0 + expected.abs()), "{engine}, {name} at {at}: {got}, {expected}");
            }
        }
    }
}

#[test]
fn forecasts_apply_no_dropout_and_equal_the_plain_loops() {
    for (name, network) in each() {
        let case = Case::of(&network);
        let expected = reference::forward(&network, &double(&case.parameters), &double(&case.inputs), BATCH, STEPS);
        for mut engine in engines(&network) {
            let mut predictions = Vec::new();
            engine.predict(&case.parameters, case.batch(None).inputs, Steps::Trained, &mut predictions).unwrap();
            assert_eq!(predictions.len(), expected.len());
            for (got, expected) in double(&predictions).iter().zip(&expected) {
                let error = (got - expected).abs();
                assert!(error < TOLERANCE * (1.0 + expected.abs()), "{}, {name}: {got}, {expected}", engine.name());
            }
            let mut last = Vec::new();
            engine.predict(&case.parameters, case.batch(None).inputs, Steps::Last, &mut last).unwrap();
            let width = network.output_steps(STEPS) * network.outputs;
            let ends = predictions.chunks(width).flat_map(|row| row[width - network.outputs..].to_vec());
            for (got, expected) in last.iter().zip(ends) {
                assert!((got - expected).abs() < 1e-5, "{}, {name}: {got}, {expected}", engine.name());
            }
        }
    }
}

#[test]
fn the_dropout_key_determines_the_masks_and_no_key_means_no_dropout() {
    let dropping = [
        network(Cell::Lstm, false, Output::EveryStep, &|_, layer| layer.dropout = 0.5),
        network(Cell::Gru, true, Output::EveryStep, &|_, layer| layer.recurrent_dropout = 0.5),
    ];
    for network in dropping {
        let case = Case::of(&network);
        let mut plain = network.clone();
        plain.layers.iter_mut().for_each(|layer| (layer.dropout, layer.recurrent_dropout) = (0.0, 0.0));
        for (mut engine, mut without) in engines(&network).into_iter().zip(engines(&plain)) {
            let first = case.learn(engine.as_mut(), Some(DRAW));
            assert_eq!(first, case.learn(engine.as_mut(), Some(DRAW)), "the same draw, the same bytes");
            let next = DropoutKey { step: DRAW.step + 1, ..DRAW };
            assert_ne!(first.0, case.learn(engine.as_mut(), Some(next)).0);
            let seeded = DropoutKey { seed: DRAW.seed + 1, ..DRAW };
            assert_ne!(first.0, case.learn(engine.as_mut(), Some(seeded)).0);
            let (all, kept) = (case.learn(engine.as_mut(), None).0, case.learn(without.as_mut(), Some(DRAW)).0);
            // LibTorch's layers and the loops over steps may round differently.
            assert!((all - kept).abs() < 1e-6 * kept, "{all}, {kept}");
        }
    }
}

#[test]
fn auto_picks_the_fused_engine_for_every_option_and_gives_a_reason() {
    for (name, network) in each() {
        let built = build(&network, OBJECTIVE, Device::Cpu, EngineChoice::Auto, 1).unwrap();
        assert_eq!(built.engine.name(), "fused", "{name}");
        assert!(!built.reason.is_empty());
    }
}
