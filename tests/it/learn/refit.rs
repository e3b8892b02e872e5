//! The second training on all data, short series, and corrections that are shrunk.

use std::fs;
use std::path::Path;

use gatecast_core::order::{Base, Missing, Optimizer, Scaling, ScalingKind, ScalingScope, Split};
use gatecast_core::trainer::{TrainTask, TrainerEvent, WindowCounts};
use gatecast_data::Frame;

use super::killed::killed_anywhere;
use super::{events, finished, sines, task, warnings};

/// As the defaults have it, but small.
fn automatic(task: &mut TrainTask) {
    let data = &mut task.order.data;
    data.split = Split::Horizons { validation: 2, test: 1 };
    data.scaling = Scaling::new(ScalingKind::Standard, ScalingScope::Window);
    data.missing = Missing::Mask;
    data.base = Base::SeasonalNaive;
    data.season = 4;
    task.order.training.refit = true;
}

fn automatic_task(folder: &Path) -> TrainTask {
    let mut task = task(folder);
    automatic(&mut task);
    task
}

/// The bytes of a model after its header, which has the metrics.
fn weights(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].to_vec()
}

#[test]
fn a_training_with_refit_killed_anywhere_and_resumed_leaves_the_same_bytes() {
    killed_anywhere(automatic, 5);
}

#[test]
fn a_refit_learns_from_the_held_out_points_and_keeps_the_metrics_of_the_first_training() {
    let train = |frame: Frame, refit: bool| {
        let folder = tempfile::tempdir().unwrap();
        let mut task = automatic_task(folder.path());
        task.order.training.refit = refit;
        let metrics = finished(&events(frame, &task));
        (metrics, weights(&task.model))
    };
    let changed = || {
        let mut frame = sines(3, 60);
        // The last point of the last series, which is in the test part.
        *frame.columns[0].values.last_mut().unwrap() += 5.0;
        frame
    };
    let ((first, once), (second, twice)) = (train(sines(3, 60), true), train(changed(), true));
    assert_ne!(once, twice, "the last point is trained on");
    assert_eq!(first.model.validation, second.model.validation);
    assert_ne!(first.model.test, second.model.test, "the test part was evaluated");
    assert_eq!(train(sines(3, 60), false).1, train(changed(), false).1, "without a refit it is not trained on");
}

#[test]
fn short_series_are_trained_on_after_unknown_points() {
    let mut frame = sines(2, 60);
    // 10 points, where a window takes 12 + 3 and 4 more for the base.
    frame.series[1].rows.end = frame.series[1].rows.start + 10;
    let windows = |missing: Missing| {
        let folder = tempfile::tempdir().unwrap();
        let mut task = automatic_task(folder.path());
        (task.order.data.missing, task.order.training.refit) = (missing, false);
        let events = events(frame.clone(), &task);
        finished(&events);
        events.iter().find_map(|event| match event {
            TrainerEvent::Started { windows, .. } => Some(*windows),
            _ => None,
        })
    };
    let (masked, filled) = (windows(Missing::Mask).unwrap(), windows(Missing::Interpolate).unwrap());
    // The validation part of the short series is 6 points, which leaves it 4 to train on, and no test part.
    assert_eq!(masked.training, filled.training + 1);
    assert_eq!(masked.validation, filled.validation + 4);
    assert_eq!(masked.test, filled.test);
    assert_ne!(masked, WindowCounts::default());
}

#[test]
fn a_useless_correction_is_shrunk_until_the_model_is_no_worse_than_its_base() {
    let folder = tempfile::tempdir().unwrap();
    let mut task = automatic_task(folder.path());
    // A learning rate that no network survives.
    task.order.training.optimizer = Optimizer::adam(30.0);
    task.order.training.epochs = 2;
    let mut frame = sines(3, 60);
    frame.columns[0]
        .values
        .iter_mut()
        .enumerate()
        .for_each(|(at, value)| *value = (at % 4) as f64 + (at % 7) as f64 / 10.0);
    let events = events(frame, &task);
    let metrics = finished(&events);
    let (model, naive) = (metrics.model.validation.unwrap(), metrics.baselines.seasonal_naive.validation.unwrap());
    assert!(model.mae <= naive.mae * 1.000_001, "{} {}", model.mae, naive.mae);
    let is_shrunk =
        |event: &TrainerEvent| matches!(event, TrainerEvent::Info { code, .. } if code == "correction_shrunk");
    assert!(events.iter().any(is_shrunk));
}

#[test]
fn a_model_worse_than_repeating_the_season_carries_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let mut task = automatic_task(folder.path());
    (task.order.data.base, task.order.training.refit, task.order.training.epochs) = (Base::None, false, 1);
    let mut frame = sines(3, 60);
    // Exactly seasonal but for one step up, which gives MASE its scale.
    frame.columns[0].values.iter_mut().enumerate().for_each(|(at, value)| {
        *value = (at % 4) as f64 + if at % 60 > 20 { 3.0 } else { 0.0 };
    });
    let events = events(frame, &task);
    assert!(warnings(&events).contains(&"worse_than_seasonal_naive"), "{:?}", warnings(&events));
    let metrics = finished(&events);
    assert!(metrics.worse_than_naive().unwrap().contains("on the test windows"));
}
