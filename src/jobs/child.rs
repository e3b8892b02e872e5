//! The trainer's process: started with a lower priority than the server's, and always ended.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::bounded_lines::{Line, Lines};
use super::{PoolConfig, environment};
use gatecast_core::ids::JobId;
use gatecast_core::trainer::Task;

/// The longest line taken: the result of a backtest of many folds and series fits.
const LONGEST_EVENT: usize = 64 << 20;
const LONGEST_LOG_LINE: usize = 16 << 10;
/// How long a killed process may take to be gone; only one stuck in the kernel takes so long.
const END_WAIT: Duration = Duration::from_secs(5);
/// How long a new process may take to read its order.
const ORDER_WAIT: Duration = Duration::from_secs(10);
/// Raised for trainers, so that the kernel, short of memory, ends one of them and not the server.
#[cfg(target_os = "linux")]
const OOM_SCORE: &str = "500";

/// A running trainer. Killed when dropped.
#[derive(Debug)]
pub(super) struct Trainer {
    child: Child,
    /// Kept open for the attempt's lifetime: EOF tells the trainer that the server is gone.
    _order: ChildStdin,
    pub(super) events: Lines<BufReader<ChildStdout>>,
}

impl Trainer {
    /// Starts the program and gives it its order. The log must be read (see [`log`]), else the
    /// trainer stands still when the pipe is full.
    pub(super) async fn start(config: &PoolConfig, task: &Task) -> io::Result<(Self, ChildStderr)> {
        let mut line = serde_json::to_vec(task)?;
        line.push(b'\n');
        let program = config.trainers.program_for(task).await;
        let mut command = Command::new(program);
        environment::limit(&mut command);
        let mut child = command
            .args(&config.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            // Its own group: Ctrl-C in a terminal reaches the server alone, which then releases its
            // jobs, and a kill reaches whatever the trainer may have started.
            .process_group(0)
            .spawn()?;
        set_niceness(&child, config.niceness);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut order), Some(events), Some(log)) = pipes else {
            return Err(io::Error::other("a pipe of the trainer is missing"));
        };
        // A trainer that died at once is found dead by its events' end, which says how it died.
        match tokio::time::timeout(ORDER_WAIT, order.write_all(&line)).await {
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            Ok(_) => {}
            Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the trainer does not read its order")),
        }
        let events = Lines::new(BufReader::with_capacity(64 << 10, events), LONGEST_EVENT);
        Ok((Self { child, _order: order, events }, log))
    }

    /// Waits until the process has ended by itself, or kills it after a while.
    pub(super) async fn ended(mut self) -> io::Result<ExitStatus> {
        match tokio::time::timeout(END_WAIT, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                self.kill_group();
                self.child.wait().await
            }
        }
    }

    /// Kills the process and all it started, and waits until it is gone.
    pub(super) async fn kill(mut self) {
        self.kill_group();
        if tokio::time::timeout(END_WAIT, self.child.wait()).await.is_err() {
            tracing::warn!(pid = self.child.id(), "a killed trainer is not gone yet");
        }
    }

    fn kill_group(&mut self) {
        // The id is known only until the process was waited for: it cannot be another's by now.
        if let Some(group) = process_id(&self.child) {
            // That there is nobody left to kill is fine.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.start_kill();
    }
}

/// Lets the server, and the rest of the machine, go first. Done before the trainer has its order,
/// and so before it starts a thread, for threads inherit it. A trainer that cannot be lowered is
/// still a trainer.
fn set_niceness(child: &Child, niceness: i32) {
    if let Some(pid) = process_id(child)
        && let Err(error) = rustix::process::setpriority_process(Some(pid), niceness)
    {
        tracing::debug!(%error, "the trainer's priority stays as it is");
    }
    #[cfg(target_os = "linux")]
    if let Some(pid) = child.id()
        && let Err(error) = std::fs::write(format!("/proc/{pid}/oom_score_adj"), OOM_SCORE)
    {
        tracing::debug!(%error, "the trainer's share in the out-of-memory choice stays as it is");
    }
}

fn process_id(child: &Child) -> Option<rustix::process::Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
}

/// Passes the trainer's log on to ours, until it ends.
pub(super) async fn log(job: JobId, from: ChildStderr) {
    let mut lines = Lines::new(BufReader::new(from), LONGEST_LOG_LINE);
    loop {
        match lines.next().await {
            Ok(Line::Whole(line)) => {
                tracing::info!(target: "gatecast::trainer", %job, "{}", String::from_utf8_lossy(line).trim_end());
            }
            Ok(Line::TooLong) => {
                tracing::warn!(target: "gatecast::trainer", %job, "(a part of a very long line is left out)");
            }
            Ok(Line::End) => return,
            Err(error) => {
                tracing::warn!(%job, %error, "the trainer's log cannot be read any further");
                return;
            }
        }
    }
}
