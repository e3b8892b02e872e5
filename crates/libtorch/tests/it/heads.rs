//! Every loss and head on both engines.

use gatecast_core::order::{Cell, Device, EngineChoice, Head, Loss, Output};
use gatecast_nn::engine::fused::Fused;
use gatecast_nn::engine::{Batch, Engine, Inputs, Objective, Steps};
use gatecast_nn::loss::{Criterion, Layout, Targets};
use gatecast_nn::network::Network;
use gatecast_nn::random::{Purpose, Random};

use super::build;

fn quantiles(levels: &[f64]) -> Head {
    Head::Quantile { levels: levels.to_vec() }
}

fn criteria() -> Vec<Criterion> {
    let points = [Loss::Mse, Loss::Mae, Loss::Huber { delta: 0.5 }, Loss::Smape, Loss::Mase].map(Criterion::of_points);
    let heads = [quantiles(&[0.1, 0.5, 0.9]), Head::Normal {}, Head::StudentT {}, Head::NegativeBinomial {}];
    points.into_iter().chain(heads.map(Criterion::of_head)).collect()
}

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed, Purpose::Initialise, 0);
    (0..count).map(|_| (0.5 * random.normal()) as f32).collect()
}

#[test]
fn both_engines_agree_on_every_loss_with_weights_units_and_unknown_values() {
    // Enough for a full block of lanes and a partial one.
    let (series, steps, points) = (19, 5, 4);
    for criterion in criteria() {
        for output in [Output::EveryStep, Output::LastStep] {
            let network = Network::stack(Cell::Gru, false, 2, &[5], points * criterion.width(), output);
            let output_steps = network.output_steps(steps);
            let parameters = numbers(network.parameter_count(), 1);
            let values = numbers(series * steps * 2, 2);
            let mut targets: Vec<f32> =
                numbers(series * output_steps * points, 3).iter().map(|x| x + 1.5 * x.signum()).collect();
            targets.iter_mut().step_by(6).for_each(|target| *target = f32::NAN);
            let weights: Vec<f32> = (0..series).map(|at| (at % 3) as f32).collect();
            // Two targets: one with scale 1, one with scale 20 and without a seasonal error.
            let units: Vec<f32> = (0..series).flat_map(|_| [1.0, 4.0, 1.5, 20.0, 60.0, f32::NAN]).collect();
            let inputs = Inputs { batch: series, steps, values: &values };
            let batch = Batch { weights: &weights, units: &units, ..Batch::new(inputs, &targets) };
            let objective = Objective { criterion: criterion.clone() };
            let run = |mut engine: Box<dyn Engine>, batch: Batch<'_>| {
                let mut gradient = vec![f32::NAN; parameters.len()];
                let loss = engine.loss_and_gradient(&parameters, batch, &mut gradient).unwrap();
                let mut predictions = Vec::new();
                engine.predict(&parameters, batch.inputs, Steps::Trained, &mut predictions).unwrap();
                (loss, gradient, predictions)
            };
            let libtorch =
                || build(&network, objective.clone(), Device::Cpu, EngineChoice::Libtorch, 1).unwrap().engine;
            let fused = || Box::new(Fused::new(&network, objective.clone(), 2).unwrap());
            let (loss, gradient, said) = run(libtorch(), batch);
            let layout =
                Layout { series, steps: output_steps, strides: [output_steps * network.outputs, network.outputs, 1] };
            let truth = Targets { targets: &targets, weights: &weights, units: &units };
            let (total, weight) = criterion.loss_sum(&said, layout, truth);
            let near = |got: f32, expected: f32, what: &str| {
                let error = (got - expected).abs();
                assert!(error < 2e-4 * (1.0 + expected.abs()), "{criterion:?} {output:?} {what}: {got}, {expected}");
            };
            near(loss, (total / weight) as f32, "loss");
            let (fused_loss, fused_gradient, _) = run(fused(), batch);
            near(fused_loss, loss, "fused loss");
            gradient.iter().zip(&fused_gradient).for_each(|(&a, &b)| near(b, a, "gradient"));
            // The head's bias shifts its output equally at every point.
            let mut slopes = said;
            criterion.backward(&mut slopes, layout, truth, 1.0 / weight);
            let bias = network.parameters().pop().unwrap();
            for place in 0..network.outputs {
                let expected: f32 = slopes.iter().skip(place).step_by(network.outputs).sum();
                near(gradient[bias.offset + place], expected, "bias");
            }
            // If no value is known, loss and gradient are 0.
            let unknown = vec![f32::NAN; targets.len()];
            for engine in [libtorch(), fused() as Box<dyn Engine>] {
                let (loss, gradient, _) = run(engine, Batch { targets: &unknown, ..batch });
                assert!(loss == 0.0 && gradient.iter().all(|&slope| slope == 0.0), "{criterion:?}");
            }
        }
    }
}
