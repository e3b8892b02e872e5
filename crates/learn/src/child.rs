//! The trainer's process: `gatecast train`.
//!
//! The process reads one line of JSON, the task, from standard input. It writes events to standard output, one per
//! line, and its log to standard error. EOF on standard input means that the server is gone, and the process exits at
//! once. Nothing is lost by that, because checkpoints and models are written atomically.

use std::any::Any;
use std::io::{self, BufRead, Read, Write};
use std::ops::ControlFlow;
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::thread;

use rustix::process::{Signal, getpid, kill_process};

use super::progress::EventSink;
use super::{backtest, train};
use gatecast_core::trainer::{Task, TrainerEvent};
use gatecast_model::error::LearnError;
use gatecast_nn::engine::MakeEngine;

/// Longer than any task that the API accepts.
const LONGEST_TASK: u64 = 16 << 20;

/// Runs the task from standard input with engines that `make` creates.
pub fn run(make: MakeEngine) -> io::Result<()> {
    let mut line = String::new();
    io::stdin().lock().take(LONGEST_TASK).read_line(&mut line)?;
    let task: Task = serde_json::from_str(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    thread::Builder::new().name("watcher".to_owned()).spawn(end_with_parent)?;
    let training = panic::catch_unwind(AssertUnwindSafe(|| {
        let sink: &mut EventSink<'_> = &mut |event| match write(&event) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        match &task {
            Task::Train(task) => train::train(task, None, make, sink),
            Task::Finetune(task) => train::train(&task.train, Some(&task.base), make, sink),
            Task::Backtest(task) => backtest::run(task, sink),
        }
    }));
    match training {
        Ok(()) => Ok(()),
        Err(panic) => write(&failure(panic.as_ref())),
    }
}

/// Exits the process at EOF on standard input.
fn end_with_parent() {
    let mut nothing = [0; 64];
    let mut input = io::stdin().lock();
    loop {
        match input.read(&mut nothing) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    // Kills the process, because an orderly exit would run the tensor library's destructors while its threads are
    // running.
    let _ = kill_process(getpid(), Signal::KILL);
    process::abort();
}

fn write(event: &TrainerEvent) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

fn failure(panic: &(dyn Any + Send)) -> TrainerEvent {
    let message = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    LearnError::Broken(message.unwrap_or("no reason given").to_owned()).event()
}
