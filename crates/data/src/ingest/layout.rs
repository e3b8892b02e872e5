//! Which column of an upload is what: told by the caller, or recognised from the first rows.
//!
//! - *rows*: no time column, the first column ids that do not repeat (or the header counts V1, V2,
//!   …), and all the others numbers.
//! - *wide*: a time column and ten or more others, all numbers, none of them a series id.
//! - *long*: everything else. The series id is the column called like one, or the text column that
//!   keeps apart the rows that share a time; without either there is one series.

use super::column_names::{has_time_word, is_series_name, is_step_name, is_time_name};
use super::column_plan::{ColumnPlan, Inferred, PlannedColumn, warning};
use super::header;
use super::sample::{ColumnStats, Line, repeats};
use super::times::{TimeRange, looks_like_calendar};
use crate::error::IngestError;
use crate::options::{Decimal, TimeFormat, UploadOptions};
use gatecast_core::dataset::{ColumnKind, Layout};
use gatecast_core::resolve::nearest;

const WIDE_COLUMNS: usize = 10;
/// Texts longer than this are prose, not categories.
const CATEGORY_BYTES: usize = 200;
/// The value column of uploads whose columns or rows are series.
const VALUE: &str = "value";

/// The sample, looked at.
struct Sample<'a> {
    names: &'a [String],
    rows: &'a [Line],
    shapes: Vec<ColumnStats>,
    options: &'a UploadOptions,
}

/// A column of times, and how they are written.
#[derive(Debug, Clone, Copy)]
struct TimeColumn {
    at: usize,
    format: TimeFormat,
    range: Option<TimeRange>,
}

impl TimeColumn {
    /// What the column holds, for the profile.
    fn content(self) -> &'static str {
        if self.format == TimeFormat::Steps { "numbers of steps" } else { "times" }
    }
}

