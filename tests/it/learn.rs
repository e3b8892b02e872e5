//! Whole trainings, from a frame in memory to a model file, on the fused engine.

pub(crate) mod killed;
mod refit;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use gatecast_core::frequency::Frequency;
use gatecast_core::ids::JobId;
use gatecast_core::metric_values::{EpochReport, FinalMetrics};
use gatecast_core::order::{
    Cell, DataSpec, EarlyStopping, ModelSpec, Optimizer, Output, Part, Scaling, Split, TimeRange, TrainSpec,
    TrainingSpec,
};
use gatecast_core::trainer::{BaseModel, DatasetSource, Fault, TrainTask, TrainerEvent};
use gatecast_data::Frame;
use gatecast_data::frame::{FrameColumn, FrameSeries};
use gatecast_learn::train::train_with;
use gatecast_nn::engine::{self, Built, EngineError, Objective, Wanted};
use gatecast_nn::network::Network;

/// Sine series with different periods, and their keys.
pub(crate) fn sines(series: usize, points: usize) -> Frame {
    let wave = |at: usize, step: usize| (step as f64 / (3.0 + at as f64)).sin() * 10.0 + 50.0;
    Frame {
        series: (0..series)
            .map(|at| FrameSeries { key: format!("s{at}"), rows: at * points..(at + 1) * points, frequency: None })
            .collect(),
        times: None,
        columns: vec![FrameColumn {
            name: "x".into(),
            values: (0..series).flat_map(|at| (0..points).map(move |step| wave(at, step))).collect(),
        }],
        ..Frame::default()
    }
}

pub(crate) fn task(folder: &Path) -> TrainTask {
    let order = TrainSpec {
        name: "sines".into(),
        dataset: "0192d3b4-5f6a-7c81-9e2f-0a1b2c3d4e5f".parse().unwrap(),
        data: DataSpec { targets: vec!["x".into()], context: 12, horizon: 3, season: 1, ..DataSpec::of("x", 1, 1) },
        model: ModelSpec {
            cell: Cell::Gru,
            layer_norm: false,
            layers: vec![6.into(), 5.into()],
            output: Output::EveryStep,
            ..ModelSpec::default()
        },
        training: TrainingSpec {
            epochs: 5,
            batch_size: 16,
            optimizer: Optimizer::adam(0.01),
            ..TrainingSpec::default()
        },
    };
    TrainTask {
        job: JobId::new(),
        attempt: 1,
        dataset: DatasetSource {
            id: order.dataset,
            name: "sines".into(),
            revision: 1,
            path: folder.join("none.parquet"),
            index: folder.join("none.index.parquet"),
            sha256: "00".repeat(32),
        },
        order,
        resume: None,
        known_epochs: 0,
        checkpoint: folder.join("checkpoint-1.safetensors"),
        model: folder.join("model-1.safetensors"),
        threads: 1,
        all_baselines: false,
    }
}

pub(crate) fn fused(network: &Network, task: &TrainTask) -> Result<Built, EngineError> {
    let training = &task.order.training;
    let wanted = Wanted { device: training.device, choice: training.engine, threads: task.threads };
    engine::build(network, Objective::ordered(&task.order)?, wanted)
}

/// All events of a training that runs to its end.
pub(crate) fn events(frame: Frame, task: &TrainTask) -> Vec<TrainerEvent> {
    events_from(frame, task, None)
}

/// All events of a training that starts from a stored model, if one is given.
pub(crate) fn events_from(frame: Frame, task: &TrainTask, base: Option<&BaseModel>) -> Vec<TrainerEvent> {
    let mut events = Vec::new();
    train_with(frame, task, base, &fused, &mut |event| {
        events.push(event);
        ControlFlow::Continue(())
    });
    events
}

pub(crate) fn finished(events: &[TrainerEvent]) -> FinalMetrics {
    match events.last() {
        Some(TrainerEvent::Finished { metrics, .. }) => (**metrics).clone(),
        other => panic!("the training did not finish: {other:?}"),
    }
}

pub(crate) fn failed(events: &[TrainerEvent]) -> (Fault, &str, &str) {
    match events.last() {
        Some(TrainerEvent::Failed { fault, code, detail }) => (*fault, code, detail),
        other => panic!("the training did not fail: {other:?}"),
    }
}

/// The reported epochs, from a checkpoint's history or as they ended, without their seconds.
pub(crate) fn epochs(events: &[TrainerEvent]) -> Vec<EpochReport> {
    let told = events.iter().flat_map(|event| match event {
        TrainerEvent::Epochs { reports } => reports.clone(),
        TrainerEvent::Epoch { report } => vec![report.clone()],
        _ => Vec::new(),
    });
    told.map(|report| EpochReport { seconds: 0.0, ..report }).collect()
}

pub(crate) fn warnings<'e>(events: &'e [TrainerEvent]) -> Vec<&'e str> {
    let code = |event: &'e TrainerEvent| match event {
        TrainerEvent::Warning { code, .. } => Some(code.as_str()),
        _ => None,
    };
    events.iter().filter_map(code).collect()
}

