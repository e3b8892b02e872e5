//! The errors of forecasts.

use gatecast_core::resolve::FieldError;
use gatecast_data::ReadError;
use gatecast_model::bundle::BundleError;
use gatecast_nn::engine::EngineError;

#[derive(Debug, thiserror::Error)]
pub enum ForecastError {
    /// The request does not fit the model or the dataset. The list is not empty.
    #[error("the request does not fit the model")]
    Invalid(Vec<FieldError>),
    /// The network returned a number that is not finite.
    #[error("the forecast of {0} is not finite: its values may be far from those the model was trained on")]
    NotFinite(String),
    /// The request was cancelled.
    #[error("the forecast was cancelled")]
    Cancelled,
    #[error("the dataset could not be read")]
    Dataset(#[from] ReadError),
    #[error("the network could not be computed")]
    Engine(#[from] EngineError),
    /// A bug in this program.
    #[error("internal error: {0}")]
    Internal(String),
}

impl ForecastError {
    pub(super) fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal(cause.to_string())
    }

    pub(super) fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, detail)])
    }

    /// Whether the cause is a missing file of the dataset: the dataset was deleted after it was looked up.
    pub fn is_dataset_deleted(&self) -> bool {
        matches!(self, Self::Dataset(ReadError::Io(cause)) if cause.kind() == std::io::ErrorKind::NotFound)
    }

    /// A stable code, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_forecast",
            Self::NotFinite(_) => "forecast_not_finite",
            Self::Cancelled => "cancelled",
            Self::Dataset(_) | Self::Engine(_) | Self::Internal(_) => "internal",
        }
    }
}

/// A stored model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}
