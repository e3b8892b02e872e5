//! Learning on from a stored model.

use std::fs;
use std::path::Path;

use gatecast_core::order::{Cell, Optimizer, ScalingChoice};
use gatecast_core::trainer::{Assignment, Fault, FineTuning};
use gatecast_data::Frame;
use gatecast_model::bundle::{self, Bundle};

use crate::learn::killed::killed_anywhere;
use crate::learn::{assignment, epochs, events, failed, finished, sines};

/// Three sines, a tenth higher than those the first model saw.
fn higher() -> Frame {
    let mut frame = sines(3, 60);
    frame.columns[0].values.iter_mut().for_each(|value| *value *= 1.1);
    frame
}

/// A model of two series, and an assignment to learn on from it.
fn tuned(folder: &Path, freeze: &[&str], refit_scaling: bool) -> (Bundle, Assignment) {
    let first = assignment(folder);
    finished(&events(sines(2, 60), &first));
    let stored = folder.join("stored.safetensors");
    fs::copy(&first.model, &stored).unwrap();
    let freeze = freeze.iter().map(|name| (*name).to_owned()).collect();
    let finetune = Some(FineTuning { id: None, model: stored.clone(), freeze, refit_scaling });
    (bundle::read(&stored).unwrap(), Assignment { finetune, ..first })
}

#[test]
fn it_begins_at_the_stored_weights_and_keeps_the_scaling() {
    let folder = tempfile::tempdir().unwrap();
    let (base, mut assignment) = tuned(folder.path(), &[], false);
    let again = events(sines(2, 60), &assignment);
    let (first, own) = (epochs(&again)[0].training.loss, base.manifest.metrics.model.validation.unwrap());
    assert!(first < 3.0 * own.loss.unwrap(), "{first} is no beginning from {own:?}");

    finished(&events(higher(), &assignment));
    let kept = bundle::read(&assignment.model).unwrap();
    assert_eq!(kept.scaler, base.scaler, "the third series is scaled by its context");
    let from = kept.manifest.finetuned_from.unwrap();
    assert_eq!((from.scaling, from.trained_on), (ScalingChoice::Keep, base.manifest.trained_on));

    assignment.finetune.as_mut().unwrap().refit_scaling = true;
    finished(&events(higher(), &assignment));
    let refitted = bundle::read(&assignment.model).unwrap();
    assert_eq!(refitted.scaler.keys(), ["s0", "s1", "s2"]);
    assert_eq!(refitted.manifest.finetuned_from.unwrap().scaling, ScalingChoice::Refit);
}

#[test]
fn what_is_frozen_stays_to_the_bit_under_decay_and_momentum_too() {
    let folder = tempfile::tempdir().unwrap();
    let (base, mut assignment) = tuned(folder.path(), &["recurrent.0", "recurrent.1.bias"], false);
    for optimizer in [
        r#"{"type": "adamw", "learning_rate": 0.01, "weight_decay": 0.5}"#,
        r#"{"type": "sgd", "momentum": 0.9, "nesterov": true, "weight_decay": 0.1}"#,
        r#"{"type": "rmsprop", "momentum": 0.9}"#,
        r#"{"type": "nadam", "learning_rate": "find"}"#,
    ] {
        assignment.order.training.optimizer = serde_json::from_str::<Optimizer>(optimizer).unwrap();
        let told = events(higher(), &assignment);
        finished(&told);
        let layers: Vec<String> = epochs(&told)[0].gradient_norm.keys().cloned().collect();
        assert_eq!(layers, ["head", "recurrent.1"], "what is frozen has no gradient");
        let model = bundle::read(&assignment.model).unwrap();
        for parameter in model.network.parameters() {
            let bits =
                |bundle: &Bundle| bundle.parameters[parameter.range()].iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let frozen = parameter.name.starts_with("recurrent.0") || parameter.name == "recurrent.1.bias";
            assert_eq!(bits(&model) == bits(&base), frozen, "{optimizer}: {}", parameter.name);
        }
    }
}

#[test]
fn it_goes_on_after_a_kill_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (_, tuning) = tuned(folder.path(), &["recurrent.0"], true);
    killed_anywhere(|assignment| assignment.finetune.clone_from(&tuning.finetune), 9);
}

#[test]
fn another_network_or_other_columns_are_the_orders_fault() {
    let folder = tempfile::tempdir().unwrap();
    let (_, good) = tuned(folder.path(), &[], false);
    type Change = fn(&mut Assignment);
    let changes: [(Change, &str); 5] = [
        (|bad| bad.order.model.cell = Cell::Lstm, "another network"),
        (|bad| bad.order.data.horizon = Some(4), "a horizon of 3, and the order 4"),
        (|bad| bad.order.data.scaling = serde_json::from_str("\"none\"").unwrap(), "scales otherwise"),
        (|bad| bad.finetune.as_mut().unwrap().freeze = vec!["nothing".to_owned()], "`nothing`"),
        (|bad| bad.finetune.as_mut().unwrap().model = "gone.safetensors".into(), "is gone"),
    ];
    for (change, expected) in changes {
        let mut bad = good.clone();
        let _ = fs::remove_file(&bad.model);
        change(&mut bad);
        let told = events(sines(2, 60), &bad);
        let (fault, code, detail) = failed(&told);
        assert_eq!((fault, code), (Fault::Order, "finetune_mismatch"));
        assert!(detail.contains(expected), "{detail}");
        assert!(!bad.model.exists());
    }
}
