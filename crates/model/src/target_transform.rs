//! Forward and inverse transform of the number columns.
//!
//! Forward: value → transformed value → difference → scaled number, which the network reads. The columns before
//! scaling are the *model inputs*. Inverse, applied to forecasts: multiply by the scale, add the offset, add the base
//! of the differences, then invert the transform. Training, evaluation and forecasts all use this module. Names with
//! `level` refer to transformed values.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::differences::Differences;
use super::error::LearnError;
use super::scaling::{ColumnScale, Scale};
use super::transform::{self, Fitted};
use gatecast_core::order::{DataSpec, Missing, TransformKind};
use gatecast_data::frame::{Frame, FrameColumn};
use gatecast_nn::loss::TargetScale;

/// The transform of a model's number columns: targets, then past, then future covariates.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetTransform {
    /// One per column.
    transforms: Vec<Fitted>,
    /// The differencing of the targets.
    differences: Option<Differences>,
    targets: usize,
    /// The number of leading columns whose unknown values are masked. Each has an indicator.
    masked: usize,
}

impl TargetTransform {
    /// The transform for a resolved spec, its number columns and the estimated λ of each column.
    pub fn new(data: &DataSpec, columns: &[String], lambdas: &BTreeMap<String, f64>) -> Self {
        let transformed = |at: usize, name: &String| {
            at < data.targets.len() || data.transform.covariates && data.covariates.past.contains(name)
        };
        let transforms = columns.iter().enumerate().map(|(at, name)| match transformed(at, name) {
            true => Fitted::of(data.transform, lambdas.get(name).copied()),
            false => Fitted::Identity,
        });
        Self {
            transforms: transforms.collect(),
            differences: data.differences().map(Differences::new),
            targets: data.targets.len(),
            masked: masked(data, columns),
        }
    }

    /// Estimates the λ that the spec leaves open on the training rows of each series.
    pub fn lambdas(
        data: &DataSpec,
        frame: &Frame,
        trained: &[Range<usize>],
    ) -> Result<BTreeMap<String, f64>, LearnError> {
        let mut lambdas = BTreeMap::new();
        if data.transform.kind != TransformKind::BoxCox || data.transform.lambda.is_some() {
            return Ok(lambdas);
        }
        for (at, column) in frame.columns.iter().enumerate() {
            if at >= data.targets.len() && !(data.transform.covariates && data.covariates.past.contains(&column.name)) {
                continue;
            }
            let runs = trained.iter().filter_map(|rows| column.values.get(rows.clone()));
            if let Some(value) = runs.clone().flatten().find(|value| !Fitted::Log.takes(**value)) {
                return Err(transform::outside(Fitted::Log, &column.name, *value));
            }
            let lambda = transform::guerrero(runs, data.season).ok_or_else(|| {
                LearnError::OutsideTransform(format!(
                    "cannot estimate the Box-Cox lambda of `{}`, because no series has two seasons of it: set `lambda` in `data.transform`",
                    column.name
                ))
            })?;
            lambdas.insert(column.name.clone(), lambda);
        }
        Ok(lambdas)
    }

    pub fn transform(&self, column: usize) -> Fitted {
        self.transforms.get(column).copied().unwrap_or_default()
    }

    pub fn differences(&self) -> Option<&Differences> {
        self.differences.as_ref()
    }

    /// The number of indicators in each row beside the scaled columns. The indicator of a masked column is 1 where
    /// its value is unknown.
    pub fn masked(&self) -> usize {
        self.masked
    }

