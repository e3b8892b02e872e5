//! The trainer process: runs at a lower priority than the server and never outlives its handle.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::bounded_lines::{Line, Lines};
use super::{PoolConfig, environment};
use gatecast_core::ids::JobId;
use gatecast_core::trainer::Task;

/// The longest accepted line: the result of a backtest with many folds and per-series metrics.
const LONGEST_EVENT: usize = 64 << 20;
const LONGEST_LOG_LINE: usize = 16 << 10;
/// How long to wait for a killed process to exit. Only a process stuck in the kernel takes longer.
const END_WAIT: Duration = Duration::from_secs(5);
/// How long a new process may take to read its task.
const ORDER_WAIT: Duration = Duration::from_secs(10);
/// Raised for trainers, so that the kernel's OOM killer picks a trainer rather than the server.
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
    /// Starts the program and sends it its task. The caller must read the log (see [`log`]); otherwise the
    /// trainer blocks once the pipe is full.
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
            // Its own process group: Ctrl-C in a terminal reaches only the server, which then releases its
            // jobs, and a kill reaches every process the trainer has started.
            .process_group(0)
            .spawn()?;
        set_niceness(&child, config.niceness);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut order), Some(events), Some(log)) = pipes else {
            return Err(io::Error::other("a pipe of the trainer is missing"));
        };
        // A trainer that exits at once is detected by EOF on its events, and its exit status says how it ended.
        match tokio::time::timeout(ORDER_WAIT, order.write_all(&line)).await {
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            Ok(_) => {}
            Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the trainer does not read its order")),
        }
        let events = Lines::new(BufReader::with_capacity(64 << 10, events), LONGEST_EVENT);
        Ok((Self { child, _order: order, events }, log))
    }

    /// Waits for the process to exit; kills it after [`END_WAIT`].
    pub(super) async fn ended(mut self) -> io::Result<ExitStatus> {
        match tokio::time::timeout(END_WAIT, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                self.kill_group();
                self.child.wait().await
            }
        }
    }

    /// Kills the process and every process it started, and waits for it to exit.
    pub(super) async fn kill(mut self) {
        self.kill_group();
        if tokio::time::timeout(END_WAIT, self.child.wait()).await.is_err() {
            tracing::warn!(pid = self.child.id(), "a killed trainer is not gone yet");
        }
    }

    fn kill_group(&mut self) {
        // The id is present only until the process has been waited for, so it cannot have been reused.
        if let Some(group) = process_id(&self.child) {
            // A group without processes is not an error.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.start_kill();
    }
}

/// Lowers the trainer's priority below the server's. This is done before the trainer reads its task, and so
/// before it starts threads, because threads inherit the priority. A failure is not fatal.
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

/// Forwards the trainer's log to the server's log until EOF.
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
