//! Every `unsafe` block of the portable level at sizes that Miri gets through:
//! `cargo miri test -p gatecast-nn --lib portable_tests`. The values are checked too, so that the
//! tests mean something without Miri.

use super::correlate::{Correlate, Factor};
use super::engine::Fused;
use super::layout::BLOCK;
use super::product::{Matrix, Packed, Product, Start};
use super::simd::Level;
use super::testing::{close, network, numbers};
use crate::engine::{Batch, DropoutKey, Engine, Inputs, Objective, Steps};
use crate::reference::{forward, forward_dropping};
use gatecast_core::order::{Cell, Loss};

fn portable() -> Level {
    Level::available().last().unwrap()
}

#[test]
fn every_cell_trains_and_forecasts() {
    let (steps, batch) = (3, 5);
    for cell in Cell::ALL {
        for layer_norm in [false, true] {
            let mut network = network(cell, layer_norm, 2, &[3, 2], 2);
            (network.layers[0].dropout, network.layers[1].recurrent_dropout) = (0.4, 0.4);
            network.layers[1].dilation = 2;
            let draw = Some(DropoutKey { seed: 1, step: 2 });
            let parameters = numbers(1, network.parameter_count());
            let values = numbers(2, batch * steps * 2);
            let targets = numbers(3, batch * steps * 2);
            let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
            let mut engine = Fused::with_level(&network, Objective::of(Loss::Mse), 1, portable()).unwrap();
            let inputs = Inputs { batch, steps, values: &values };
            let mut gradient = vec![f32::NAN; parameters.len()];
            let learned = Batch { draw, ..Batch::new(inputs, &targets) };
            let loss = engine.loss_and_gradient(&parameters, learned, &mut gradient).unwrap();
            let said = forward_dropping(&network, &wide(&parameters), &wide(&values), batch, steps, draw);
            let errors = said.iter().zip(wide(&targets)).map(|(a, b)| (a - b).powi(2));
            let want = errors.sum::<f64>() / targets.len() as f64;
            assert!(close(loss, want, 1e-4), "{cell:?}, layer norm {layer_norm}: {loss} for {want}");
            assert!(gradient.iter().all(|slope| slope.is_finite()), "{cell:?}");
            // Series by series, then together: two different paths.
            for count in [1, batch] {
                let (values, mut got) = (&values[..count * steps * 2], Vec::new());
                let inputs = Inputs { batch: count, steps, values };
                engine.predict(&parameters, inputs, Steps::Trained, &mut got).unwrap();
                let want = forward(&network, &wide(&parameters), &wide(values), count, steps);
                for (&got, &want) in got.iter().zip(&want) {
                    assert!(close(got, want, 1e-4), "{cell:?}, layer norm {layer_norm}: {got} for {want}");
                }
            }
        }
    }
}

#[test]
fn products_of_odd_sizes_stay_in_bounds() {
    let (rows, depth, steps, lanes) = (7, 5, 2, 2 * BLOCK);
    let (data, x) = (numbers(1, rows * depth), numbers(2, steps * depth * lanes));
    let mut weights = Packed::default();
    weights.pack(portable(), Matrix { data: &data, rows, columns: depth, rotate: 3 });
    let mut out = vec![f32::NAN; steps * rows * lanes];
    let (x_stride, out_stride) = (depth * lanes, rows * lanes);
    portable().run(Product {
        weights: &weights,
        start: Start::Zero,
        steps,
        lanes,
        x: &x,
        x_stride,
        out: &mut out,
        out_stride,
    });
    let want: f32 = (0..depth).map(|k| data[((rows - 1 + 3) % rows) * depth + k] * x[k * lanes + lanes - 1]).sum();
    assert!((out[rows * lanes - 1] - want).abs() < 1e-5);
}

/// Once with few columns, once with enough that a tile's rows are copied together.
#[test]
fn correlations_of_odd_sizes_stay_in_bounds() {
    let (rows, steps, lanes) = (5, 3, BLOCK);
    for columns in [3, 49] {
        let (a, b) = (numbers(1, steps * rows * lanes), numbers(2, steps * columns * lanes));
        let mut out = vec![f32::NAN; rows * columns];
        let factor = Factor { data: &a, stride: rows * lanes, rows };
        let other = Factor { data: &b, stride: columns * lanes, rows: columns };
        portable().run(Correlate { a: factor, b: other, steps, lanes, out: &mut out });
        let (row, column) = (rows - 1, columns - 1);
        let terms = (0..steps * lanes).map(|i| {
            let (step, lane) = (i / lanes, i % lanes);
            a[(step * rows + row) * lanes + lane] * b[(step * columns + column) * lanes + lane]
        });
        assert!((out[rows * columns - 1] - terms.sum::<f32>()).abs() < 1e-4);
    }
}