    /// The transformed values of a column. The error is the first value that the transform does not accept.
    pub fn levels<'v>(&self, column: usize, values: &'v [f64]) -> Result<Cow<'v, [f64]>, f64> {
        match self.transform(column) {
            Fitted::Identity => Ok(Cow::Borrowed(values)),
            transform => transform::levels(transform, values).map(Cow::Owned),
        }
    }

    /// The model input of a column of one series: what the network reads before scaling. The first points of a
    /// differenced column are NaN.
    pub fn model_input<'v>(&self, column: usize, levels: &'v [f64]) -> Cow<'v, [f64]> {
        match &self.differences {
            Some(differences) if self.is_differenced(column) => Cow::Owned(differences.of(levels)),
            _ => Cow::Borrowed(levels),
        }
    }

    /// The number of points at the start of a model input that are unknown because they need earlier points.
    pub fn lookback(&self) -> usize {
        self.differences.as_ref().map_or(0, Differences::lookback)
    }

    fn is_differenced(&self, column: usize) -> bool {
        column < self.targets && self.differences.as_ref().is_some_and(|differences| !differences.reads_levels())
    }

    /// The transformed values and the model inputs of a whole frame. Columns that a step does not change are not
    /// copied.
    pub fn of_frame(&self, frame: &Frame) -> Result<Streams, LearnError> {
        let mut streams = Streams::default();
        for (at, FrameColumn { name, values }) in frame.columns.iter().enumerate() {
            let levels =
                self.levels(at, values).map_err(|value| transform::outside(self.transform(at), name, value))?;
            streams.streams.push(self.is_differenced(at).then(|| {
                let mut stream = vec![f64::NAN; values.len()];
                for series in &frame.series {
                    stream[series.rows.clone()].copy_from_slice(&self.model_input(at, &levels[series.rows.clone()]));
                }
                stream
            }));
            streams.levels.push(match levels {
                Cow::Borrowed(_) => None,
                Cow::Owned(levels) => Some(levels),
            });
        }
        Ok(streams)
    }

    /// Scales the model inputs of one column and writes them to consecutive rows. An unknown value of a masked column
    /// is written as the last known value before it, or 0 if there is none, with an indicator of 1.
    pub fn write(&self, column: usize, scale: ColumnScale, inputs: &[f64], rows: &mut NumberRows<'_>) {
        let scaled = |value: f64| scale.apply(value) as f32;
        if column >= self.masked {
            let places = rows.numbers.iter_mut().skip(column).step_by(rows.width);
            places.zip(inputs).for_each(|(place, &value)| *place = scaled(value));
            return;
        }
        let indicator = self.transforms.len() + column;
        let mut last = 0.0;
        // The first differences are unknown in a forecast's history although training may know them, so they are
        // always masked.
        let blind = if self.is_differenced(column) { self.lookback() } else { 0 };
        for (at, (row, &value)) in rows.numbers.chunks_exact_mut(rows.width).zip(inputs).enumerate() {
            let value = if at < blind { f64::NAN } else { value };
            if !value.is_nan() {
                last = scaled(value);
            }
            row[column] = last;
            row[indicator] = if value.is_nan() { 1.0 } else { 0.0 };
        }
    }

    /// Fills unknown transformed values before bases are computed, if unknown values are masked. Each becomes the
    /// value at the same position in the previous season, or else the value before it.
    pub fn fill(&self, levels: &mut [f64]) {
        let Some(differences) = self.differences.as_ref().filter(|_| self.masked > 0) else { return };
        for at in 1..levels.len() {
            if levels[at].is_nan() {
                let before = |lag: usize| at.checked_sub(lag).and_then(|at| levels.get(at)).copied();
                let season = differences.season().and_then(before).filter(|level| !level.is_nan());
                levels[at] = season.or_else(|| before(1)).unwrap_or(f64::NAN);
            }
        }
    }

    /// The bases of the points after `levels`, whose unknown values are filled. Where values are masked, a base that is
    /// unknown because the series is shorter than a season is the last known value.
    pub fn bases(&self, differences: &Differences, levels: &[f64], horizon: usize, bases: &mut Vec<f64>) {
        differences.bases(levels, horizon, bases);
        if self.masked > 0 && differences.reads_levels() {
            let last = levels.last().copied().unwrap_or(f64::NAN);
            bases.iter_mut().filter(|base| base.is_nan()).for_each(|base| *base = last);
        }
    }

    /// The origin for forecasts of a target after `levels`, the transformed values of the last points before them.
    pub fn origin<'r>(
        &self,
        target: usize,
        scale: &Scale<'_>,
        levels: &[f64],
        horizon: usize,
        scratch: &'r mut Scratch,
    ) -> Origin<'r> {
        scratch.bases.clear();
        if let Some(differences) = &self.differences {
            scratch.levels.clear();
            scratch.levels.extend_from_slice(levels);
            self.fill(&mut scratch.levels);
            self.bases(differences, &scratch.levels, horizon, &mut scratch.bases);
        }
        self.origin_of(target, scale, &scratch.bases)
    }

    /// Like [`TargetTransform::origin`], with bases that are already computed.
    pub fn origin_of<'b>(&self, target: usize, scale: &Scale<'_>, bases: &'b [f64]) -> Origin<'b> {
        let ColumnScale { offset, scale } = scale.column(target);
        // The input and the forecast value share the offset, so it cancels in their difference.
        let cancels = self.differences.as_ref().is_some_and(Differences::reads_levels);
        Origin {
            transform: self.transform(target),
            offset: if cancels { 0.0 } else { offset },
            scale,
            bases: bases.into(),
        }
    }
}

