//! How an attempt went, and what that makes of the job.

use std::fmt;
use std::process::ExitStatus;

use gatecast_core::backtest::BacktestResult;
use gatecast_core::job::JobError;
use gatecast_core::metric_values::FinalMetrics;

/// How an attempt went.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// The model's file is whole.
    Finished {
        metrics: Box<FinalMetrics>,
        sha256: String,
        bytes: u64,
    },
    /// The points' file is whole.
    Backtested(Box<BacktestResult>),
    /// The order or its data is at fault.
    Failed(JobError),
    /// The machine is.
    Fault(JobError),
    Cancelled,
    /// The job is another's now, or nobody's: not ours to write about.
    Lost,
    Shutdown,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished { .. } | Self::Backtested(_) => f.write_str("finished"),
            Self::Failed(error) => write!(f, "failed ({}: {})", error.code, error.detail),
            Self::Fault(error) => write!(f, "fault of the machine ({}: {})", error.code, error.detail),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Lost => f.write_str("lease lost"),
            Self::Shutdown => f.write_str("handed back"),
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

    /// The trainer ended without saying how.
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
            Err(_) => "the trainer is gone".to_owned(),
        };
        Self::fault("trainer_crashed", detail)
    }
}

fn signal(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    status.signal()
}
