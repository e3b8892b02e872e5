//! The fused engine against the LibTorch one, at sizes that are really used.

use gatecast::domain::order::{Cell, Device, EngineChoice, Loss, Output};
use gatecast::nn::engine::fused::Fused;
use gatecast::nn::engine::{Batch, Engine, Inputs, Objective, Steps, build};
use gatecast::nn::initialise;
use gatecast::nn::network::Network;
use gatecast::nn::random::{Purpose, Random};
use proptest::prelude::*;

/// Of the largest number of its variable: two orders of adding up some thousand products in single
/// precision.
const TOLERANCE: f32 = 1e-4;

fn numbers(seed: u64, step: u64, count: usize) -> Vec<f32> {
    let mut random = Random::new(seed, Purpose::Initialise, step);
    (0..count).map(|_| (0.8 * random.normal()) as f32).collect()
}

/// The largest difference over the largest number.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1e-6_f32, |most, b| most.max(b.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f32::max)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_engines_say_the_same(
        cell in prop_oneof![Just(Cell::SimpleRnn), Just(Cell::Lstm), Just(Cell::Gru)],
        layer_norm: bool,
        every_step: bool,
        mae: bool,
        inputs in 1_usize..6,
        layers in prop::collection::vec(8_usize..70, 1..4),
        outputs in 1_usize..15,
        batch in 1_usize..70,
        steps in 1_usize..30,
        threads in 1_usize..3,
        seed in 0_u64..1_000_000,
    ) {
        let output = if every_step { Output::EveryStep } else { Output::LastStep };
        let network = Network::stack(cell, layer_norm, inputs, &layers, outputs, output);
        let objective = Objective::of(if mae { Loss::Mae } else { Loss::Mse });
        let parameters = initialise(&network, seed);
        let values = numbers(seed, 1, batch * steps * inputs);
        let targets = numbers(seed, 2, batch * network.output_steps(steps) * outputs);
        let batch = Batch::new(Inputs { batch, steps, values: &values }, &targets);
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
