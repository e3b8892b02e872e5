//! Compares the fused engine with the LibTorch engine at realistic sizes.

use super::build;
use gatecast_core::order::{Activation, Cell, Device, EngineChoice, Loss, Output};
use gatecast_nn::engine::fused::Fused;
use gatecast_nn::engine::{Batch, DropoutKey, Engine, Inputs, Objective, Steps};
use gatecast_nn::initialise;
use gatecast_nn::network::{Layer, Network};
use gatecast_nn::random::{Purpose, Random};
use proptest::prelude::*;

/// Relative to the largest value of a variable: two orders of summing a few thousand products in
/// single precision.
const TOLERANCE: f32 = 1e-4;

fn numbers(seed: u64, step: u64, count: usize) -> Vec<f32> {
    let mut random = Random::new(seed, Purpose::Initialise, step);
    (0..count).map(|_| (0.8 * random.normal()) as f32).collect()
}

/// The largest difference relative to the largest number.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1e-6_f32, |most, b| most.max(b.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f32::max)
}

/// Layers of any cell with any options; some are as wide as the layer below and have a residual.
fn layers() -> impl Strategy<Value = Vec<Layer>> {
    let cell = prop::sample::select(&Cell::ALL[..]);
    // With an unbounded activation, a state of 70 units grows until two orders of summation differ too much.
    let activation = prop_oneof![4 => Just(Activation::Tanh), 1 => Just(Activation::Sigmoid)];
    let rate = || prop_oneof![Just(0.0_f32), 0.05_f32..0.6];
    let dilation = prop_oneof![3 => Just(1_usize), 1 => 2_usize..6];
    let layer = (cell, any::<bool>(), 8_usize..70, activation, rate(), rate(), prop::bool::weighted(0.2), dilation)
        .prop_map(|(cell, layer_norm, units, activation, dropout, recurrent_dropout, bidirectional, dilation)| Layer {
            activation: if cell.spec().activation { activation } else { Activation::Tanh },
            dropout,
            recurrent_dropout,
            bidirectional,
            dilation,
            ..Layer::new(cell, layer_norm, units)
        });
    (prop::collection::vec(layer, 1..4), any::<bool>()).prop_map(|(mut layers, residual)| {
        for at in 1..layers.len() {
            layers[at].units = if residual { layers[0].units } else { layers[at].units };
            layers[at].residual = residual;
        }
        layers
    })
}

/// A network that requests may describe: with `every_step` no layer is bidirectional, and residuals
/// join layers of the same width.
fn network(inputs: usize, mut layers: Vec<Layer>, outputs: usize, output: Output) -> Network {
    let mut below = inputs;
    for (at, layer) in layers.iter_mut().enumerate() {
        layer.bidirectional &= output == Output::LastStep;
        layer.residual &= at > 0 && layer.outputs() == below;
        below = layer.outputs();
    }
    Network { layers, ..Network::stack(Cell::Lstm, false, inputs, &[], outputs, output) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_engines_agree(
        plain in prop::option::of((prop::sample::select(&Cell::ALL[..]), any::<bool>())),
        layers in layers(),
        every_step: bool,
        mae: bool,
        inputs in 1_usize..6,
        outputs in 1_usize..15,
        batch in 1_usize..70,
        steps in 1_usize..30,
        threads in 1_usize..3,
        dropping: bool,
        seed in 0_u64..1_000_000,
    ) {
        let output = if every_step { Output::EveryStep } else { Output::LastStep };
        let network = match plain {
            None => network(inputs, layers, outputs, output),
            Some((cell, layer_norm)) => {
                let units: Vec<usize> = layers.iter().map(|layer| layer.units).collect();
                Network::stack(cell, layer_norm, inputs, &units, outputs, output)
            }
        };
        let draw = dropping.then_some(DropoutKey { seed, step: 11 });
        let objective = Objective::of(if mae { Loss::Mae } else { Loss::Mse });
        let parameters = initialise(&network, seed);
        let values = numbers(seed, 1, batch * steps * inputs);
        let targets = numbers(seed, 2, batch * network.output_steps(steps) * outputs);
        let batch = Batch { draw, ..Batch::new(Inputs { batch, steps, values: &values }, &targets) };
        let run = |engine: &mut dyn Engine| {
            let mut gradient = vec![f32::NAN; parameters.len()];
            let loss = engine.loss_and_gradient(&parameters, batch, &mut gradient).unwrap();
            let mut predictions = Vec::new();
            engine.predict(&parameters, batch.inputs, Steps::Trained, &mut predictions).unwrap();
            (loss, gradient, predictions)
        };
        let fused = run(&mut Fused::new(&network, objective.clone(), threads).unwrap());
        let libtorch = run(build(&network, objective, Device::Cpu, EngineChoice::Libtorch, 1).unwrap().engine.as_mut());
        prop_assert!((fused.0 - libtorch.0).abs() < 1e-5 * libtorch.0, "{} for {}", fused.0, libtorch.0);
        prop_assert!(apart(&fused.2, &libtorch.2) < TOLERANCE);
        for parameter in network.parameters() {
            let error = apart(&fused.1[parameter.range()], &libtorch.1[parameter.range()]);
            prop_assert!(error < TOLERANCE, "{}: {error:e}", parameter.name);
        }
    }
}