/// The number of leading number columns whose unknown values are masked: if the spec masks, all that are not known
/// ahead.
pub fn masked(data: &DataSpec, columns: &[String]) -> usize {
    let known_ahead = |name: &&String| data.covariates.future.contains(name);
    match data.missing {
        Missing::Mask => columns.len() - columns.iter().filter(known_ahead).count(),
        Missing::Refuse | Missing::Interpolate | Missing::ForwardFill => 0,
    }
}

/// The columns of a frame after each step of the transform; `None` if the step does not change the column.
#[derive(Debug, Default)]
pub struct Streams {
    levels: Vec<Option<Vec<f64>>>,
    streams: Vec<Option<Vec<f64>>>,
}

impl Streams {
    pub fn transformed<'f>(&'f self, frame: &'f Frame, column: usize) -> &'f [f64] {
        let own = self.levels.get(column).and_then(Option::as_deref);
        own.or_else(|| frame.columns.get(column).map(|column| column.values.as_slice())).unwrap_or_default()
    }

    pub fn model_input<'f>(&'f self, frame: &'f Frame, column: usize) -> &'f [f64] {
        let own = self.streams.get(column).and_then(Option::as_deref);
        own.unwrap_or_else(|| self.transformed(frame, column))
    }
}

/// Consecutive rows of scaled numbers, `[row, column]`.
#[derive(Debug)]
pub struct NumberRows<'a> {
    pub numbers: &'a mut [f32],
    /// The number of values per row.
    pub width: usize,
}

/// Memory that is reused for each origin.
#[derive(Debug, Default)]
pub struct Scratch {
    levels: Vec<f64>,
    bases: Vec<f64>,
}

/// The reference of one window's forecasts of one target: it converts them to the data's units.
#[derive(Debug, Clone)]
pub struct Origin<'b> {
    transform: Fitted,
    offset: f64,
    scale: f64,
    /// One base per point ahead; empty without differences.
    bases: Cow<'b, [f64]>,
}

