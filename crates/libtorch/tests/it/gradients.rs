//! Compares every engine's forward pass with the plain loops in double precision, for every cell, and
//! its gradient with central differences of the loops' loss.

use gatecast_core::order::{Cell, Device, EngineChoice, Loss, Output};
use gatecast_nn::engine::fused::Fused;
use gatecast_nn::engine::{Batch, Engine, EngineError, Inputs, Objective, Steps};
use gatecast_nn::network::Network;
use gatecast_nn::random::{Purpose, Random};

use super::{build, reference};

const BATCH: usize = 3;
const STEPS: usize = 6;
/// Single precision has a relative error of 6e-8. Over six steps with about twenty roundings each, a
/// mean error of a few hundred times that is still correct.
const TOLERANCE: f64 = 2e-5;

fn networks() -> impl Iterator<Item = Network> {
    Cell::ALL.into_iter().flat_map(|cell| {
        [false, true].into_iter().flat_map(move |layer_norm| {
            [Output::EveryStep, Output::LastStep].map(|output| Network::stack(cell, layer_norm, 2, &[5, 4], 3, output))
        })
    })
}

/// Random numbers for all parameters, gains and biases included, because errors may not show at their
/// initial values.
fn numbers(count: usize, step: u64) -> Vec<f32> {
    let mut random = Random::new(11, Purpose::Initialise, step);
    (0..count).map(|_| (0.6 * random.normal()) as f32).collect()
}

fn engines(network: &Network, loss: Loss) -> [Box<dyn Engine>; 2] {
    let objective = Objective::of(loss);
    let libtorch = build(network, objective.clone(), Device::Cpu, EngineChoice::Libtorch, 1).unwrap().engine;
    [libtorch, Box::new(Fused::new(network, objective, 1).unwrap())]
}

/// Every network with each engine that supports it.
fn each(loss: Loss) -> impl Iterator<Item = (Network, Box<dyn Engine>)> {
    networks().flat_map(move |network| engines(&network, loss).map(|engine| (network.clone(), engine)))
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

    fn batch(&self) -> Batch<'_> {
        Batch::new(Inputs { batch: BATCH, steps: STEPS, values: &self.inputs }, &self.targets)
    }
}

#[test]
fn forward_passes_equal_the_plain_loops() {
    for (network, mut engine) in each(Loss::Mse) {
        let case = Case::of(&network);
        let mut predictions = Vec::new();
        engine.predict(&case.parameters, case.batch().inputs, Steps::Trained, &mut predictions).unwrap();
        let expected = reference::forward(&network, &double(&case.parameters), &double(&case.inputs), BATCH, STEPS);
        assert_eq!(predictions.len(), expected.len());
        for (got, expected) in double(&predictions).iter().zip(&expected) {
            assert!((got - expected).abs() < TOLERANCE * (1.0 + expected.abs()), "{network:?}: {got}, {expected}");
        }
        let mut last = Vec::new();
        engine.predict(&case.parameters, case.batch().inputs, Steps::Last, &mut last).unwrap();
        let width = network.output_steps(STEPS) * network.outputs;
        let ends: Vec<f32> =
            predictions.chunks(width).flat_map(|row| row[width - network.outputs..].to_vec()).collect();
        assert_eq!(last.len(), ends.len());
        for (got, expected) in last.iter().zip(&ends) {
            assert!((got - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{network:?}: {got}, {expected}");
        }
    }
}

#[test]
fn gradients_equal_central_differences() {
    for (network, mut engine) in each(Loss::Mse) {
        let case = Case::of(&network);
        let mut gradient = vec![f32::NAN; case.parameters.len()];
        let loss = engine.loss_and_gradient(&case.parameters, case.batch(), &mut gradient).unwrap();
        let (inputs, targets) = (double(&case.inputs), double(&case.targets));
        let loss_at = |parameters: &[f64]| {
            super::mean_squared_error(&reference::forward(&network, parameters, &inputs, BATCH, STEPS), &targets)
        };
        let mut parameters = double(&case.parameters);
        let expected = loss_at(&parameters);
        assert!((f64::from(loss) - expected).abs() < TOLERANCE * expected, "{network:?}: {loss}, {expected}");
        let step = 1e-5;
        for (at, &got) in gradient.iter().enumerate() {
            let middle = parameters[at];
            parameters[at] = middle + step;
            let above = loss_at(&parameters);
            parameters[at] = middle - step;
            let expected = (above - loss_at(&parameters)) / (2.0 * step);
            parameters[at] = middle;
            let error = (f64::from(got) - expected).abs();
            assert!(error < TOLERANCE * (1.0 + expected.abs()), "{network:?} at {at}: {got}, {expected}");
        }
    }
}

#[test]
fn the_mean_absolute_error_and_its_gradient_are_correct() {
    let network = networks().next().unwrap();
    let case = Case::of(&network);
    let predictions = reference::forward(&network, &double(&case.parameters), &double(&case.inputs), BATCH, STEPS);
    let distances = predictions.iter().zip(&case.targets).map(|(p, &t)| (p - f64::from(t)).abs());
    let expected = distances.sum::<f64>() / case.targets.len() as f64;
    // The head's bias shifts every prediction equally, so its gradient is the mean sign.
    let bias = network.parameters().pop().unwrap();
    let signs = predictions.iter().zip(&case.targets).skip(1).step_by(3).map(|(p, &t)| (p - f64::from(t)).signum());
    let slope = signs.sum::<f64>() / case.targets.len() as f64;
    for mut engine in engines(&network, Loss::Mae) {
        let mut gradient = vec![0.0; case.parameters.len()];
        let loss = engine.loss_and_gradient(&case.parameters, case.batch(), &mut gradient).unwrap();
        assert!((f64::from(loss) - expected).abs() < TOLERANCE, "{loss}, {expected}");
        assert!((f64::from(gradient[bias.offset + 1]) - slope).abs() < TOLERANCE);
    }
}

#[test]
fn the_same_call_gives_the_same_bytes() {
    for network in networks() {
        let case = Case::of(&network);
        let run = || {
            engines(&network, Loss::Mse).map(|mut engine| {
                let mut gradient = vec![0.0; case.parameters.len()];
                let loss = engine.loss_and_gradient(&case.parameters, case.batch(), &mut gradient).unwrap();
                (loss, gradient)
            })
        };
        assert_eq!(run(), run(), "{network:?}");
    }
}

#[test]
fn wrong_lengths_are_reported() {
    let network = networks().next().unwrap();
    let case = Case::of(&network);
    for mut engine in engines(&network, Loss::Mse) {
        let mut gradient = vec![0.0; case.parameters.len()];
        let mut batch = case.batch();
        batch.targets = &case.targets[1..];
        let error = engine.loss_and_gradient(&case.parameters, batch, &mut gradient).unwrap_err();
        assert!(matches!(error, EngineError::Shape { what: "targets", .. }), "{error}");
        let error = engine.loss_and_gradient(&case.parameters[1..], case.batch(), &mut gradient).unwrap_err();
        assert!(matches!(error, EngineError::Shape { what: "parameters", .. }), "{error}");
        let empty = Inputs { batch: 0, steps: STEPS, values: &[] };
        let error = engine.predict(&case.parameters, empty, Steps::Last, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, EngineError::Shape { what: "inputs", .. }), "{error}");
    }
}

#[test]
fn a_missing_gpu_is_reported() {
    let network = networks().next().unwrap();
    let built = build(&network, Objective::of(Loss::Mse), Device::Cuda(99), EngineChoice::Auto, 1);
    assert!(matches!(built.err(), Some(EngineError::NoDevice(name)) if name == "cuda:99"));
}
