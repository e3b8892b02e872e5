//! Trainings long enough to print figures worth keeping: run by name, one at a time, with
//! `cargo test --release --test it figures -- --ignored --nocapture --test-threads 1`.

use std::ops::ControlFlow;
use std::path::Path;

use gatecast::data::Frame;
use gatecast::data::frame::{FrameColumn, FrameSeries};
use gatecast::domain::metrics::FinalMetrics;
use gatecast::domain::order::{
    Cell, DataSpec, EarlyStopping, Loss, ModelSpec, Optimizer, Output, Scaling, Split, TrainingSpec,
};
use gatecast::domain::trainer::{Assignment, TrainerEvent};
use gatecast::learn::train::train_with;
use gatecast::nn::random::{Purpose, Random};

use crate::learn::{assignment, libtorch, rail, rail_assignment};

/// What a training came to, and the median seconds of its epochs.
fn run(frame: Frame, assignment: &Assignment) -> (FinalMetrics, f64, u32) {
    let (mut seconds, mut last) = (Vec::new(), None);
    train_with(frame, assignment, &libtorch, &mut |event| {
        if let TrainerEvent::Epoch { report } = &event {
            seconds.push(report.seconds);
        }
        last = Some(event);
        ControlFlow::Continue(())
    });
    let Some(TrainerEvent::Finished { metrics, best_epoch, .. }) = last else { panic!("{last:?}") };
    seconds.sort_by(f64::total_cmp);
    (*metrics, seconds[seconds.len() / 2], best_epoch)
}

/// The lesson's 10,000 series: two sines and noise.
fn lesson() -> Frame {
    let (series, points) = (10_000, 60);
    let mut random = Random::new(42, Purpose::Initialise, 0);
    let mut values = Vec::with_capacity(series * points);
    for _ in 0..series {
        let [f1, f2, o1, o2] = [0; 4].map(|_| random.uniform());
        for point in 0..points {
            let t = point as f64 / (points - 1) as f64;
            let waves = 0.5 * ((t - o1) * (10.0 * f1 + 10.0)).sin() + 0.2 * ((t - o2) * (20.0 * f2 + 20.0)).sin();
            values.push(waves + 0.1 * (random.uniform() - 0.5));
        }
    }
    let of = |at: usize| FrameSeries { key: format!("s{at}"), rows: at * points..(at + 1) * points, frequency: None };
    Frame {
        series: (0..series).map(of).collect(),
        times: None,
        columns: vec![FrameColumn { name: "x".into(), values }],
    }
}

fn lesson_assignment(folder: &Path, cell: Cell, layer_norm: bool) -> Assignment {
    let mut order = assignment(folder);
    order.order.data = DataSpec {
        context: Some(50),
        horizon: Some(10),
        season: Some(1),
        scaling: Scaling::None,
        split: Split::Series { validation: 0.2, test: 0.1, seed: 0 },
        targets: vec!["x".into()],
        ..DataSpec::default()
    };
    order.order.model = ModelSpec { cell, layer_norm, layers: vec![20, 20], output: Output::EveryStep };
    order.order.training = TrainingSpec::default();
    order
}

/// Keras printed about 0.0121, 0.0086 and 0.0103 on its draw.
#[test]
#[ignore = "takes minutes"]
fn figures_of_the_lesson() {
    let folder = tempfile::tempdir().unwrap();
    for (cell, layer_norm, bound) in
        [(Cell::SimpleRnn, true, 0.014), (Cell::Lstm, false, 0.011), (Cell::Gru, false, 0.012)]
    {
        let (metrics, seconds, _) = run(lesson(), &lesson_assignment(folder.path(), cell, layer_norm));
        let error = metrics.model.validation.unwrap().last_time_step_mse;
        println!("{cell:?}, layer norm {layer_norm}: {error:.5}, {seconds:.2} s an epoch");
        assert!(error <= bound);
    }
}

/// The book's linear model errs by 37,866 on these windows, its simple RNN by 29,015.
#[test]
#[ignore = "takes minutes"]
fn figures_of_the_rail_data() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = rail_assignment(folder.path(), r#"{"from": "2019-02-26", "to": "2019-05-31"}"#);
    let optimizer = Optimizer::Adam { learning_rate: 0.003, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 };
    for cell in [Cell::SimpleRnn, Cell::Lstm, Cell::Gru] {
        order.order.model = ModelSpec { cell, layer_norm: false, layers: vec![32], output: Output::LastStep };
        order.order.training = TrainingSpec {
            epochs: 200,
            loss: Loss::Mae,
            optimizer,
            early_stopping: Some(EarlyStopping { patience: 30, min_delta: 0.0 }),
            ..TrainingSpec::default()
        };
        let (metrics, seconds, best) = run(rail(), &order);
        let mae = metrics.model.validation.unwrap().mae;
        println!("{cell:?}: MAE {mae:.0} in epoch {best}, {seconds:.2} s an epoch");
        assert!(mae < 37_866.0);
    }
}
