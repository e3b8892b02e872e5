//! What a model reads for a forecast of some length: how many points, and of which columns.

use super::error::ForecastError;
use gatecast_core::frequency::Frequency;
use gatecast_core::model::Manifest;
use gatecast_model::features::{self, Coded, Codes, Layout, calendar_code};
use gatecast_model::missing;
use gatecast_model::target_transform::TargetTransform;

/// A model's needs, for one horizon.
#[derive(Debug)]
pub(super) struct InputSpec<'m> {
    pub(super) manifest: &'m Manifest,
    pub(super) layout: Layout,
    pub(super) values: TargetTransform,
    /// Points of history: the context, and what the lags and differences read before it.
    pub(super) history: usize,
    /// Points before the context that the lags and differences read.
    pub(super) lookback: usize,
    /// Times the network runs, each a trained horizon further on.
    pub(super) blocks: usize,
    /// Points ahead at which future covariates must be known; 0 without any.
    pub(super) ahead: usize,
}

/// What stands beside the scaled numbers of one series: the codes of categories and calendar.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CodeColumn {
    /// From the first point of the history on.
    Each(Vec<u16>),
    All(u16),
}

impl CodeColumn {
    /// From a row of the history on.
    pub(super) fn codes(&self, first: usize) -> Codes<'_> {
        match self {
            Self::Each(codes) => Codes::Each(codes.get(first..).unwrap_or_default()),
            Self::All(code) => Codes::All(*code),
        }
    }
}

impl<'m> InputSpec<'m> {
    pub(super) fn of(manifest: &'m Manifest, horizon: usize) -> Self {
        let data = &manifest.order.data;
        let lookback = data.lookback();
        let blocks = features::runs(manifest.horizon, horizon);
        let ahead = features::points_ahead(data, manifest.horizon, horizon);
        let layout = Layout::of(data, &manifest.encodings);
        let values = TargetTransform::new(data, &manifest.inputs, &manifest.encodings.lambdas);
        Self { manifest, layout, values, history: manifest.context.saturating_add(lookback), lookback, blocks, ahead }
    }

    /// Makes a number column ready to be read: values that are unknown are filled as in training,
    /// or left where they are masked. Where it cannot be, the place and why.
    pub(super) fn prepare(&self, name: &str, values: &mut [f64]) -> Option<(usize, String)> {
        let column = self.manifest.inputs.iter().position(|other| other == name)?;
        let unknown = values.iter().position(|value| value.is_nan());
        let history = values.len().saturating_sub(self.history);
        let known = values.get(history..).unwrap_or_default().iter().any(|value| !value.is_nan());
        if let Some(at) = unknown {
            let masked = column < self.values.masked();
            let filled = masked && known || !masked && missing::fill(values, self.manifest.order.data.missing);
            if !filled {
                return Some((at, "is unknown, and the model's `data.missing` does not fill it".to_owned()));
            }
        }
        let transform = self.values.transform(column);
        let at = values.iter().position(|value| !transform.takes(*value))?;
        Some((at, format!("holds {}: the model's `data.transform` takes {}", values.get(at)?, transform.domain())))
    }

    /// Rows of history and ahead that any run may read.
    pub(super) fn rows(&self) -> usize {
        self.history + self.blocks * self.manifest.horizon
    }

    /// The codes of a calendar feature, given the time of the history's last point.
    pub(super) fn calendar(&self, coded: &Coded, last: Option<(i64, Frequency)>) -> Result<CodeColumn, ForecastError> {
        let Coded::Calendar(feature) = coded else { return Ok(CodeColumn::All(0)) };
        let (last, frequency) =
            last.ok_or_else(|| ForecastError::field("/series", "the model reads the calendar: give `start`"))?;
        let first = 1 - self.history as i64;
        let steps = first..first + self.rows() as i64;
        let code = |step| frequency.add(last, step).map(|time| calendar_code(*feature, time));
        let codes: Option<Vec<u16>> = steps.map(code).collect();
        let past_end = || ForecastError::field("/horizon", "reaches past the calendar's end");
        codes.map(CodeColumn::Each).ok_or_else(past_end)
    }
}