/// Infers what the columns hold. `may_be_data`: the names are the cells of a first row that may be a
/// series rather than a header.
pub(super) fn infer_schema(
    names: &[String],
    rows: &[Line],
    options: &UploadOptions,
    may_be_data: bool,
) -> Result<Inferred, IngestError> {
    let comma = options.decimal == Decimal::Comma;
    let shapes = (0..names.len()).map(|column| ColumnStats::of(rows, column, comma)).collect();
    let sample = Sample { names, rows, shapes, options };
    let time = sample.time_column()?;
    sample.check_header(time)?;
    let series = options.series_column.as_deref().map(|name| sample.named(name)).transpose()?;
    if let (Some(time), Some(series)) = (time, series)
        && time.at == series
    {
        return Err(IngestError::refuse("one_column_two_roles", "time_column and series_column name the same column"));
    }
    let told = "the upload's options say so";
    let plan = match (options.layout, time) {
        (Some(Layout::Rows), _) => sample.rows_plan(told.to_owned()),
        (Some(Layout::Wide), Some(time)) => sample.wide_plan(time, told.to_owned()),
        (Some(Layout::Wide), None) => {
            return Err(IngestError::refuse(
                "no_time_column",
                "a wide upload needs a column of times, and none of its columns holds times; name it (time_column)",
            ));
        }
        (Some(Layout::Long), time) => sample.long_plan(time, series, told)?,
        (None, None) if series.is_none() && sample.looks_like_rows() => {
            let first = if may_be_data { "the first column" } else { &format!("`{}`", sample.name(0)) };
            let reason = format!("no column holds times, {first} holds ids and the other columns are numbers");
            sample.rows_plan(reason)
        }
        (None, Some(time)) if series.is_none() && sample.looks_wide(time.at) => {
            let others = names.len() - 1;
            let reason = format!(
                "beside the {} in `{}` there are {others} columns, all of numbers",
                time.content(),
                sample.name(time.at)
            );
            sample.wide_plan(time, reason)
        }
        (None, time) => sample.long_plan(time, series, "")?,
    };
    if may_be_data && plan.layout == Layout::Rows && header::is_data(names, rows)? {
        return Ok(Inferred::FirstRowIsData);
    }
    Ok(Inferred::Plan(Box::new(plan)))
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

    /// A first row of numbers and times alone is data, not names; so is one with a time above the
    /// times.
    fn check_header(&self, time: Option<TimeColumn>) -> Result<(), IngestError> {
        if self.options.header.is_some() {
            return Ok(());
        }
        let comma = self.options.decimal == Decimal::Comma;
        let is_time = |name: &str| looks_like_calendar(name.as_bytes());
        let is_data = |name: &String| super::cells::number(name.as_bytes(), comma).is_ok() || is_time(name);
        let what = if self.names.iter().all(is_data) {
            "numbers and times"
        } else if self.options.time_column.is_none() && time.is_some_and(|time| is_time(self.name(time.at))) {
            "a time"
        } else {
            return Ok(());
        };
        Err(IngestError::refuse(
            "no_header",
            format!(
                "the first row holds {what} where the names of the columns are expected; say header=no if the file has \
                 no header, header=yes if those are the names"
            ),
        ))
    }

    fn time_column(&self) -> Result<Option<TimeColumn>, IngestError> {
        if let Some(name) = &self.options.time_column {
            let at = self.named(name)?;
            let calendar = TimeColumn { at, format: TimeFormat::Calendar, range: None };
            return Ok(Some(self.time_format(at).or_else(|| self.steps(at)).unwrap_or(calendar)));
        }
        if self.options.layout == Some(Layout::Rows) {
            return Ok(None);
        }
        let columns =
            || (0..self.names.len()).filter(|&column| Some(self.name(column)) != self.options.series_column.as_deref());
        let calendar = |&column: &usize| self.shape(column).is_some_and(|shape| shape.mostly(shape.calendar));
        let called_time = |&column: &usize| has_time_word(self.name(column));
        let found = columns().filter(calendar).find(called_time).or_else(|| columns().find(calendar));
        let found = found.and_then(|column| self.time_format(column));
        let called_steps = |&column: &usize| is_step_name(self.name(column));
        let found = found.or_else(|| {
            let times = columns().filter(called_time).filter(|column| !called_steps(column));
            let counter =
                |&at: &usize| is_time_name(self.name(at)) || is_step_name(self.name(at)) && self.is_unique(at);
            let counters = || columns().filter(counter);
            times
                .filter_map(|column| self.time_format(column))
                .next()
                .or_else(|| counters().find_map(|at| self.steps(at)))
        });
        if found.is_some() {
            return Ok(found);
        }
        let odd = columns().find(|&column| is_time_name(self.name(column)));
        match odd.and_then(|column| Some((column, self.shape(column)?))) {
            Some((column, shape)) if shape.filled > 0 => Err(IngestError::refuse(
                "unrecognised_times",
                format!(
                    "column `{}` holds no times that are recognised, {} for one; expected dates such as 2001-01-31, \
                     2001-01-31T10:00:00Z or 01/31/2001, or whole numbers that count steps, or say time_format",
                    self.name(column),
                    shape.odd_example()
                ),
            )),
            _ => Ok(None),
        }
    }

    /// How the column's times are written, if it holds times or the caller says so.
    fn time_format(&self, at: usize) -> Option<TimeColumn> {
        if let Some(format) = self.options.time_format {
            return Some(TimeColumn { at, format, range: None });
        }
        let shape = self.shape(at)?;
        if shape.mostly(shape.calendar) {
            return Some(TimeColumn { at, format: TimeFormat::Calendar, range: None });
        }
        shape.whole_times().map(|(format, range)| TimeColumn { at, format, range: Some(range) })
    }

    /// The column as a counter of steps, if it holds such numbers or the caller says so.
    fn steps(&self, at: usize) -> Option<TimeColumn> {
        match self.options.time_format {
            Some(format) => Some(TimeColumn { at, format, range: None }),
            None => Some(TimeColumn { at, format: TimeFormat::Steps, range: Some(self.shape(at)?.steps()?) }),
        }
    }

    /// Whether no two rows have the same value in the column and the same texts.
    fn is_unique(&self, at: usize) -> bool {
        let is_id = |&column: &usize| {
            let texts = self.shape(column).is_some_and(|shape| shape.numbers < shape.filled);
            column == at
                || texts
                || is_series_name(self.name(column))
                || Some(self.name(column)) == self.options.series_column.as_deref()
        };
        let columns: Vec<usize> = (0..self.names.len()).filter(is_id).collect();
        !repeats(self.rows, &columns)
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
            time_range: None,
            series: Some(0),
            columns: vec![column],
            wide: Vec::new(),
            warnings: Vec::new(),
            headerless: false,
            frequency: None,
        }
    }

    fn wide_plan(&self, time: TimeColumn, reason: String) -> ColumnPlan {
        let column = PlannedColumn { at: 0, name: VALUE.to_owned(), kind: ColumnKind::Number };
        ColumnPlan {
            layout: Layout::Wide,
            reason,
            time: Some(time.at),
            time_format: time.format,
            time_range: time.range,
            series: None,
            columns: vec![column],
            wide: (0..self.names.len()).filter(|&column| column != time.at).collect(),
            warnings: Vec::new(),
            headerless: false,
            frequency: None,
        }
    }

    fn long_plan(
        &self,
        time: Option<TimeColumn>,
        series: Option<usize>,
        said: &str,
    ) -> Result<ColumnPlan, IngestError> {
        let (series, found) = match series {
            Some(series) => (Some(series), "the upload's options name it".to_owned()),
            None => self.series_column(time.map(|time| time.at)),
        };
        let mut warnings = Vec::new();
        let times = match time {
            Some(time) => format!("{} in `{}`", time.content(), self.name(time.at)),
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
        for at in (0..self.names.len()).filter(|&at| Some(at) != time.map(|time| time.at) && Some(at) != series) {
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
        Ok(ColumnPlan {
            layout: Layout::Long,
            reason,
            time: time.map(|time| time.at),
            time_format: time.map_or(TimeFormat::Calendar, |time| time.format),
            time_range: time.and_then(|time| time.range),
            series,
            columns,
            wide: Vec::new(),
            warnings,
            headerless: false,
            frequency: None,
        })
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
                    "column `{}` holds numbers such as {}; say decimal=comma if that is a decimal comma",
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
