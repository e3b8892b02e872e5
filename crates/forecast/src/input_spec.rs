//! The input that a model needs for a given horizon: the number of points, and the columns.

use gatecast_core::model::Manifest;
use gatecast_core::order::CalendarFeature;
use gatecast_model::features::{self, Codes, Layout, calendar_code, input_columns};
use gatecast_model::missing;
use gatecast_model::target_transform::TargetTransform;

use super::error::ForecastError;
use super::series_input::LastPoint;

/// The input that a model needs for one horizon.
#[derive(Debug)]
pub struct InputSpec<'m> {
    pub(super) manifest: &'m Manifest,
    pub(super) layout: Layout,
    pub(super) transform: TargetTransform,
    /// The number of history points: the context and the lookback before it.
    pub history: usize,
    /// The number of points before the context that lags and differences need.
    pub lookback: usize,
    /// The number of times that the network runs, each time one trained horizon further ahead.
    pub passes: usize,
    /// The number of points after the history for which future covariates are needed. 0 if the model has none.
    pub ahead: usize,
}

/// The codes of one category or calendar feature, for one series.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CodeColumn {
    /// One per point, from the first point of the history.
    Each(Vec<u16>),
    /// The same code for every point.
    All(u16),
}

impl CodeColumn {
    /// The codes from row `first` of the history.
    pub(super) fn codes(&self, first: usize) -> Codes<'_> {
        match self {
            Self::Each(codes) => Codes::Each(codes.get(first..).unwrap_or_default()),
            Self::All(code) => Codes::All(*code),
        }
    }
}

/// Why a numeric column cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unsuitable {
    /// The row of the first value at fault.
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

    /// The number of values read per series: `(context + lookback + ahead) × columns`.
    pub(super) fn numbers(&self) -> usize {
        let columns = input_columns(&self.manifest.order.data).len();
        self.history.saturating_add(self.ahead).saturating_mul(columns.max(1))
    }

    /// Prepares a numeric column: unknown values are filled as in training, or kept if they are masked.
    pub(super) fn prepare(&self, name: &str, values: &mut [f64]) -> Result<(), Unsuitable> {
        let column = self.manifest.inputs.iter().position(|other| other == name);
        // Static covariates have no gaps and no transform.
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

    /// The fewest points of a history. A model that masks unknown values reads a shorter one after unknown points.
    pub(super) fn least(&self) -> usize {
        if self.manifest.order.data.pads() { 1 } else { self.history }
    }

    /// Whether a column is a numeric input whose unknown values are masked.
    pub(super) fn masks(&self, name: &str) -> bool {
        self.manifest.inputs.iter().position(|other| other == name).is_some_and(|column| self.is_masked(column))
    }

    /// Whether unknown values of a numeric input are masked rather than filled.
    pub(super) fn is_masked(&self, column: usize) -> bool {
        column < self.transform.masked()
    }

    /// The number of rows, of the history and ahead, that the passes read.
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

/// The error for a forecast that extends past the year 9999.
pub(super) fn past_calendar() -> ForecastError {
    ForecastError::field("/horizon", "the forecast extends past the year 9999")
}
