//! The program `gatecast-libtorch` as the server starts it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use gatecast_core::ids::JobId;
use gatecast_core::order::{DataSpec, EngineChoice, ModelSpec, TrainSpec, TrainingSpec};
use gatecast_core::trainer::{DatasetSource, Task, TrainTask, TrainerEvent};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_gatecast-libtorch"))
}

/// Runs `train` with one line on standard input, which stays open until the program ends.
fn train(line: &str) -> Output {
    let mut child =
        program().arg("train").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{line}").unwrap();
    let output = child.wait_with_output().unwrap();
    drop(input);
    output
}

fn task(folder: &Path) -> Task {
    let order = TrainSpec {
        name: "sines".into(),
        dataset: "0192d3b4-5f6a-7c81-9e2f-0a1b2c3d4e5f".parse().unwrap(),
        data: DataSpec::of("x", 12, 3),
        model: ModelSpec::default(),
        training: TrainingSpec { engine: EngineChoice::Libtorch, ..TrainingSpec::default() },
    };
    Task::Train(TrainTask {
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
        checkpoint: folder.join("checkpoint.safetensors"),
        model: folder.join("model.safetensors"),
        known_epochs: 0,
        threads: 1,
        all_baselines: false,
    })
}

#[test]
fn devices_are_printed_as_json_with_the_cpu_first() {
    let output = program().arg("devices").output().unwrap();
    assert!(output.status.success());
    let devices: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(devices.first().map(String::as_str), Some("cpu"));
    assert_eq!(devices.len() as i64, 1 + gatecast_libtorch::cards());
}

#[test]
fn train_reads_a_task_from_stdin_and_writes_events() {
    let folder = tempfile::tempdir().unwrap();
    let output = train(&serde_json::to_string(&task(folder.path())).unwrap());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let last = output.stdout.split(|&byte| byte == b'\n').rfind(|line| !line.is_empty()).unwrap();
    match serde_json::from_slice(last).unwrap() {
        TrainerEvent::Failed { code, .. } => assert_eq!(code, "dataset_deleted"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_invalid_task_and_an_unknown_command_fail_with_a_reason() {
    let output = train("{}");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("gatecast-libtorch: missing field `task`"));
    let output = program().arg("serve").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage: gatecast-libtorch train | devices"));
}
