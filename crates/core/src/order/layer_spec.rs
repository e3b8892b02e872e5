//! A recurrent layer in a request: its units, or an object with settings that override the model's.

use serde::de::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cell::Cell;
use super::initializer::Initializer;
use super::model::Activation;
use super::string_or_struct::{Forms, Number, deserialize_forms};
use crate::schema::number_schema;

/// One recurrent layer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum LayerSpec {
    /// The number of units. All other settings are the model's.
    #[schema(value_type = Units)]
    Units(usize),
    Settings(Box<LayerSettings>),
}

number_schema!(Units, Integer, 1, 8192, "Units of a layer.");

/// A layer with its own settings. Omitted fields use the model's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerSettings {
    #[schema(minimum = 1, maximum = 8192)]
    pub units: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Cell>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_norm: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.0, maximum = 0.99)]
    pub dropout: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.0, maximum = 0.99)]
    pub recurrent_dropout: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bidirectional: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residual: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000)]
    pub dilation: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_initializer: Option<Initializer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrent_initializer: Option<Initializer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias_initializer: Option<Initializer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_forget_bias: Option<bool>,
}

impl LayerSpec {
    pub fn units(&self) -> usize {
        match self {
            Self::Units(units) => *units,
            Self::Settings(settings) => settings.units,
        }
    }

    /// The layer's own settings, if any.
    pub fn settings(&self) -> Option<&LayerSettings> {
        match self {
            Self::Units(_) => None,
            Self::Settings(settings) => Some(settings),
        }
    }
}

impl From<usize> for LayerSpec {
    fn from(units: usize) -> Self {
        Self::Units(units)
    }
}

deserialize_forms!(LayerSpec);

impl Forms<'_> for LayerSpec {
    const EXPECTED: &'static str = "units such as 32, or a layer such as {\"units\": 32, \"dropout\": 0.2}";
    type Object = LayerSettings;

    fn of_object<E: Error>(settings: LayerSettings) -> Result<Self, E> {
        Ok(Self::Settings(Box::new(settings)))
    }

    fn of_number<E: Error>(number: Number) -> Result<Self, E> {
        match number {
            // A number that does not fit in `usize` exceeds every limit, as `usize::MAX` does.
            Number::Unsigned(units) => Ok(Self::Units(usize::try_from(units).unwrap_or(usize::MAX))),
            Number::Signed(_) => Err(E::invalid_value(number.unexpected(), &Self::EXPECTED)),
            Number::Float(_) => Err(E::invalid_type(number.unexpected(), &Self::EXPECTED)),
        }
    }
}
