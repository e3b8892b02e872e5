//! Why a forecast was not made.

use std::sync::Arc;

use crate::domain::ids::{DatasetId, ModelId};
use crate::domain::resolve::FieldError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum ForecastError {
    #[error("there is no model {0}")]
    NoModel(ModelId),
    #[error("there is no dataset {0}")]
    NoDataset(DatasetId),
    /// The body asks for what the model cannot do.
    #[error("the request does not fit the model")]
    Invalid(Vec<FieldError>),
    /// The network gave a number that is not finite.
    #[error("the forecast of {0} is not finite: are its values far from those the model was trained on?")]
    NotFinite(String),
    /// The caller has gone: nobody reads this.
    #[error("the caller left")]
    Abandoned,
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This machine, or a stored file, is to blame.
    #[error("the forecast failed: {0}")]
    Machine(String),
    /// Many callers may have waited for the same load.
    #[error("the model could not be loaded: {0}")]
    Load(Arc<LoadError>),
}

impl ForecastError {
    pub(super) fn machine(cause: impl std::fmt::Display) -> Self {
        Self::Machine(cause.to_string())
    }

    pub(super) fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, detail)])
    }

    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoModel(_) => "model_not_found",
            Self::NoDataset(_) => "dataset_not_found",
            Self::Invalid(_) => "invalid_forecast",
            Self::NotFinite(_) => "forecast_not_finite",
            Self::Abandoned => "abandoned",
            Self::Store(_) | Self::Machine(_) | Self::Load(_) => "internal",
        }
    }
}

/// A stored model could not be brought into memory.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Bundle(#[from] crate::learn::bundle::BundleError),
    #[error(transparent)]
    Engine(#[from] crate::nn::engine::EngineError),
    #[error("{0}")]
    Task(#[from] tokio::task::JoinError),
}