#[test]
fn a_training_killed_anywhere_and_resumed_leaves_the_same_bytes() {
    killed::killed_anywhere(|_| {}, 3);
}

/// With dropout, which draws masks at each step; a resumed training must draw the same ones.
#[test]
fn a_training_with_dropout_killed_anywhere_and_resumed_leaves_the_same_bytes() {
    let dropping = |task: &mut TrainTask| {
        (task.order.model.dropout, task.order.model.recurrent_dropout) = (0.1, 0.1);
    };
    killed::killed_anywhere(dropping, 9);
}

#[test]
fn the_same_task_gives_the_same_bytes_and_another_seed_gives_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = task(folder.path());
    finished(&events(sines(2, 60), &order));
    let first = fs::read(&order.model).unwrap();
    finished(&events(sines(2, 60), &order));
    assert!(fs::read(&order.model).unwrap() == first);
    order.order.training.seed += 1;
    finished(&events(sines(2, 60), &order));
    assert!(fs::read(&order.model).unwrap() != first);
}

#[test]
fn a_damaged_or_foreign_checkpoint_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let first = task(folder.path());
    finished(&events(sines(3, 60), &first));
    let model = fs::read(&first.model).unwrap();
    let good = fs::read(&first.checkpoint).unwrap();
    let resume = folder.path().join("old.safetensors");
    let history = |checkpoint: &Path| checkpoint.with_extension("history");
    fs::copy(history(&first.checkpoint), history(&resume)).unwrap();
    let again = TrainTask { attempt: 2, resume: Some(resume.clone()), ..first };

    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let cut = |length: usize| good[..length].to_vec();
    for bad in [flipped, cut(0), cut(7), cut(100), cut(good.len() / 2), cut(good.len() - 1), vec![0xff; 1_000]] {
        fs::write(&resume, bad).unwrap();
        let events = events(sines(3, 60), &again);
        assert!(warnings(&events).contains(&"checkpoint_unusable"), "{events:?}");
        assert!(matches!(&events[0], TrainerEvent::Started { resumed_after: None, .. }));
        finished(&events);
        assert!(fs::read(&again.model).unwrap() == model);
    }

    fs::write(&resume, &good).unwrap();
    assert!(matches!(&events(sines(3, 60), &again)[0], TrainerEvent::Started { resumed_after: Some(5), .. }));
    // Epochs that the store already has are not reported again.
    let known = TrainTask { known_epochs: 3, ..again.clone() };
    let told = events(sines(3, 60), &known);
    assert!(
        matches!(&told[1], TrainerEvent::Epochs { reports } if reports.iter().map(|r| r.epoch).eq([4, 5])),
        "{told:?}"
    );
    // A checkpoint with another training's history is ignored like a damaged one.
    let whole = fs::read(history(&resume)).unwrap();
    fs::write(history(&resume), &whole[..whole.len() - 1]).unwrap();
    assert!(warnings(&events(sines(3, 60), &again)).contains(&"checkpoint_unusable"));
    fs::write(history(&resume), whole).unwrap();
    let mut other = again;
    other.order.training.batch_size = 8;
    assert!(warnings(&events(sines(3, 60), &other)).contains(&"checkpoint_unusable"));
}

#[test]
fn an_epoch_is_reported_after_its_checkpoint_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let order = task(folder.path());
    let mut seen = 0;
    train_with(sines(3, 60), &order, None, &fused, &mut |event| {
        if let TrainerEvent::Epoch { report } = event {
            seen += 1;
            let resumed = TrainTask { resume: Some(order.checkpoint.clone()), ..order.clone() };
            train_with(sines(3, 60), &resumed, None, &fused, &mut |event| {
                let TrainerEvent::Started { resumed_after, .. } = event else { panic!("{event:?} came first") };
                assert_eq!(resumed_after, Some(report.epoch));
                ControlFlow::Break(())
            });
        }
        ControlFlow::Continue(())
    });
    assert_eq!(seen, 5);
}

#[test]
fn a_network_learns_sines() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = task(folder.path());
    order.order.training.epochs = 30;
    let events = events(sines(3, 200), &order);
    let metrics = finished(&events);
    let (model, naive) = (metrics.model.test.unwrap(), metrics.baselines.naive.test.unwrap());
    assert!(model.mae < naive.mae / 8.0, "{} against the naive {}", model.mae, naive.mae);
    assert!(model.mase.unwrap() < 0.5, "{:?}", model.mase);
    // The best epoch is kept, and its final evaluation gives the same errors.
    let told = epochs(&events);
    let best = told.iter().rev().find(|report| report.best).unwrap();
    assert_eq!(best.validation, metrics.model.validation);
    let loss = |report: &EpochReport| report.validation.as_ref().unwrap().loss.unwrap();
    assert!(told.iter().all(|report| loss(best) <= loss(report)));
}

