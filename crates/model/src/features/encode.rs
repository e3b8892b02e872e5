//! Inputs other than the scaled columns of a frame: category codes, static values and the calendar. Categories and
//! static scales come from training points only.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Coded, Codes, Layout, MAX_INPUTS, SERIES, calendar_code};
use crate::error::LearnError;
use gatecast_core::model::{Encodings, StaticScale};
use gatecast_core::numbers::exceeds_f32;
use gatecast_core::order::{DataSpec, Missing};
use gatecast_data::frame::{Frame, FrameCategories, FrameColumn};

/// The largest number of categories per column that a network embeds. Codes could represent more.
pub const MAX_CATEGORIES: usize = 1_000;

/// The code of a category that is missing or does not occur in training.
const UNKNOWN: u16 = 0;

/// The inputs of a frame that are not scaled columns, and the layout of all inputs.
#[derive(Debug)]
pub struct Features {
    pub layout: Layout,
    pub encodings: Encodings,
    coded: Vec<CodedColumn>,
    /// Static numbers, scaled: `[series, constant]`.
    constants: Vec<f32>,
    series: usize,
}

#[derive(Debug)]
enum CodedColumn {
    /// One code per row of the frame.
    Rows(Vec<u16>),
    /// One code per series.
    Series(Vec<u16>),
}

impl Features {
    /// `statics` are the static number columns, and `trained` are the training rows of each series. `known` are the
    /// encodings of the base model of a fine-tuning, whose weights depend on them.
    pub fn of(
        frame: &Frame,
        statics: &[FrameColumn],
        trained: &[Range<usize>],
        data: &DataSpec,
        known: Option<&Encodings>,
    ) -> Result<Self, LearnError> {
        let mut encodings = known.cloned().unwrap_or_default();
        for column in frame.categories.iter().filter(|_| known.is_none()) {
            let seen: BTreeSet<u32> = trained.iter().flat_map(|rows| &column.codes[rows.clone()]).copied().collect();
            let texts: BTreeSet<&String> = seen.iter().filter_map(|&code| column.texts.get(code as usize)).collect();
            encodings.categories.insert(column.name.clone(), texts.into_iter().cloned().collect());
        }
        if data.covariates.series && known.is_none() {
            let training = frame.series.iter().zip(trained).filter(|(_, rows)| !rows.is_empty());
            let keys: BTreeSet<&String> = training.map(|(series, _)| &series.key).collect();
            encodings.categories.insert(SERIES.to_owned(), keys.into_iter().cloned().collect());
        }
        let mut columns = Vec::with_capacity(statics.len());
        for column in statics {
            let values = static_numbers(frame, column)?;
            let training = values.iter().zip(trained).filter(|(_, rows)| !rows.is_empty());
            let of_training = || static_scale(&training.map(|(value, _)| *value).collect::<Vec<f64>>());
            let scale = *encodings.statics.entry(column.name.clone()).or_insert_with(of_training);
            columns.push(values.into_iter().map(|value| scale.apply(value) as f32).collect::<Vec<f32>>());
        }
        check_sizes(&encodings)?;
        let layout = Layout::of(data, &encodings);
        if layout.width() > MAX_INPUTS {
            return Err(LearnError::Covariates(format!(
                "the network would read {} inputs per step, but the limit is {MAX_INPUTS}: reduce `data.future_window` or remove a column with many categories",
                layout.width()
            )));
        }
        let coded: Result<_, _> = layout.coded().iter().map(|coded| codes(coded, frame, &encodings, data)).collect();
        let constants = (0..frame.series.len()).flat_map(|series| columns.iter().map(move |column| column[series]));
        Ok(Self { constants: constants.collect(), coded: coded?, layout, encodings, series: frame.series.len() })
    }

    /// The codes of some rows of a series.
    pub fn codes(&self, series: usize, rows: Range<usize>) -> impl Iterator<Item = Codes<'_>> {
        self.coded.iter().map(move |column| match column {
            CodedColumn::Rows(codes) => Codes::Each(&codes[rows.clone()]),
            CodedColumn::Series(codes) => Codes::All(codes[series]),
        })
    }

    pub fn constants(&self, series: usize) -> &[f32] {
        let count = self.constants.len().checked_div(self.series).unwrap_or(0);
        &self.constants[series * count..(series + 1) * count]
    }
}

fn check_sizes(encodings: &Encodings) -> Result<(), LearnError> {
    for (name, texts) in &encodings.categories {
        if texts.len() > MAX_CATEGORIES {
            return Err(LearnError::Covariates(format!(
                "`{name}` has {} categories in the training part, but the limit is {MAX_CATEGORIES}: group the rare ones",
                texts.len()
            )));
        }
    }
    Ok(())
}

