//! Reasons why a backtest ended without a result.

use std::io;

use gatecast_core::model::Manifest;
use gatecast_core::trainer::{Fault, TrainerEvent};
use gatecast_forecast::{ForecastError, LoadError};
use gatecast_model::LearnError;
use parquet::errors::ParquetError;

use super::data::{BacktestData, Plan};
use crate::progress::Interrupted;

#[derive(Debug, thiserror::Error)]
pub(super) enum BacktestError {
    /// The server no longer listens.
    #[error("stopped")]
    Stopped,
    #[error(transparent)]
    Learn(#[from] LearnError),
    #[error(transparent)]
    Forecast(#[from] ForecastError),
    #[error("cannot read the model: {0}")]
    Model(#[from] LoadError),
    #[error("cannot write the points: {0}")]
    Points(ParquetError),
    #[error("{0}")]
    TooShort(String),
}

impl BacktestError {
    pub(super) fn points(cause: io::Error) -> Self {
        Self::Learn(LearnError::storage("writing the points", cause))
    }

    /// No fold has a point to evaluate.
    pub(super) fn nothing_evaluated(manifest: &Manifest, plan: &Plan, data: &BacktestData) -> Self {
        let longest = data.ends.iter().max().copied().unwrap_or(0);
        let reads = manifest.context + manifest.order.data.lookback();
        Self::TooShort(format!(
            "no series has a point to evaluate: a fold needs {reads} points before its origin and {} after it, but the longest series has {longest} up to the end of the backtest; use fewer folds, a smaller step or a later `until`",
            plan.horizon
        ))
    }

    /// The event that reports the failure; `None` if the server no longer listens.
    pub(super) fn event(&self) -> Option<TrainerEvent> {
        let (fault, code, detail) = match self {
            Self::Stopped => return None,
            Self::Learn(error) => return Some(error.event()),
            Self::Forecast(ForecastError::Invalid(errors)) => {
                let first = errors.first().map(|error| format!("{}: {}", error.pointer, error.detail));
                let detail = format!("the model cannot forecast this data: {}", first.unwrap_or_default());
                (Fault::Order, "model_does_not_fit", detail)
            }
            Self::Forecast(error @ ForecastError::NotFinite(_)) => (Fault::Order, error.code(), error.to_string()),
            Self::TooShort(detail) => (Fault::Order, "series_too_short", detail.clone()),
            Self::Forecast(_) | Self::Model(_) | Self::Points(_) => {
                (Fault::Machine, "backtest_failed", self.to_string())
            }
        };
        Some(TrainerEvent::Failed { fault, code: code.to_owned(), detail })
    }
}

impl From<ParquetError> for BacktestError {
    fn from(error: ParquetError) -> Self {
        match error {
            // A full disk has its own error.
            ParquetError::External(cause) => match cause.downcast::<io::Error>() {
                Ok(cause) => Self::points(*cause),
                Err(cause) => Self::Points(ParquetError::External(cause)),
            },
            error => Self::Points(error),
        }
    }
}

impl From<Interrupted> for BacktestError {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Stopped => Self::Stopped,
            Interrupted::Failed(error) => Self::Learn(error),
        }
    }
}
