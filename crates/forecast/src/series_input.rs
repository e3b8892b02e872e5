//! The model's input for one series, from either kind of request.

use std::collections::BTreeMap;

use gatecast_core::frequency::Frequency;
use gatecast_core::model::Manifest;
use gatecast_model::features::{Coded, SERIES};

use super::covariates::Values;
use super::error::ForecastError;
use super::input_spec::{CodeColumn, InputSpec};

/// The model's input for one series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SeriesInput {
    pub(super) id: Option<String>,
    /// One column per numeric input of the model, in its order. The values are finite, or NaN where unknown values
    /// are masked. Each column has as many points as the model reads; future covariates also have the points ahead.
    pub(super) columns: Vec<Vec<f64>>,
    /// One column per coded input.
    pub(super) codes: Vec<CodeColumn>,
    /// The static numbers, scaled.
    pub(super) constants: Vec<f32>,
    pub(super) last: Option<LastPoint>,
}

/// The last point of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastPoint {
    /// Microseconds since 1970 UTC.
    pub(super) time: i64,
    /// The step to the next point.
    pub(super) frequency: Frequency,
}

/// The checked columns of a series. Each starts at the first point that the model reads.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) id: Option<String>,
    pub(super) last: Option<LastPoint>,
    pub(super) by_name: BTreeMap<String, Values>,
    /// The static covariates, with one value each.
    pub(super) fixed: BTreeMap<String, Values>,
}

impl SeriesInput {
    /// Arranges the columns in the model's order.
    pub(super) fn assemble(spec: &InputSpec<'_>, mut columns: Columns) -> Result<Self, ForecastError> {
        let manifest = spec.manifest;
        let missing = |name: &str| ForecastError::internal(format!("no values of `{name}`"));
        let mut numbers = Vec::with_capacity(manifest.inputs.len());
        for name in &manifest.inputs {
            match columns.by_name.remove(name) {
                Some(Values::Numbers(values)) => numbers.push(values),
                _ => return Err(missing(name)),
            }
        }
        let mut codes = Vec::with_capacity(spec.layout.coded().len());
        for coded in spec.layout.coded() {
            codes.push(match coded {
                Coded::Past(name) | Coded::Future(name) => match columns.by_name.remove(name) {
                    Some(Values::Codes(codes)) => CodeColumn::Each(codes),
                    _ => return Err(missing(name)),
                },
                Coded::Static(name) => match columns.fixed.remove(name) {
                    Some(Values::Codes(codes)) => CodeColumn::All(codes.first().copied().ok_or_else(|| missing(name))?),
                    _ => return Err(missing(name)),
                },
                Coded::Series => CodeColumn::All(series_code(manifest, columns.id.as_deref())),
                Coded::Calendar(feature) => spec.calendar(*feature, columns.last)?,
            });
        }
        let mut constants = Vec::new();
        for name in &manifest.order.data.covariates.fixed {
            let Some(scale) = manifest.encodings.statics.get(name) else { continue };
            match columns.fixed.get(name) {
                Some(Values::Numbers(values)) => {
                    let value = values.first().ok_or_else(|| missing(name))?;
                    constants.push(scale.apply(*value) as f32);
                }
                _ => return Err(missing(name)),
            }
        }
        Ok(Self { id: columns.id, columns: numbers, codes, constants, last: columns.last })
    }

    /// The name of the series, for messages.
    pub(super) fn name(&self) -> String {
        self.id.as_deref().map_or_else(|| "a series".to_owned(), |id| format!("series {}", super::fault::quoted(id)))
    }
}

/// If the model was trained on one series, a series without an id is that one.
fn series_code(manifest: &Manifest, id: Option<&str>) -> u16 {
    let known = manifest.encodings.categories.get(SERIES).map_or(&[][..], Vec::as_slice);
    let only = if let [only] = known { Some(only.as_str()) } else { None };
    manifest.encodings.code(SERIES, id.or(only))
}
