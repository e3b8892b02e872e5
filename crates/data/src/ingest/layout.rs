//! Which column of an upload is what: told by the caller, or recognised from the first rows.
//!
//! - *rows*: no time column, the first column ids that do not repeat (or the header counts V1, V2,
//!   …), and all the others numbers.
//! - *wide*: a time column and ten or more others, all numbers, none of them a series id.
//! - *long*: everything else. The series id is the column called like one, or the text column that
//!   keeps apart the rows that share a time; without either there is one series.

use super::sample::{ColumnStats, Line, repeats};
use crate::error::IngestError;
use crate::options::{Decimal, TimeFormat, UploadOptions};
use gatecast_core::dataset::{ColumnKind, Layout, Warning};
use gatecast_core::resolve::nearest;

/// Names of columns that hold series ids, in lower case.
const SERIES_NAMES: [&str; 16] = [
    "id",
    "series",
    "series_id",
    "seriesid",
    "series_name",
    "unique_id",
    "uniqueid",
    "item_id",
    "itemid",
    "item",
    "ts_id",
    "key",
    "sensor_id",
    "meter_id",
    "store_id",
    "station_id",
];
/// Names of columns that can hold nothing but times.
const TIME_NAMES: [&str; 5] = ["time", "date", "datetime", "timestamp", "ds"];
/// Words within names of columns that may hold times.
const TIME_WORDS: [&str; 14] = [
    "time",
    "date",
    "datetime",
    "timestamp",
    "ds",
    "ts",
    "day",
    "month",
    "year",
    "period",
    "yearmonth",
    "yyyymm",
    "epoch",
    "unix",
];
const WIDE_COLUMNS: usize = 10;
/// Texts longer than this are prose, not categories.
const CATEGORY_BYTES: usize = 200;
/// The value column of uploads whose columns or rows are series.
const VALUE: &str = "value";

/// How to read every row.
#[derive(Debug)]
pub(super) struct ColumnPlan {
    pub(super) layout: Layout,
    pub(super) reason: String,
    pub(super) time: Option<usize>,
    pub(super) time_format: TimeFormat,
    pub(super) series: Option<usize>,
    /// Long: the value columns. Wide and rows: one, called `value`.
    pub(super) columns: Vec<PlannedColumn>,
    /// Wide: the columns that are series.
    pub(super) wide: Vec<usize>,
    pub(super) warnings: Vec<Warning>,
}

#[derive(Debug)]
pub(super) struct PlannedColumn {
    /// Its place in the file.
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) kind: ColumnKind,
}

/// The sample, looked at.
struct Sample<'a> {
    names: &'a [String],
    rows: &'a [Line],
    shapes: Vec<ColumnStats>,
    options: &'a UploadOptions,
}

pub(super) fn infer_schema(
    names: &[String],
    rows: &[Line],
    options: &UploadOptions,
) -> Result<ColumnPlan, IngestError> {
    let comma = options.decimal == Decimal::Comma;
    let shapes = (0..names.len()).map(|column| ColumnStats::of(rows, column, comma)).collect();
    let sample = Sample { names, rows, shapes, options };
    sample.check_header()?;
    let time = sample.time_column()?;
    let series = options.series_column.as_deref().map(|name| sample.named(name)).transpose()?;
    if let (Some((time, _)), Some(series)) = (time, series)
        && time == series
    {
        return Err(IngestError::refuse("one_column_two_roles", "time_column and series_column name the same column"));
    }
    match (options.layout, time) {
        (Some(Layout::Rows), _) => Ok(sample.rows_plan("the upload's options say so".to_owned())),
        (Some(Layout::Wide), Some(time)) => Ok(sample.wide_plan(time, "the upload's options say so".to_owned())),
        (Some(Layout::Wide), None) => Err(IngestError::refuse(
            "no_time_column",
            "a wide upload needs a column of times, and none of its columns holds times; name it (time_column)",
        )),
        (Some(Layout::Long), time) => sample.long_plan(time, series, "the upload's options say so"),
        (None, None) if series.is_none() && sample.looks_like_rows() => {
            let first = sample.name(0);
            let reason = format!("no column holds times, `{first}` holds ids and the other columns are numbers");
            Ok(sample.rows_plan(reason))
        }
        (None, Some(time)) if series.is_none() && sample.looks_wide(time.0) => {
            let others = names.len() - 1;
            let reason =
                format!("beside the times in `{}` there are {others} columns, all of numbers", sample.name(time.0));
            Ok(sample.wide_plan(time, reason))
        }
        (None, time) => sample.long_plan(time, series, ""),
    }
}

