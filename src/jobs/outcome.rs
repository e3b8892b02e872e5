//! How an attempt ended.

use std::fmt;
use std::process::ExitStatus;

use gatecast_core::backtest::BacktestResult;
use gatecast_core::job::JobError;
use gatecast_core::metric_values::FinalMetrics;

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// The model's file is complete.
    Finished {
        metrics: Box<FinalMetrics>,
        sha256: String,
        bytes: u64,
    },
    /// The points' file is complete.
    Backtested(Box<BacktestResult>),
    /// The job's spec or its data is at fault.
    Failed(JobError),
    /// The machine is at fault.
    Fault(JobError),
    /// The job waits for free disk space.
    DiskFull,
    Cancelled,
    /// Another worker has the job, or it has ended: nothing may be written.
    Lost,
    Shutdown,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished { .. } | Self::Backtested(_) => f.write_str("finished"),
            Self::Failed(error) => write!(f, "failed ({}: {})", error.code, error.detail),
            Self::Fault(error) => write!(f, "fault of the machine ({}: {})", error.code, error.detail),
            Self::DiskFull => f.write_str("waits for disk space"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Lost => f.write_str("lease lost"),
            Self::Shutdown => f.write_str("released"),
        }
    }
}

impl Outcome {
    pub(super) fn fault(code: &str, detail: impl Into<String>) -> Self {
        Self::Fault(JobError { code: code.to_owned(), detail: detail.into() })
    }

    pub(super) fn failed(code: &str, detail: impl Into<String>) -> Self {
        Self::Failed(JobError { code: code.to_owned(), detail: detail.into() })
    }

    /// An I/O error. `otherwise` is the outcome if the disk is not full.
    pub(super) fn of_io(error: &std::io::Error, otherwise: Self) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => otherwise,
        }
    }

    /// The trainer exited without reporting a result.
    pub(super) fn crashed(status: std::io::Result<ExitStatus>) -> Self {
        let detail = match status {
            Ok(status) => match signal(status) {
                Some(9) => "the trainer was killed (signal 9), as happens when memory runs out".to_owned(),
                Some(signal) => format!("the trainer was ended by signal {signal}"),
                None => match status.code() {
                    Some(code) => format!("the trainer ended with code {code} and no result"),
                    None => "the trainer ended with no result".to_owned(),
                },
            },
            Err(error) => format!("the trainer is gone, and how it ended is unknown: {error}"),
        };
        Self::fault("trainer_crashed", detail)
    }
}

/// The error of a job that waits for free disk space.
pub(super) fn disk_full() -> JobError {
    JobError {
        code: "disk_full".to_owned(),
        detail: "the server's disk is full: the job waits, and continues from its last checkpoint once there is space"
            .to_owned(),
    }
}

fn signal(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    status.signal()
}