fn codes(coded: &Coded, frame: &Frame, encodings: &Encodings, data: &DataSpec) -> Result<CodedColumn, LearnError> {
    match coded {
        Coded::Past(name) | Coded::Future(name) => {
            let column = category_column(frame, name)?;
            let known = column_codes(column, encodings);
            if data.missing == Missing::Refuse {
                refuse_missing(frame, column)?;
            }
            Ok(CodedColumn::Rows(
                column.codes.iter().map(|&code| known.get(&code).copied().unwrap_or(UNKNOWN)).collect(),
            ))
        }
        Coded::Static(name) => {
            let column = category_column(frame, name)?;
            let known = column_codes(column, encodings);
            let code = |code: Option<u32>| code.and_then(|code| known.get(&code).copied()).unwrap_or(UNKNOWN);
            Ok(CodedColumn::Series(static_codes(frame, column)?.into_iter().map(code).collect()))
        }
        Coded::Series => {
            let code = |key: &String| encodings.code(SERIES, Some(key.as_str()));
            Ok(CodedColumn::Series(frame.series.iter().map(|series| code(&series.key)).collect()))
        }
        Coded::Calendar(feature) => {
            let times = frame.times.as_ref();
            let times = times.ok_or_else(|| {
                LearnError::Covariates("`data.calendar` needs times, but the dataset has none".to_owned())
            })?;
            Ok(CodedColumn::Rows(times.iter().map(|&time| calendar_code(*feature, time)).collect()))
        }
    }
}

fn category_column<'f>(frame: &'f Frame, name: &str) -> Result<&'f FrameCategories, LearnError> {
    let found = frame.categories.iter().find(|column| column.name == name);
    found.ok_or_else(|| LearnError::Broken(format!("`{name}` was not read")))
}

/// Maps each code of the column to the network's code.
fn column_codes(column: &FrameCategories, encodings: &Encodings) -> BTreeMap<u32, u16> {
    let texts = (0..).zip(&column.texts);
    texts.map(|(code, text)| (code, encodings.code(&column.name, Some(text.as_str())))).collect()
}

fn refuse_missing(frame: &Frame, column: &FrameCategories) -> Result<(), LearnError> {
    for series in &frame.series {
        let missing =
            column.codes[series.rows.clone()].iter().filter(|&&code| code == FrameCategories::MISSING).count();
        if missing > 0 {
            return Err(LearnError::MissingValues(format!(
                "series `{}` has {missing} points without a value of `{}`, which `data.missing: refuse` does not allow",
                series.key, column.name
            )));
        }
    }
    Ok(())
}

/// The category of each series; `None` if it is missing at every point.
fn static_codes(frame: &Frame, column: &FrameCategories) -> Result<Vec<Option<u32>>, LearnError> {
    let of = |rows: Range<usize>| column.codes[rows].iter().copied().filter(|&code| code != FrameCategories::MISSING);
    let one = |series: &gatecast_data::frame::FrameSeries| {
        let first = of(series.rows.clone()).next();
        if of(series.rows.clone()).any(|code| Some(code) != first) {
            Err(varies(&series.key, &column.name))
        } else {
            Ok(first)
        }
    };
    frame.series.iter().map(one).collect()
}

/// The number of each series.
fn static_numbers(frame: &Frame, column: &FrameColumn) -> Result<Vec<f64>, LearnError> {
    let mut numbers = Vec::with_capacity(frame.series.len());
    for series in &frame.series {
        let mut known = column.values[series.rows.clone()].iter().filter(|value| !value.is_nan());
        let first = known.next().copied().ok_or_else(|| {
            LearnError::MissingValues(format!(
                "series `{}` has no value of the static covariate `{}`",
                series.key, column.name
            ))
        })?;
        if known.any(|&value| value != first) {
            return Err(varies(&series.key, &column.name));
        }
        if exceeds_f32(first) {
            return Err(LearnError::ValuesTooLarge(format!(
                "`{}` of series `{}` is out of range for single precision",
                column.name, series.key
            )));
        }
        numbers.push(first);
    }
    Ok(numbers)
}

fn varies(series: &str, column: &str) -> LearnError {
    LearnError::Covariates(format!(
        "`{column}` changes within series `{series}`: a static covariate has one value per series; move it to `past` or `future`"
    ))
}

/// Mean and standard deviation over series, each counted once; a deviation of 0 becomes 1.
fn static_scale(values: &[f64]) -> StaticScale {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|value| value / count).sum::<f64>();
    let alike = values.iter().all(|value| Some(value) == values.first());
    let std = (values.iter().map(|value| (value - mean).powi(2) / count).sum::<f64>()).sqrt();
    StaticScale { mean, std: if alike || std == 0.0 || !std.is_finite() { 1.0 } else { std } }
}
