//! Learning rates: schedules, the range test, and resuming after a kill.

use std::fs;

use gatecast_core::order::{Cell, ModelSpec, Optimizer, Rate, Schedule};
use gatecast_core::trainer::{TrainTask, TrainerEvent};
use gatecast_model::bundle;

use crate::learn::killed::killed_anywhere;
use crate::learn::{epochs, events, finished, sines, task};

fn optimizer(text: &str) -> Optimizer {
    serde_json::from_str(text).unwrap()
}

fn with(schedule: &str) -> impl Fn(&mut TrainTask) {
    let schedule: Schedule = serde_json::from_str(schedule).unwrap();
    move |task| task.order.training.schedule = schedule
}

fn rates(task: &TrainTask) -> Vec<f64> {
    let events = events(sines(3, 60), task);
    finished(&events);
    epochs(&events).iter().map(|report| report.learning_rate.unwrap()).collect()
}

#[test]
fn each_epoch_reports_the_rate_of_its_last_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = task(folder.path());
    assert_eq!(rates(&order), [0.01; 5]);
    with(r#"{"type": "step", "every": 2, "factor": 0.5}"#)(&mut order);
    assert_eq!(rates(&order), [0.01, 0.01, 0.005, 0.005, 0.0025]);
    with(r#"{"type": "one_cycle"}"#)(&mut order);
    let cycle = rates(&order);
    let top = cycle.iter().copied().fold(0.0, f64::max);
    assert!(cycle[0] < top && cycle[4] < 1e-6, "{cycle:?}");
    // No change counts as a decrease, so every second epoch halves the rate.
    with(r#"{"type": "reduce_on_plateau", "factor": 0.5, "patience": 2, "min_delta": 1000000}"#)(&mut order);
    assert_eq!(rates(&order), [0.01, 0.01, 0.01, 0.005, 0.005]);
}

#[test]
fn every_schedule_resumes_after_a_kill_to_the_same_bytes() {
    for schedule in [
        r#"{"type": "exponential", "factor": 0.7}"#,
        r#"{"type": "cosine", "warmup_epochs": 1.5, "alpha": 0.1}"#,
        r#"{"type": "one_cycle"}"#,
        r#"{"type": "reduce_on_plateau", "patience": 1, "min_delta": 0.05}"#,
    ] {
        killed_anywhere(with(schedule), 11);
    }
}

#[test]
fn every_optimiser_resumes_after_a_kill_to_the_same_bytes() {
    for text in [
        r#"{"type": "adamw", "learning_rate": 0.01}"#,
        r#"{"type": "nadam", "learning_rate": 0.01, "weight_decay": 0.01}"#,
        r#"{"type": "rmsprop", "momentum": 0.5}"#,
        r#"{"type": "sgd", "momentum": 0.9, "nesterov": true}"#,
    ] {
        killed_anywhere(|task| task.order.training.optimizer = optimizer(text), 17);
    }
}

fn finds(task: &mut TrainTask) {
    task.order.training.optimizer = optimizer(r#"{"type": "adam", "learning_rate": "find"}"#);
    task.order.model = ModelSpec { cell: Cell::Gru, layers: vec![5.into()], ..task.order.model.clone() };
}

#[test]
fn the_found_rate_is_reported_and_stored_and_better_than_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = task(folder.path());
    order.order.training.epochs = 10;
    finds(&mut order);
    let told = events(sines(3, 200), &order);
    let detail = told.iter().find_map(|event| match event {
        TrainerEvent::Info { code, detail } if code == "learning_rate_found" => Some(detail.clone()),
        _ => None,
    });
    let found = bundle::read(&order.model).unwrap().manifest.found_rate.unwrap();
    assert!(detail.unwrap().contains(&format!("{:.3e}", found.learning_rate)));
    assert!((1e-3..0.1).contains(&found.learning_rate), "{found:?}");
    assert_eq!(epochs(&told)[0].learning_rate, Some(found.learning_rate));
    // It is better than rates a hundred times lower and higher.
    let loss = |rate: Rate| {
        let mut other = order.clone();
        if let (Optimizer::Adam { learning_rate, .. }, Rate::Fixed(_)) = (&mut other.order.training.optimizer, rate) {
            *learning_rate = rate;
        }
        finished(&events(sines(3, 200), &other)).model.validation.unwrap().loss.unwrap()
    };
    let at = |factor: f64| loss(Rate::Fixed((found.learning_rate * factor).min(10.0)));
    let (own, low, high) = (loss(Rate::Find), at(0.01), at(100.0));
    assert!(own < low && own < high, "{own} at {}; {low} and {high} beside", found.learning_rate);
}

#[test]
fn the_found_rate_is_kept_after_a_kill() {
    killed_anywhere(finds, 23);
}

#[test]
fn a_training_with_the_rate_finder_is_reproducible() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = task(folder.path());
    order.order.training.epochs = 1;
    finds(&mut order);
    finished(&events(sines(3, 60), &order));
    let first = fs::read(&order.model).unwrap();
    finished(&events(sines(3, 60), &order));
    assert!(fs::read(&order.model).unwrap() == first);
}