impl Origin<'_> {
    /// The transformed value of a number in the network's scale, `ahead` points after the origin (from 0).
    pub fn transformed(&self, ahead: usize, scaled: f64) -> f64 {
        scaled * self.scale + self.offset + self.bases.get(ahead).copied().unwrap_or(0.0)
    }

    /// The value in the data's units. It is monotonic in `scaled`, so quantiles map to quantiles.
    pub fn value(&self, ahead: usize, scaled: f64) -> f64 {
        self.transform.undo(self.transformed(ahead, scaled))
    }

    /// The number in the network's scale of a transformed value.
    pub fn scaled(&self, ahead: usize, level: f64) -> f64 {
        (level - self.bases.get(ahead).copied().unwrap_or(0.0) - self.offset) / self.scale
    }

    /// The linear part of the conversion, without bases and transform, for losses that are computed in the data's
    /// units.
    pub fn unit(&self) -> TargetScale {
        TargetScale { factor: self.scale, term: self.offset, seasonal: f64::NAN }
    }

    /// The transformed value of a value.
    pub fn level_of(&self, value: f64) -> f64 {
        self.transform.apply(value)
    }

    /// The same origin with owned bases.
    pub fn into_owned(self) -> Origin<'static> {
        let Self { transform, offset, scale, bases } = self;
        Origin { transform, offset, scale, bases: Cow::Owned(bases.into_owned()) }
    }

    /// Whether the base of a point ahead is unknown.
    pub fn is_lost(&self, ahead: usize) -> bool {
        self.bases.get(ahead).is_some_and(|base| base.is_nan())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::scaling::Scale;

    fn values(fields: serde_json::Value) -> TargetTransform {
        let mut data = json!({"targets": ["x"], "context": 6, "horizon": 3, "season": 1,
            "covariates": {"past": ["y"], "future": ["z"]}});
        fields.as_object().unwrap().iter().for_each(|(key, value)| data[key] = value.clone());
        let data = serde_json::from_value(data).unwrap();
        TargetTransform::new(&data, &["x".to_owned(), "y".to_owned(), "z".to_owned()], &BTreeMap::new())
    }

    fn orders() -> impl Strategy<Value = TargetTransform> {
        let transforms =
            prop::sample::select(vec![json!("none"), json!("log"), json!({"type": "box_cox", "lambda": 0.3})]);
        let differencing = prop::sample::select(vec![
            None,
            Some(json!({"order": 1})),
            Some(json!({"order": 1, "seasonal": 3})),
            Some(json!({"seasonal": 3, "inputs": "values"})),
        ]);
        (transforms, differencing).prop_map(|(transform, differencing)| {
            let mut fields = json!({"transform": transform});
            fields["differencing"] = differencing.unwrap_or_default();
            values(fields)
        })
    }

    proptest! {
        #[test]
        fn what_goes_to_the_networks_scale_comes_back(
            values in orders(), points in prop::collection::vec(0.5..100.0_f64, 14), offset in -3.0..3.0_f64,
            scale in 0.1..10.0_f64,
        ) {
            let scale = Scale { offsets: &[offset], scales: &[scale] };
            let levels = values.levels(0, &points).unwrap();
            let mut scratch = Scratch::default();
            let origin = values.origin(0, &scale, &levels[..8], 6, &mut scratch);
            for ahead in 0..6 {
                let back = origin.value(ahead, origin.scaled(ahead, levels[8 + ahead]));
                prop_assert!((back - points[8 + ahead]).abs() < 1e-9 * points[8 + ahead].max(1.0));
            }
            // If the network reads differences, the target of the next point equals its model input.
            if values.differences().is_none_or(|differences| !differences.reads_levels()) {
                let stream = values.model_input(0, &levels)[8];
                prop_assert!((origin.scaled(0, levels[8]) - scale.apply(0, stream)).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn masked_values_repeat_the_last_known_and_set_the_indicator() {
        const NAN: f64 = f64::NAN;
        let values = values(json!({"missing": "mask"}));
        assert_eq!(values.masked(), 2, "a column that is known ahead is not masked");
        let mut rows = vec![9.0; 4 * 5];
        let scale = ColumnScale { offset: 1.0, scale: 2.0 };
        values.write(0, scale, &[NAN, 5.0, NAN, 3.0], &mut NumberRows { numbers: &mut rows, width: 5 });
        let column = |at: usize| rows.iter().skip(at).step_by(5).copied().collect::<Vec<f32>>();
        assert_eq!(column(0), [0.0, 2.0, 2.0, 1.0]);
        assert_eq!(column(3), [1.0, 0.0, 1.0, 0.0]);
        assert_eq!(column(4), [9.0; 4], "the other column");
    }

    #[test]
    fn bases_use_known_values() {
        const NAN: f64 = f64::NAN;
        let values = values(json!({"missing": "mask", "differencing": {"seasonal": 2}}));
        let mut levels = [NAN, 2.0, 3.0, NAN, NAN, 7.0];
        values.fill(&mut levels);
        assert_eq!(levels[1..], [2.0, 3.0, 2.0, 3.0, 7.0]);
        let mut gone = [NAN, NAN, 5.0, NAN];
        values.fill(&mut gone);
        assert_eq!(gone[2..], [5.0, 5.0], "the previous value if the season has none");
    }

    #[test]
    fn covariates_are_transformed_on_request() {
        let of = |covariates: bool| values(json!({"transform": {"type": "log", "covariates": covariates}}));
        assert_eq!([0, 1, 2].map(|at| of(true).transform(at)), [Fitted::Log, Fitted::Log, Fitted::Identity]);
        assert_eq!(of(false).transform(1), Fitted::Identity);
        assert_eq!(of(true).levels(0, &[2.0, 0.0]), Err(0.0));
    }
}
