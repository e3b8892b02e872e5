//! The trainer's process: `gatecast train`.
//!
//! One line of JSON comes in on standard input, the task; events go out on standard output,
//! one a line; the log goes to standard error. The pipe on standard input stays open while someone
//! waits for the training: when it ends, this process ends, wherever it is. That loses nothing, for
//! checkpoints and models appear whole or not at all.

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

/// Longer than any task that the API lets through.
const LONGEST_TASK: u64 = 16 << 20;

/// Runs the task given by the process that started this one, with the engines that `make` makes.
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

/// Ends the process once standard input does.
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
    // At once: an orderly exit would run the tensor library's destructors under its own threads.
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