impl Sample<'_> {
    fn name(&self, column: usize) -> &str {
        self.names.get(column).map_or("", String::as_str)
    }

    fn shape(&self, column: usize) -> Option<&ColumnStats> {
        self.shapes.get(column)
    }

    fn named(&self, name: &str) -> Result<usize, IngestError> {
        self.names.iter().position(|known| known == name).ok_or_else(|| {
            let hint = nearest(name, self.names.iter().map(String::as_str));
            IngestError::refuse("no_such_column", format!("the upload has no column `{name}`{hint}"))
        })
    }

    /// A first row of numbers and times alone is data, not names.
    fn check_header(&self) -> Result<(), IngestError> {
        let is_data = |name: &String| {
            let cell = name.as_bytes();
            super::cells::number(cell, false).is_ok() || super::times::looks_like_calendar(cell)
        };
        match self.names.iter().all(is_data) {
            true => Err(IngestError::refuse(
                "no_header",
                "the first row holds numbers and times where the names of the columns are expected",
            )),
            false => Ok(()),
        }
    }

    fn time_column(&self) -> Result<Option<(usize, TimeFormat)>, IngestError> {
        if let Some(name) = &self.options.time_column {
            let column = self.named(name)?;
            return Ok(Some((column, self.time_format(column).unwrap_or(TimeFormat::Calendar))));
        }
        if self.options.layout == Some(Layout::Rows) {
            return Ok(None);
        }
        let columns =
            || (0..self.names.len()).filter(|&column| Some(self.name(column)) != self.options.series_column.as_deref());
        let calendar = |&column: &usize| self.shape(column).is_some_and(|shape| shape.mostly(shape.calendar));
        let called_time = |&column: &usize| has_time_word(self.name(column));
        let whole = |&column: &usize| self.shape(column).is_some_and(|shape| shape.whole());
        let found = columns().filter(calendar).find(called_time).or_else(|| columns().find(calendar));
        let found = found
            .or_else(|| columns().filter(called_time).filter(whole).find(|&column| self.time_format(column).is_some()));
        if let Some(column) = found {
            return Ok(Some((column, self.time_format(column).unwrap_or(TimeFormat::Calendar))));
        }
        let odd = columns().find(|&column| TIME_NAMES.contains(&self.name(column).to_lowercase().as_str()));
        match odd.and_then(|column| Some((column, self.shape(column)?))) {
            Some((column, shape)) if shape.filled > 0 => Err(IngestError::refuse(
                "unrecognised_times",
                format!(
                    "column `{}` holds no times that are recognised, {} for one; expected dates such as 2001-01-31, \
                     2001-01-31T10:00:00Z or 01/31/2001, or say time_format",
                    self.name(column),
                    shape.example
                ),
            )),
            _ => Ok(None),
        }
    }

    fn time_format(&self, column: usize) -> Option<TimeFormat> {
        self.options.time_format.or_else(|| {
            let shape = self.shape(column)?;
            if shape.mostly(shape.calendar) { Some(TimeFormat::Calendar) } else { shape.whole_times() }
        })
    }

    fn looks_like_rows(&self) -> bool {
        let others = 1..self.names.len();
        let numbers = !others.is_empty()
            && others
                .clone()
                .all(|column| self.shape(column).is_some_and(|shape| shape.filled == 0 || shape.mostly(shape.numbers)));
        let ids = self.shape(0).is_some_and(|shape| {
            let texts = shape.numbers < shape.filled || is_series_name(self.name(0));
            shape.filled > 0 && texts && shape.distinct == self.rows.len()
        });
        let counted =
            self.names.len() > 2 && self.names.iter().enumerate().all(|(at, name)| *name == format!("V{}", at + 1));
        numbers && (ids || counted)
    }

    fn looks_wide(&self, time: usize) -> bool {
        let mut others = (0..self.names.len()).filter(|&column| column != time);
        self.names.len() > WIDE_COLUMNS
            && others.all(|column| {
                self.shape(column).is_some_and(ColumnStats::all_numbers) && !is_series_name(self.name(column))
            })
            && !repeats(self.rows, &[time])
    }

    fn rows_plan(&self, reason: String) -> ColumnPlan {
        let column = PlannedColumn { at: 1, name: VALUE.to_owned(), kind: ColumnKind::Number };
        ColumnPlan {
            layout: Layout::Rows,
            reason,
            time: None,
            time_format: TimeFormat::Calendar,
            series: Some(0),
            columns: vec![column],
            wide: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn wide_plan(&self, (time, time_format): (usize, TimeFormat), reason: String) -> ColumnPlan {
        let column = PlannedColumn { at: 0, name: VALUE.to_owned(), kind: ColumnKind::Number };
        ColumnPlan {
            layout: Layout::Wide,
            reason,
            time: Some(time),
            time_format,
            series: None,
            columns: vec![column],
            wide: (0..self.names.len()).filter(|&column| column != time).collect(),
            warnings: Vec::new(),
        }
    }

    fn long_plan(
        &self,
        time: Option<(usize, TimeFormat)>,
        series: Option<usize>,
        said: &str,
    ) -> Result<ColumnPlan, IngestError> {
        let (series, found) = match series {
            Some(series) => (Some(series), "the upload's options name it".to_owned()),
            None => self.series_column(time.map(|(column, _)| column)),
        };
        let mut warnings = Vec::new();
        let times = match time {
            Some((column, _)) => format!("times stand in `{}`", self.name(column)),
            None => {
                let detail = "no column holds times: the points of a series are taken in the order of the file";
                warnings.push(warning("no_times", detail));
                "no column holds times".to_owned()
            }
        };
        let ids = match series {
            Some(column) => format!("series ids in `{}` ({found})", self.name(column)),
            None => format!("there is one series ({found})"),
        };
        let reason = if said.is_empty() { format!("{times}, {ids}") } else { format!("{said}; {times}, {ids}") };
        let mut columns = Vec::new();
        for at in (0..self.names.len()).filter(|&at| Some(at) != time.map(|(column, _)| column) && Some(at) != series) {
            match self.kind(at)? {
                Ok(kind) => columns.push(PlannedColumn { at, name: self.name(at).to_owned(), kind }),
                Err(dropped) => warnings.push(warning("column_dropped", format!("`{}` {dropped}", self.name(at)))),
            }
        }
        if !columns.iter().any(|column| column.kind == ColumnKind::Number) {
            return Err(IngestError::refuse("no_number_column", "no column beside times and series ids holds numbers"));
        }
        let limit = self.options.limits.value_columns;
        if columns.len() > limit {
            let detail = format!("the upload has {} value columns; at most {limit} are taken", columns.len());
            return Err(IngestError::too_large("too_many_columns", detail));
        }
        let (time, time_format) = time.map_or((None, TimeFormat::Calendar), |(at, format)| (Some(at), format));
        Ok(ColumnPlan { layout: Layout::Long, reason, time, time_format, series, columns, wide: Vec::new(), warnings })
    }

    /// The column of series ids, if there is one, and why.
    fn series_column(&self, time: Option<usize>) -> (Option<usize>, String) {
        let others = || (0..self.names.len()).filter(|&column| Some(column) != time);
        let is_id = |&column: &usize| {
            self.shape(column).is_some_and(|shape| {
                let texts = shape.numbers < shape.filled && !shape.mostly(shape.calendar);
                texts || shape.whole()
            })
        };
        let repeated = time.is_some_and(|time| repeats(self.rows, &[time]));
        let counts_rows = |column: usize| {
            // One id a row while no time repeats: a row number.
            let distinct = self.shape(column).is_some_and(|shape| shape.distinct == self.rows.len() && shape.whole());
            time.is_some() && distinct && !repeated && self.rows.len() > 2
        };
        if let Some(column) = others().filter(|&column| is_series_name(self.name(column))).find(is_id)
            && !counts_rows(column)
        {
            return (Some(column), "by its name".to_owned());
        }
        if !repeated {
            return (None, "no column is called a series id, and no time repeats".to_owned());
        }
        let tells_apart = |&column: &usize| {
            let Some(shape) = self.shape(column) else { return false };
            let named = self.name(column).to_lowercase().ends_with("id");
            let texts = shape.numbers < shape.filled && !shape.mostly(shape.calendar);
            (texts || named && shape.whole())
                && shape.filled == self.rows.len()
                && time.is_some_and(|time| !repeats(self.rows, &[column, time]))
        };
        match others().filter(tells_apart).min_by_key(|&column| self.shape(column).map_or(0, |shape| shape.distinct)) {
            Some(column) => (Some(column), "it keeps apart the rows that share a time".to_owned()),
            None => (None, "no column keeps apart the rows that share a time".to_owned()),
        }
    }

    /// What a value column holds, or why it is left out.
    fn kind(&self, column: usize) -> Result<Result<ColumnKind, String>, IngestError> {
        let Some(shape) = self.shape(column) else { return Ok(Ok(ColumnKind::Number)) };
        let limit = self.options.limits.categories;
        if shape.mostly(shape.decimal_commas + shape.numbers)
            && shape.decimal_commas > 0
            && shape.numbers < shape.filled
        {
            return Err(IngestError::refuse(
                "decimal_comma",
                format!(
                    "column `{}` holds numbers such as {}; say decimal=comma if the comma stands before the fraction",
                    self.name(column),
                    shape.example
                ),
            ));
        }
        Ok(if shape.filled == 0 || shape.mostly(shape.numbers) {
            let counts_rows = is_series_name(self.name(column)) && shape.whole() && shape.distinct == self.rows.len();
            if counts_rows && self.rows.len() > 2 {
                Err("numbers the rows and was left out".to_owned())
            } else {
                Ok(ColumnKind::Number)
            }
        } else if shape.mostly(shape.calendar) {
            Err("holds times, but another column is the time: it was left out".to_owned())
        } else if shape.distinct > limit || shape.longest > CATEGORY_BYTES {
            Err(format!("holds more than {limit} different texts, or long ones, and was left out"))
        } else {
            Ok(ColumnKind::Category)
        })
    }
}

pub(super) fn warning(code: &str, detail: impl Into<String>) -> Warning {
    Warning { code: code.to_owned(), detail: detail.into() }
}

fn is_series_name(name: &str) -> bool {
    SERIES_NAMES.contains(&name.to_lowercase().as_str())
}

fn has_time_word(name: &str) -> bool {
    let name = name.to_lowercase();
    name.split(|c: char| !c.is_alphanumeric()).any(|word| TIME_WORDS.contains(&word))
}
