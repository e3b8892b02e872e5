//! The engine against plain loops over `f64`, on every instruction set this processor has.

use proptest::prelude::*;

use super::engine::Fused;
use super::simd::Level;
use super::testing::{close, gradient, loss, network, numbers};
use crate::engine::{Batch, DropoutKey, Engine, EngineError, Inputs, Objective, Steps};
use crate::network::{Layer, Network, Role};
use crate::reference;
use gatecast_core::order::{Activation, Cell, Loss, Output};

/// Weights of a size as after initialising, so that no gate is stuck; gains about 1.
fn parameters(network: &Network, seed: u64) -> Vec<f32> {
    let mut values = numbers(seed, network.parameter_count());
    for parameter in network.parameters() {
        for value in &mut values[parameter.range()] {
            *value = if parameter.role == Role::Gain { 1.0 + 0.3 * *value } else { 0.6 * *value };
        }
    }
    values
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// Each weight moved by about its last bit in float32.
fn nudged(parameters: &[f64]) -> Vec<f64> {
    parameters.iter().enumerate().map(|(i, p)| p * (1.0 + [1e-7, -0.7e-7][i % 2])).collect()
}

fn output() -> impl Strategy<Value = Output> {
    prop_oneof![Just(Output::EveryStep), Just(Output::LastStep)]
}

/// As orders have it: where every step forecasts, none may see the future.
fn network_of(inputs: usize, mut layers: Vec<Layer>, outputs: usize, output: Output) -> Network {
    for at in 0..layers.len() {
        layers[at].bidirectional &= output == Output::LastStep;
        layers[at].residual &= at > 0 && layers[at].outputs() == layers[at.max(1) - 1].outputs();
    }
    Network { layers, ..Network::stack(Cell::Lstm, false, inputs, &[], outputs, output) }
}

fn rate() -> impl Strategy<Value = f32> {
    prop_oneof![2 => Just(0.0_f32), 1 => 0.05_f32..0.6]
}

/// Layers of any cells with any options; the residual links where they fit.
fn layers(units: std::ops::Range<usize>, count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Layer>> {
    let activation = prop_oneof![2 => Just(Activation::Tanh), 1 => Just(Activation::Relu), 1 => Just(Activation::Sigmoid), 1 => Just(Activation::Linear)];
    let cell = prop::sample::select(&Cell::ALL[..]);
    let dilation = prop_oneof![2 => Just(1_usize), 1 => 2_usize..5];
    let layer = (cell, any::<bool>(), units, activation, rate(), rate(), prop::bool::weighted(0.2), dilation).prop_map(
        |(cell, layer_norm, units, activation, dropout, recurrent_dropout, bidirectional, dilation)| Layer {
            activation: if cell.spec().activation { activation } else { Activation::Tanh },
            dropout,
            recurrent_dropout,
            bidirectional,
            dilation,
            ..Layer::new(cell, layer_norm, units)
        },
    );
    (prop::collection::vec(layer, count), any::<bool>()).prop_map(|(mut layers, residual)| {
        for at in 1..layers.len() {
            layers[at].units = if residual { layers[0].units } else { layers[at].units };
            layers[at].residual = residual;
        }
        layers
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn loss_and_gradient_equal_central_differences(output in output(), mae: bool, inputs in 1_usize..4,
        layers in layers(1..7, 1..4), outputs in 1_usize..4, batch in 1_usize..40, steps in 1_usize..6,
        dropping: bool, seed in 0_u64..1 << 32) {
        let network = network_of(inputs, layers, outputs, output);
        let layer_norm = network.layers.iter().any(|layer| layer.layer_norm);
        let kind = if mae { Loss::Mae } else { Loss::Mse };
        let draw = dropping.then_some(DropoutKey { seed, step: 3 });
        let parameters = parameters(&network, seed);
        let values = numbers(seed + 1, batch * steps * inputs);
        // Far from the predictions for MAE, whose slope jumps where they meet.
        let targets: Vec<f32> = numbers(seed + 2, batch * network.output_steps(steps) * outputs)
            .into_iter().map(|y| if mae { y + 99.0 * y.signum() } else { y }).collect();
        let (p, x, y) = (wide(&parameters), wide(&values), wide(&targets));
        let want_loss = loss(&network, kind, &p, &x, &y, batch, draw);
        let want = gradient(&network, kind, &p, &x, &y, batch, draw);
        // Float32 can be no better than the problem: layer norms over few units divide by little,
        // and a stack of them can turn the last bit of a weight into a thousandth of a gradient.
        // So allow what such a change of the weights does to the true gradient.
        let nudged = nudged(&p);
        let (mut slack, mut loss_slack) = (0.0, 0.0);
        if layer_norm {
            let by_gradient = gradient(&network, kind, &nudged, &x, &y, batch, draw);
            slack = want.iter().zip(by_gradient).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            loss_slack = (want_loss - loss(&network, kind, &nudged, &x, &y, batch, draw)).abs();
        }
        // Activations without bounds make gradients of any size, whose parts cancel.
        let largest = want.iter().fold(1.0, |most: f64, slope| most.max(slope.abs()));
        let tolerance = 1e-5 * largest + 10.0 * slack;
        for level in Level::available() {
            let mut engine = Fused::with_level(&network, Objective::of(kind), 1, level).unwrap();
            let mut got = vec![f32::NAN; parameters.len()];
            let batch = Batch { draw, ..Batch::new(Inputs { batch, steps, values: &values }, &targets) };
            let got_loss = engine.loss_and_gradient(&parameters, batch, &mut got).unwrap();
            prop_assert!(close(got_loss, want_loss, 2e-6 + 10.0 * loss_slack), "{}: loss {got_loss} for {want_loss}", level.name());
            for parameter in network.parameters() {
                for i in parameter.range() {
                    prop_assert!(close(got[i], want[i], tolerance),
                        "{} {}: {} for {}", level.name(), parameter.name, got[i], want[i]);
                }
            }
        }
    }

    #[test]
    fn predictions_equal_plain_loops(output in output(), last: bool, inputs in 1_usize..4,
        layers in layers(1..40, 1..4), outputs in 1_usize..20, batch in 1_usize..70, steps in 1_usize..6,
        seed in 0_u64..1 << 32) {
        let network = network_of(inputs, layers, outputs, output);
        let parameters = parameters(&network, seed);
        let values = numbers(seed + 1, batch * steps * inputs);
        let wanted = if last { Steps::Last } else { Steps::Trained };
        let true_to = |parameters: &[f64]| {
            let all = values.chunks(steps * inputs).map(|row| reference::forward(&network, parameters, &wide(row), 1, steps));
            all.flat_map(|all| if last { all[all.len() - outputs..].to_vec() } else { all }).collect::<Vec<f64>>()
        };
        let want = true_to(&wide(&parameters));
        // As for the gradient: what the last bit of a weight does to the true answer is no fault.
        let moved = true_to(&nudged(&wide(&parameters)));
        let slack = want.iter().zip(moved).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        for level in Level::available() {
            let mut engine = Fused::with_level(&network, Objective::of(Loss::Mse), 1, level).unwrap();
            let mut got = Vec::new();
            engine.predict(&parameters, Inputs { batch, steps, values: &values }, wanted, &mut got).unwrap();
            prop_assert_eq!(got.len(), want.len());
            for (&got, &want) in got.iter().zip(&want) {
                prop_assert!(close(got, want, 1e-5 + 10.0 * slack), "{}: {got} for {want}", level.name());
            }
        }
    }
}

/// One engine, used over and over with other sizes: nothing of one call is left in the next.
#[test]
fn scratch_memory_leaves_no_trace() {
    for cell in Cell::ALL {
        for layer_norm in [false, true] {
            let network = network(cell, layer_norm, 2, &[6, 9], 3);
            let parameters = parameters(&network, 1);
            let objective = Objective::of(Loss::Mse);
            let mut used = Fused::new(&network, objective.clone(), 1).unwrap();
            for (batch, steps) in [(70, 9), (3, 4), (33, 5), (1, 1), (16, 9), (70, 2)] {
                let values = numbers(2, batch * steps * 2);
                let targets = numbers(3, batch * steps * 3);
                let batch = Batch::new(Inputs { batch, steps, values: &values }, &targets);
                // Other parameters each time, then the same for training and prediction.
                let parameters: Vec<f32> = parameters.iter().map(|p| p * (1.0 + 0.01 * steps as f32)).collect();
                let run = |engine: &mut Fused| {
                    let mut gradient = vec![0.0; parameters.len()];
                    let loss = engine.loss_and_gradient(&parameters, batch, &mut gradient).unwrap();
                    let mut predictions = Vec::new();
                    engine.predict(&parameters, batch.inputs, Steps::Trained, &mut predictions).unwrap();
                    (loss, gradient, predictions)
                };
                assert_eq!(run(&mut used), run(&mut Fused::new(&network, objective.clone(), 1).unwrap()), "{cell:?}");
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    for cell in Cell::ALL {
        let mut network = network(cell, cell == Cell::Gru, 1, &[20, 20], 10);
        for layer in &mut network.layers {
            (layer.dropout, layer.recurrent_dropout) = (0.2, 0.3);
        }
        let parameters = parameters(&network, 4);
        for batch in [1, 16, 17, 32, 40, 130] {
            let values = numbers(5, batch * 12);
            let targets = numbers(6, batch * 120);
            let draw = Some(DropoutKey { seed: 7, step: 8 });
            let batch = Batch { draw, ..Batch::new(Inputs { batch, steps: 12, values: &values }, &targets) };
            let runs = [1, 2, 3].map(|threads| {
                let mut engine = Fused::new(&network, Objective::of(Loss::Mse), threads).unwrap();
                let mut gradient = vec![0.0; parameters.len()];
                let loss = engine.loss_and_gradient(&parameters, batch, &mut gradient).unwrap();
                let mut predictions = Vec::new();
                engine.predict(&parameters, batch.inputs, Steps::Trained, &mut predictions).unwrap();
                let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
                (loss.to_bits(), bits(gradient), bits(predictions))
            });
            assert!(runs[0] == runs[1] && runs[0] == runs[2], "{cell:?}");
        }
    }
}

/// A weight or an input that is NaN or infinite must not give a finite loss.
#[test]
fn numbers_that_are_not_finite_reach_the_loss() {
    for cell in Cell::ALL {
        for layer_norm in [false, true] {
            let network = network(cell, layer_norm, 1, &[5], 2);
            let clean = parameters(&network, 4);
            let targets = numbers(6, 3 * 4 * 2);
            for poison in [f32::NAN, f32::INFINITY] {
                let mut values = numbers(5, 3 * 4);
                let mut engine = Fused::new(&network, Objective::of(Loss::Mae), 1).unwrap();
                let mut gradient = vec![0.0; clean.len()];
                let mut poisoned = clean.clone();
                poisoned[clean.len() - 1] = poison;
                let batch = Batch::new(Inputs { batch: 3, steps: 4, values: &values }, &targets);
                assert!(!engine.loss_and_gradient(&poisoned, batch, &mut gradient).unwrap().is_finite());
                values[4] = f32::NAN;
                let batch = Batch::new(Inputs { batch: 3, steps: 4, values: &values }, &targets);
                assert!(engine.loss_and_gradient(&clean, batch, &mut gradient).unwrap().is_nan(), "{cell:?}");
            }
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let network = network(Cell::Lstm, false, 1, &[5], 2);
    let parameters = parameters(&network, 4);
    let mut engine = Fused::new(&network, Objective::of(Loss::Mse), 1).unwrap();
    let (values, targets) = (numbers(5, 12), numbers(6, 24));
    let inputs = Inputs { batch: 3, steps: 4, values: &values };
    let mut gradient = vec![0.0; parameters.len()];
    let mut fails = |parameters: &[f32], batch: Batch<'_>, gradient: &mut [f32]| {
        matches!(engine.loss_and_gradient(parameters, batch, gradient), Err(EngineError::Shape { .. }))
    };
    assert!(fails(&parameters[1..], Batch::new(inputs, &targets), &mut gradient));
    assert!(fails(&parameters, Batch::new(Inputs { steps: 5, ..inputs }, &targets), &mut gradient));
    assert!(fails(&parameters, Batch::new(inputs, &targets[1..]), &mut gradient));
    assert!(fails(&parameters, Batch::new(inputs, &targets), &mut gradient[1..]));
    let huge = Inputs { batch: usize::MAX, steps: 2, values: &values };
    assert!(engine.predict(&parameters, huge, Steps::Last, &mut Vec::new()).is_err());
}

/// A server keeps many engines, so it must know and free what one holds after a large forecast.
#[test]
fn scratch_memory_is_counted_and_freed() {
    let network = Network::stack(Cell::Lstm, false, 1, &[32, 32], 1, Output::LastStep);
    let parameters = parameters(&network, 1);
    let (batch, steps) = (64, 50);
    let values = numbers(2, batch * steps);
    let mut engine = Fused::new(&network, Objective::of(Loss::Mse), 1).unwrap();
    let idle = engine.scratch_bytes();
    let forecast = |engine: &mut Fused| {
        let mut predictions = Vec::new();
        engine.predict(&parameters, Inputs { batch, steps, values: &values }, Steps::Last, &mut predictions).unwrap();
        predictions
    };
    let first = forecast(&mut engine);
    // Of a shard of 32 series, at each step: gates, h, c and tanh(c) of both layers.
    let activations = 32 * steps * 2 * (4 + 3) * 32 * size_of::<f32>();
    let held = engine.scratch_bytes();
    assert!(held > activations && held < 2 * activations, "{held} bytes for {activations} of activations");
    engine.shrink();
    // What is left: the packed parameters, and a copy to compare the next ones with.
    let kept = engine.scratch_bytes() - idle;
    assert!(kept < 4 * size_of_val(&parameters[..]), "{kept} bytes are kept of {}", parameters.len());
    assert_eq!(forecast(&mut engine), first, "the numbers do not depend on it");
    assert_eq!(engine.scratch_bytes(), held);
}
