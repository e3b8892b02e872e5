//! The trainer process: it reads a task from stdin, writes events to stdout, and exchanges files by path.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gatecast_core::trainer::{Fault, Task, TrainTask, TrainerEvent};
use gatecast_data::{Encoding, UploadOptions, ingest};
use gatecast_learn::train::train;
use gatecast_model::bundle;

use crate::learn::{epochs, finished, task};

/// A task to train on a stored dataset of two sines.
fn stored(folder: &Path) -> TrainTask {
    let mut csv = "series,time,x\n".to_owned();
    for series in 0..2 {
        for day in 0..90 {
            let value = 50.0 + (f64::from(day) / (3.0 + f64::from(series))).sin();
            let date = jiff::civil::date(2024, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap();
            csv += &format!("s{series},{date},{value}\n");
        }
    }
    let ingested = ingest(csv.as_bytes(), Encoding::Identity, &UploadOptions::default(), folder).unwrap();
    let mut task = task(folder);
    task.dataset.path = folder.join(format!("{}.parquet", ingested.sha256));
    task.dataset.index = folder.join(format!("{}.index.parquet", ingested.sha256));
    fs::rename(&ingested.points, &task.dataset.path).unwrap();
    fs::rename(&ingested.index, &task.dataset.index).unwrap();
    task.dataset.sha256 = ingested.sha256.clone();
    task
}

fn start(task: &TrainTask) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatecast"))
        .arg("train")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = serde_json::to_string(&Task::Train(task.clone())).unwrap() + "\n";
    child.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    child
}

fn events(child: &mut Child) -> impl Iterator<Item = TrainerEvent> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

#[test]
fn the_trainer_process_gives_the_same_model_as_the_library() {
    let folder = tempfile::tempdir().unwrap();
    let mut here = stored(folder.path());
    let mut child = start(&here);
    let told: Vec<_> = events(&mut child).collect();
    assert!(child.wait().unwrap().success());
    let metrics = finished(&told);
    assert_eq!(epochs(&told).len(), 5);
    let model = bundle::read(&here.model).unwrap();
    assert_eq!(model.manifest.metrics, metrics);
    assert_eq!(model.manifest.frequency, Some("P1D".parse().unwrap()));
    assert_eq!(model.scaler.keys(), ["s0", "s1"]);

    let bytes = fs::read(&here.model).unwrap();
    here.model = folder.path().join("model-2.safetensors");
    train(&here, None, gatecast_nn::engine::build, &mut |_| ControlFlow::Continue(()));
    assert!(fs::read(&here.model).unwrap() == bytes);
}

#[test]
fn the_trainer_process_exits_at_eof_on_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let mut endless = stored(folder.path());
    endless.order.training.epochs = 100_000;
    let mut child = start(&endless);
    let mut told = events(&mut child);
    assert!(told.any(|event| matches!(event, TrainerEvent::Epoch { .. })));
    drop(child.stdin.take());
    assert!(told.all(|event| !matches!(event, TrainerEvent::Finished { .. } | TrainerEvent::Failed { .. })));
    assert!(!child.wait().unwrap().success());
    assert!(!endless.model.exists());
}

#[test]
fn a_missing_or_damaged_dataset_fails_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = stored(folder.path());
    let mut bytes = fs::read(&damaged.dataset.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged.dataset.path, bytes).unwrap();
    for expected in ["dataset_corrupt", "dataset_deleted"] {
        let mut child = start(&damaged);
        let told: Vec<_> = events(&mut child).collect();
        let [TrainerEvent::Failed { fault: Fault::Order, code, detail }] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(code, expected);
        assert!(!detail.contains('/'), "no path belongs in {detail}");
        assert!(child.wait().unwrap().success());
        let _ = fs::remove_file(&damaged.dataset.path);
    }
}

#[test]
fn an_invalid_task_is_refused() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatecast"))
        .arg("train")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"{}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
}
