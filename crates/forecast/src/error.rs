//! Why a forecast was not made.

use gatecast_core::resolve::FieldError;

#[derive(Debug, thiserror::Error)]
pub enum ForecastError {
    /// The body asks for what the model cannot do.
    #[error("the request does not fit the model")]
    Invalid(Vec<FieldError>),
    /// The network gave a number that is not finite.
    #[error("the forecast of {0} is not finite: are its values far from those the model was trained on?")]
    NotFinite(String),
    /// The caller has gone: nobody reads this.
    #[error("the caller left")]
    Abandoned,
    /// This machine, or a stored file, is to blame.
    #[error("the forecast failed: {0}")]
    Machine(String),
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
            Self::Invalid(_) => "invalid_forecast",
            Self::NotFinite(_) => "forecast_not_finite",
            Self::Abandoned => "abandoned",
            Self::Machine(_) => "internal",
        }
    }
}

/// A stored model could not be brought into memory.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Bundle(#[from] gatecast_model::bundle::BundleError),
    #[error(transparent)]
    Engine(#[from] gatecast_nn::engine::EngineError),
}
