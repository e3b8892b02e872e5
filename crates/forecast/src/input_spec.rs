//! What a model needs as input for a forecast of some length: how many points, of which columns.

use gatecast_core::model::Manifest;
use gatecast_core::order::CalendarFeature;
use gatecast_model::features::{self, Codes, Layout, calendar_code, input_columns};
use gatecast_model::missing;
use gatecast_model::target_transform::TargetTransform;

use super::error::ForecastError;
use super::series_input::LastPoint;

/// A model's needs, for one horizon.
#[derive(Debug)]
pub struct InputSpec<'m> {
    pub(super) manifest: &'m Manifest,
    pub(super) layout: Layout,
    pub(super) transform: TargetTransform,
    /// Points of history: the context, and the lookback before it.
    pub history: usize,
    /// Points before the context that lags and differences read.
    pub lookback: usize,
    /// The number of times that the network runs, each a trained horizon further on.
    pub passes: usize,
    /// Points after the history at which future covariates must be known; 0 without any.
    pub ahead: usize,
}

/// The codes of a category or of a calendar feature, of one series.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CodeColumn {
    /// From the first point of the history on.
    Each(Vec<u16>),
    /// The same at every point.
    All(u16),
}

impl CodeColumn {
    /// The codes from a row of the history on.
    pub(super) fn codes(&self, first: usize) -> Codes<'_> {
        match self {
            Self::Each(codes) => Codes::Each(codes.get(first..).unwrap_or_default()),
            Self::All(code) => Codes::All(*code),
        }
    }
}

/// A number column that cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unsuitable {
    /// The row of the first value that is to blame.
    pub(super) row: usize,
    pub(super) detail: String,
}

impl<'m> InputSpec<'m> {
    pub(super) fn of(manifest: &'m Manifest, horizon: usize) -> Self {
        let data = &manifest.order.data;
        let lookback = data.lookback();
        Self {
            layout: Layout::of(data, &manifest.encodings),
            transform: TargetTransform::new(data, &manifest.inputs, &manifest.encodings.lambdas),
            history: manifest.context.saturating_add(lookback),
            manifest,
            lookback,
            passes: features::runs(manifest.horizon, horizon),
            ahead: features::points_ahead(data, manifest.horizon, horizon),
        }
    }

    /// The number of values read for each series: `(context + lookback + ahead) × columns`.
    pub(super) fn numbers(&self) -> usize {
        let columns = input_columns(&self.manifest.order.data).len();
        self.history.saturating_add(self.ahead).saturating_mul(columns.max(1))
    }

    /// Makes a number column ready to be read: unknown values are filled as in training, or left as
    /// they are where they are masked.
    pub(super) fn prepare(&self, name: &str, values: &mut [f64]) -> Result<(), Unsuitable> {
        let column = self.manifest.inputs.iter().position(|other| other == name);
        // A static covariate: it has no gaps and no transform.
        let Some(column) = column else { return Ok(()) };
        let unknown = values.iter().position(|value| value.is_nan());
        let history = values.len().saturating_sub(self.history);
        let known = values.get(history..).unwrap_or_default().iter().any(|value| !value.is_nan());
        if let Some(row) = unknown {
            let masked = self.is_masked(column);
            let filled = masked && known || !masked && missing::fill(values, self.manifest.order.data.missing);
            if !filled {
                let detail = "is unknown, and the model's `data.missing` does not fill it".to_owned();
                return Err(Unsuitable { row, detail });
            }
        }
        let transform = self.transform.transform(column);
        match values.iter().enumerate().find(|(_, value)| !transform.takes(**value)) {
            None => Ok(()),
            Some((row, value)) => {
                let detail = format!("is {value}, but the model's `data.transform` takes {}", transform.domain());
                Err(Unsuitable { row, detail })
            }
        }
    }

    /// Whether unknown values of a number input are masked, not filled.
    pub(super) fn is_masked(&self, column: usize) -> bool {
        column < self.transform.masked()
    }

    /// Rows of history and ahead that any pass may read.
    fn rows(&self) -> usize {
        self.history + self.passes * self.manifest.horizon
    }

    /// The codes of a calendar feature, given the last point of the history.
    pub(super) fn calendar(
        &self,
        feature: CalendarFeature,
        last: Option<LastPoint>,
    ) -> Result<CodeColumn, ForecastError> {
        let last = last.ok_or_else(|| ForecastError::internal("the calendar needs the time of the last point"))?;
        let first = 1 - self.history as i64;
        let steps = first..first + self.rows() as i64;
        let code = |step| last.frequency.add(last.time, step).map(|time| calendar_code(feature, time));
        let codes: Option<Vec<u16>> = steps.map(code).collect();
        codes.map(CodeColumn::Each).ok_or_else(past_calendar)
    }
}

/// A point of the forecast is after the year 9999.
pub(super) fn past_calendar() -> ForecastError {
    ForecastError::field("/horizon", "the forecast extends past the year 9999")
}
