//! Fine-tuning a stored model.

use std::fs;
use std::path::Path;

use gatecast_core::order::{Cell, Optimizer, ScalingChoice};
use gatecast_core::trainer::{BaseModel, Fault, FinetuneTask, TrainerEvent};
use gatecast_data::Frame;
use gatecast_model::bundle::{self, Bundle};

use crate::learn::killed::killed_anywhere_from;
use crate::learn::{epochs, events, events_from, failed, finished, sines, task};

/// Three sines, a tenth higher than those of the first model.
fn higher() -> Frame {
    let mut frame = sines(3, 60);
    frame.columns[0].values.iter_mut().for_each(|value| *value *= 1.1);
    frame
}

/// A model of two series, and a task that fine-tunes it.
fn tuned(folder: &Path, freeze: &[&str], refit_scaling: bool) -> (Bundle, FinetuneTask) {
    let first = task(folder);
    finished(&events(sines(2, 60), &first));
    let stored = folder.join("stored.safetensors");
    fs::copy(&first.model, &stored).unwrap();
    let freeze = freeze.iter().map(|name| (*name).to_owned()).collect();
    let base = BaseModel { id: None, bundle: stored.clone(), freeze, refit_scaling };
    (bundle::read(&stored).unwrap(), FinetuneTask { train: first, base })
}

fn tuning_events(frame: Frame, task: &FinetuneTask) -> Vec<TrainerEvent> {
    events_from(frame, &task.train, Some(&task.base))
}

#[test]
fn fine_tuning_starts_from_the_stored_weights_and_keeps_the_scaling() {
    let folder = tempfile::tempdir().unwrap();
    let (base, mut task) = tuned(folder.path(), &[], false);
    let again = tuning_events(sines(2, 60), &task);
    let (first, own) = (epochs(&again)[0].training.loss, base.manifest.metrics.model.validation.unwrap());
    assert!(first < 3.0 * own.loss.unwrap(), "{first} is no beginning from {own:?}");

    finished(&tuning_events(higher(), &task));
    let kept = bundle::read(&task.train.model).unwrap();
    assert_eq!(kept.scaler, base.scaler, "the third series is scaled by its context");
    let from = kept.manifest.finetuned_from.unwrap();
    assert_eq!((from.scaling, from.trained_on), (ScalingChoice::Keep, base.manifest.trained_on));

    task.base.refit_scaling = true;
    finished(&tuning_events(higher(), &task));
    let refitted = bundle::read(&task.train.model).unwrap();
    assert_eq!(refitted.scaler.keys(), ["s0", "s1", "s2"]);
    assert_eq!(refitted.manifest.finetuned_from.unwrap().scaling, ScalingChoice::Refit);
}

#[test]
fn frozen_variables_do_not_change_even_with_decay_and_momentum() {
    let folder = tempfile::tempdir().unwrap();
    let (base, mut task) = tuned(folder.path(), &["recurrent.0", "recurrent.1.bias"], false);
    for optimizer in [
        r#"{"type": "adamw", "learning_rate": 0.01, "weight_decay": 0.5}"#,
        r#"{"type": "sgd", "momentum": 0.9, "nesterov": true, "weight_decay": 0.1}"#,
        r#"{"type": "rmsprop", "momentum": 0.9}"#,
        r#"{"type": "nadam", "learning_rate": "find"}"#,
    ] {
        task.train.order.training.optimizer = serde_json::from_str::<Optimizer>(optimizer).unwrap();
        let told = tuning_events(higher(), &task);
        finished(&told);
        let layers: Vec<String> = epochs(&told)[0].gradient_norm.keys().cloned().collect();
        assert_eq!(layers, ["head", "recurrent.1"], "what is frozen has no gradient");
        let model = bundle::read(&task.train.model).unwrap();
        for parameter in model.network.parameters() {
            let bits =
                |bundle: &Bundle| bundle.parameters[parameter.range()].iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let frozen = parameter.name.starts_with("recurrent.0") || parameter.name == "recurrent.1.bias";
            assert_eq!(bits(&model) == bits(&base), frozen, "{optimizer}: {}", parameter.name);
        }
    }
}

#[test]
fn a_killed_fine_tuning_resumes_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (_, tuning) = tuned(folder.path(), &["recurrent.0"], true);
    killed_anywhere_from(Some(&tuning.base), |_| (), 9);
}

#[test]
fn another_network_or_other_columns_are_a_fault_of_the_request() {
    let folder = tempfile::tempdir().unwrap();
    let (_, good) = tuned(folder.path(), &[], false);
    type Change = fn(&mut FinetuneTask);
    let changes: [(Change, &str); 5] = [
        (|bad| bad.train.order.model.cell = Cell::Lstm, "`model` differs from the network"),
        (|bad| bad.train.order.data.horizon = 4, "a horizon of 3, and the request 4"),
        (|bad| bad.train.order.data.scaling = serde_json::from_str("\"none\"").unwrap(), "`data.scaling` differs"),
        (|bad| bad.base.freeze = vec!["nothing".to_owned()], "`nothing`"),
        (|bad| bad.base.bundle = "gone.safetensors".into(), "was deleted"),
    ];
    for (change, expected) in changes {
        let mut bad = good.clone();
        let _ = fs::remove_file(&bad.train.model);
        change(&mut bad);
        let told = tuning_events(sines(2, 60), &bad);
        let (fault, code, detail) = failed(&told);
        assert_eq!((fault, code), (Fault::Order, "finetune_mismatch"));
        assert!(detail.contains(expected), "{detail}");
        assert!(!bad.train.model.exists());
    }
}
