//! Limits that end a training before its last epoch, and the events it reports.

use gatecast_core::model::StoppedBy;
use gatecast_core::order::EarlyStopping;
use gatecast_core::trainer::{Fault, TrainTask, TrainerEvent};
use gatecast_model::bundle;

use crate::learn::killed::killed_anywhere;
use crate::learn::{epochs, events, failed, finished, sines, task, warnings};

fn infos(events: &[TrainerEvent]) -> Vec<&str> {
    let mut codes = Vec::new();
    for event in events {
        if let TrainerEvent::Info { code, .. } = event {
            codes.push(code.as_str());
        }
    }
    codes
}

fn stopped_by(task: &TrainTask) -> Option<StoppedBy> {
    bundle::read(&task.model).unwrap().manifest.stopped_by
}

#[test]
fn max_steps_limits_the_number_of_steps() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = task(folder.path());
    let all = events(sines(3, 60), &order);
    assert_eq!((epochs(&all).len(), stopped_by(&order), infos(&all)), (5, Some(StoppedBy::Epochs), vec![]));

    // 81 training windows are 6 batches of 16: one whole epoch, and a third of the second.
    order.order.training.max_steps = Some(8);
    let few = events(sines(3, 60), &order);
    finished(&few);
    assert_eq!((epochs(&few).len(), stopped_by(&order)), (2, Some(StoppedBy::MaxSteps)));
    assert_eq!(infos(&few), ["max_steps_reached"]);
    assert_eq!(epochs(&few)[0], epochs(&all)[0]);
    assert!(epochs(&few)[1].validation.is_some(), "the part of the epoch that was trained is evaluated");
    killed_anywhere(|task| task.order.training.max_steps = Some(8), 2);
}

#[test]
fn a_training_that_reaches_its_time_limit_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = task(folder.path());
    order.order.training.epochs = 100_000;
    order.order.training.time_limit_seconds = Some(0.2);
    let events = events(sines(3, 60), &order);
    finished(&events);
    let seconds: f64 =
        events.iter().map(|event| if let TrainerEvent::Epoch { report } = event { report.seconds } else { 0.0 }).sum();
    assert!(seconds >= 0.2, "{seconds}");
    assert_eq!((infos(&events), stopped_by(&order)), (vec!["time_limit_reached"], Some(StoppedBy::TimeLimit)));
}

#[test]
fn early_stopping_is_reported_and_a_plateau_is_warned_of_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = task(folder.path());
    order.order.training.epochs = 40;
    order.order.training.optimizer = serde_json::from_str(r#"{"type": "sgd", "learning_rate": 1e-9}"#).unwrap();
    order.order.training.early_stopping = Some(EarlyStopping { patience: 20, min_delta: 0.5 });
    let events = events(sines(3, 60), &order);
    finished(&events);
    let expected = vec!["few_training_windows", "plateau", "worse_than_seasonal_naive"];
    assert_eq!((warnings(&events), infos(&events)), (expected, vec!["stopped_early"]));
    assert_eq!(stopped_by(&order), Some(StoppedBy::EarlyStopping));
}

#[test]
fn each_epoch_reports_the_gradient_norm_of_each_layer() {
    let folder = tempfile::tempdir().unwrap();
    let order = task(folder.path());
    for report in epochs(&events(sines(3, 60), &order)) {
        let layers: Vec<&str> = report.gradient_norm.keys().map(String::as_str).collect();
        assert_eq!(layers, ["head", "recurrent.0", "recurrent.1"]);
        assert!(report.gradient_norm.values().all(|norm| *norm > 0.0 && norm.is_finite()), "{report:?}");
    }
}

#[test]
fn a_training_that_exceeds_the_memory_is_refused_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = task(folder.path());
    // Three wide layers whose states for one batch need terabytes.
    order.order.model.layers = vec![8192.into(); 3];
    order.order.training.batch_size = 65_536;
    order.order.data.context = 500;
    let told = events(sines(60, 1_000), &order);
    let (fault, code, detail) = failed(&told);
    assert_eq!((fault, code), (Fault::Order, "too_large"), "{detail}");
    assert!(detail.contains("GiB") && detail.contains("`training.batch_size`"), "{detail}");
    assert_eq!(told.len(), 1);
}