#[test]
fn a_loss_that_is_not_finite_fails_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = task(folder.path());
    order.order.data.scaling = Scaling::NONE;
    order.order.training.optimizer =
        serde_json::from_str(r#"{"type": "sgd", "learning_rate": 10, "momentum": 0.9}"#).unwrap();
    let mut huge = sines(3, 60);
    huge.columns[0].values.iter_mut().for_each(|value| *value *= 1e17);
    let events = events(huge, &order);
    let (fault, code, detail) = failed(&events);
    assert_eq!((fault, code), (Fault::Order, "diverged"));
    assert!(detail.contains("epoch 1") && detail.contains("learning rate below 10"), "{detail}");
    assert!(!order.model.exists());
}

#[test]
fn the_error_for_short_series_or_small_parts_states_the_minimum() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = task(folder.path());
    let short = events(sines(3, 14), &order);
    let (fault, code, detail) = failed(&short);
    assert_eq!((fault, code), (Fault::Order, "series_too_short"));
    assert!(detail.contains("15 points") && detail.contains("the longest has 14"), "{detail}");

    order.order.data.split =
        Split::Time { training: None, validation: Some(Part::Fraction(0.5)), test: Some(Part::Fraction(0.4)) };
    let small = events(sines(3, 60), &order);
    let (_, code, detail) = failed(&small);
    assert_eq!(code, "no_training_windows");
    assert!(detail.contains("at most 6 of a series"), "{detail}");
}

#[test]
fn parts_with_few_or_no_windows_cause_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = task(folder.path());
    order.order.training.epochs = 1;
    order.order.data.split =
        Split::Time { training: None, validation: Some(Part::Fraction(0.03)), test: Some(Part::Fraction(0.1)) };
    let events = events(sines(1, 60), &order);
    assert_eq!(warnings(&events), ["few_training_windows", "no_validation_windows"]);
    assert!(finished(&events).model.validation.is_none());
    assert!(finished(&events).model.test.is_some());
    assert!(epochs(&events)[0].best, "without validation the training loss decides");
}

#[test]
fn training_stops_early_and_keeps_the_best_weights() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = task(folder.path());
    order.order.training.epochs = 500;
    order.order.training.early_stopping = Some(EarlyStopping { patience: 3, min_delta: 0.001 });
    let events = events(sines(3, 60), &order);
    let Some(TrainerEvent::Finished { epochs: run, best_epoch, .. }) = events.last() else { panic!() };
    assert!(*run < 500, "{run}");
    assert!(best_epoch <= run);
}

/// Rail boardings of the sample, one point per day.
pub(crate) fn rail() -> Frame {
    let text = fs::read_to_string("assets/samples/cta_ridership.csv").unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let [month, day, year] = cells[0].split('/').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let time: jiff::Timestamp = format!("{year}-{month}-{day}T00:00:00Z").parse().unwrap();
        (time.as_microsecond(), cells[3].parse::<f64>().unwrap())
    };
    let points: std::collections::BTreeMap<i64, f64> = text.lines().skip(1).map(row).collect();
    Frame {
        series: vec![FrameSeries {
            key: "series".into(),
            rows: 0..points.len(),
            frequency: Some(Frequency::Fixed(86_400_000_000)),
        }],
        times: Some(points.keys().copied().collect()),
        columns: vec![FrameColumn { name: "rail".into(), values: points.into_values().collect() }],
        ..Frame::default()
    }
}

pub(crate) fn rail_task(folder: &Path, validation: &str) -> TrainTask {
    let mut order = task(folder);
    let part = |text: &str| -> Option<Part> { Some(Part::Range(serde_json::from_str::<TimeRange>(text).unwrap())) };
    order.order.data = DataSpec {
        targets: vec!["rail".into()],
        context: 56,
        horizon: 1,
        season: 7,
        split: Split::Time {
            training: part(r#"{"from": "2016-01-01", "to": "2018-12-31"}"#),
            validation: part(validation),
            test: None,
        },
        ..DataSpec::of("x", 1, 1)
    };
    order.order.model =
        ModelSpec { layers: vec![4.into()], cell: Cell::SimpleRnn, output: Output::LastStep, ..ModelSpec::default() };
    order.order.training.epochs = 1;
    order
}

/// The windows are those of Géron's "Hands-On Machine Learning", chapter 15, where the book
/// prints 42,143 for March to May 2019.
#[test]
fn the_seasonal_naive_error_on_the_rail_data_is_the_published_one() {
    let folder = tempfile::tempdir().unwrap();
    let judged = |range: &str| {
        let events = events(rail(), &rail_task(folder.path(), range));
        let TrainerEvent::Started { windows, .. } = &events[0] else { panic!("{events:?}") };
        (*windows, finished(&events).baselines.seasonal_naive.validation.unwrap().mae)
    };
    let (_, mae) = judged(r#"{"from": "2019-03-01", "to": "2019-05-31"}"#);
    assert!((mae - 42_143.271_739).abs() < 1e-5, "{mae}");
    // January to May cut into windows of 56 and 1: the first target is 56 days in.
    let (windows, _) = judged(r#"{"from": "2019-02-26", "to": "2019-05-31"}"#);
    assert_eq!((windows.training, windows.validation), (1_096 - 56, 151 - 56));
}
