//! Turns rows of text into runs of points, by the plan.
//!
//! What is wrong in a row is noted and the loading goes on, so that one answer names the first
//! twenty mistakes; no point of such an upload is kept.

use std::sync::mpsc::SyncSender;

use csv::ByteRecord;

use super::cells::{CellFault, is_missing, number, quoted};
use super::column_plan::ColumnPlan;
use super::known_spans::KnownSpans;
use super::rows::{Cells, NO_CATEGORY, Rows};
use super::sorted_runs::Run;
use super::step_numbers::StepSize;
use super::times::{Times, order_question, swap_day_and_month};
use crate::error::{IngestError, RowError};
use crate::interner::Interner;
use crate::options::{DateOrder, Decimal, UploadLimits, UploadOptions};
use gatecast_core::dataset::{Layout, ONLY_SERIES};
use gatecast_core::frequency::Frequency;

/// Mistakes named before the upload is refused.
const NAMED: usize = 20;

/// All that is known once the last row is in.
pub(super) struct Loaded {
    pub(super) plan: ColumnPlan,
    pub(super) names: Vec<String>,
    pub(super) keys: Interner,
    /// Beside each value column: the texts of a category column, or none.
    pub(super) categories: Vec<Option<Categories>>,
    pub(super) rows: u64,
    /// Wide: where the series begin and end.
    pub(super) spans: KnownSpans,
    /// The size of one step, where steps are numbered.
    pub(super) step_size: i64,
    /// Some time had a clock but no zone.
    pub(super) zoneless: bool,
    /// The runs read before the order of day and month was known have it the wrong way round.
    pub(super) swap_undecided: bool,
}

/// The texts of one category column.
#[derive(Debug, Default)]
pub(super) struct Categories {
    pub(super) texts: Interner,
    /// There were too many: the column is to be left out.
    pub(super) overflowed: bool,
}

/// Where the points of a series begin, one step apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeriesStart {
    /// Microseconds since 1970 UTC.
    pub(super) time: i64,
    pub(super) frequency: Frequency,
}

pub(super) struct Loader<'a> {
    plan: ColumnPlan,
    names: Vec<String>,
    limits: &'a UploadLimits,
    decimal_comma: bool,
    give: SyncSender<Run>,
    times: Times,
    keys: Interner,
    last_key: u32,
    /// Points of each series so far, where there are no times.
    places: Vec<i64>,
    spans: KnownSpans,
    step_size: StepSize,
    categories: Vec<Option<Categories>>,
    run: Rows,
    run_rows: usize,
    rows: u64,
    points: u64,
    /// A row of a long upload, or a cell of another one, has been read.
    has_values: bool,
    faults: Vec<RowError>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(
        plan: ColumnPlan,
        names: Vec<String>,
        options: &'a UploadOptions,
        give: SyncSender<Run>,
    ) -> Result<Self, IngestError> {
        let run = Rows::new(plan.columns.iter().map(|column| column.kind));
        let categories =
            run.columns.iter().map(|cells| matches!(cells, Cells::Categories(_)).then(Categories::default));
        let mut loader = Self {
            times: Times::new(plan.time_format, plan.time_range, options.date_order),
            categories: categories.collect(),
            limits: &options.limits,
            decimal_comma: options.decimal == Decimal::Comma,
            run_rows: (options.limits.run_bytes / run.row_bytes()).max(16),
            run,
            plan,
            names,
            give,
            keys: Interner::default(),
            last_key: 0,
            places: Vec::new(),
            spans: KnownSpans::default(),
            step_size: StepSize::default(),
            rows: 0,
            points: 0,
            has_values: false,
            faults: Vec::new(),
        };
        // In a wide upload the series are the columns, and are numbered in their order.
        let wide: Vec<String> =
            loader.plan.wide.iter().filter_map(|&column| loader.names.get(column).cloned()).collect();
        for name in &wide {
            loader.intern(name.as_bytes())?.map_err(|fault| IngestError::refuse(fault.code, fault.detail))?;
        }
        if loader.plan.layout == Layout::Long && loader.plan.series.is_none() {
            loader.take_in(ONLY_SERIES)?;
        }
        Ok(loader)
    }

    pub(super) fn row(&mut self, line: u64, cells: &ByteRecord) -> Result<(), IngestError> {
        self.rows += 1;
        let (found, wanted) = (cells.len(), self.names.len());
        // A shorter series ends its row early; without a header, the first rows do not bound it.
        let fits = match self.plan.layout {
            Layout::Rows if self.plan.headerless => found <= self.limits.columns,
            Layout::Rows => found <= wanted,
            Layout::Long | Layout::Wide => found == wanted,
        };
        if !fits {
            let first = if self.plan.headerless { "first row" } else { "header" };
            let detail = format!("has {found} cells where the {first} has {wanted}");
            return self.fault(line, None, CellFault::new("ragged_row", detail));
        }
        match self.plan.layout {
            Layout::Long => self.long_row(line, cells)?,
            Layout::Wide => self.wide_row(line, cells)?,
            Layout::Rows => self.series_row(line, cells, None)?,
        }
        self.end_row()
    }

    /// Takes a series of any length: its key, then its values.
    pub(super) fn series(
        &mut self,
        line: u64,
        cells: &ByteRecord,
        start: Option<SeriesStart>,
    ) -> Result<(), IngestError> {
        self.rows += 1;
        self.series_row(line, cells, start)?;
        self.end_row()
    }

    fn end_row(&mut self) -> Result<(), IngestError> {
        if self.points > self.limits.points {
            let detail = format!("the upload has more than {} points", self.limits.points);
            return Err(IngestError::too_large("too_many_points", detail));
        }
        if self.run.len() >= self.run_rows { self.hand_on() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<Loaded, IngestError> {
        if !self.faults.is_empty() {
            return Err(self.refusal());
        }
        if let Some((line, text)) = self.times.ambiguous() {
            return Err(IngestError::refuse("ambiguous_dates", order_question(*line, text)));
        }
        if !self.has_values {
            return Err(IngestError::refuse("no_values", "no cell of the upload holds a value"));
        }
        self.hand_on()?;
        let swap_undecided = self.times.order() == Some(DateOrder::Dmy);
        self.spans.settle(swap_undecided);
        Ok(Loaded {
            swap_undecided,
            spans: self.spans,
            step_size: self.step_size.get(),
            zoneless: self.times.zoneless(),
            plan: self.plan,
            names: self.names,
            keys: self.keys,
            categories: self.categories,
            rows: self.rows,
        })
    }

    fn long_row(&mut self, line: u64, cells: &ByteRecord) -> Result<(), IngestError> {
        let series = match self.plan.series {
            None => 0,
            Some(column) => match self.intern(cells.get(column).unwrap_or_default())? {
                Ok(series) => series,
                Err(fault) => return self.fault(line, Some(column), fault),
            },
        };
        let time = match self.plan.time {
            None => self.next_place(series),
            Some(column) => match self.time(cells.get(column).unwrap_or_default(), line) {
                Ok(time) => time,
                Err(fault) => return self.fault(line, Some(column), fault),
            },
        };
        for at in 0..self.plan.columns.len() {
            if let Err((column, fault)) = self.value(at, cells) {
                self.fault(line, Some(column), fault)?;
            }
        }
        self.has_values = true;
        self.point(series, time, line);
        Ok(())
    }

    /// Reads the cell of value column `at` into the run; a faulty one as missing, to keep the
    /// columns of one length.
    fn value(&mut self, at: usize, cells: &ByteRecord) -> Result<(), (usize, CellFault)> {
        let Some(column) = self.plan.columns.get(at).map(|column| column.at) else { return Ok(()) };
        let cell = cells.get(column).unwrap_or_default();
        match self.run.columns.get_mut(at) {
            Some(Cells::Numbers(values)) => {
                let value = number(cell, self.decimal_comma);
                values.push(*value.as_ref().unwrap_or(&f64::NAN));
                value.map(drop).map_err(|fault| (column, fault))
            }
            Some(Cells::Categories(codes)) => {
                let categories = self.categories.get_mut(at).and_then(Option::as_mut);
                let code = categories.map_or(Ok(NO_CATEGORY), |known| known.code(cell, self.limits.categories));
                codes.push(*code.as_ref().unwrap_or(&NO_CATEGORY));
                code.map(drop).map_err(|fault| (column, fault))
            }
            None => Ok(()),
        }
    }

    /// A cell without a value is a point if its series has begun and not ended: see [`KnownSpans`].
    fn wide_row(&mut self, line: u64, cells: &ByteRecord) -> Result<(), IngestError> {
        let time = self.plan.time.unwrap_or(0);
        let moment = match self.time(cells.get(time).unwrap_or_default(), line) {
            Ok(moment) => moment,
            Err(fault) => return self.fault(line, Some(time), fault),
        };
        for series in 0..self.plan.wide.len() {
            let Some(&column) = self.plan.wide.get(series) else { break };
            match number(cells.get(column).unwrap_or_default(), self.decimal_comma) {
                Ok(value) => {
                    if !value.is_nan() {
                        self.spans.add(series as u32, moment, self.times.undecided());
                        self.has_values = true;
                    }
                    self.number_point(series as u32, moment, line, value)?;
                }
                Err(fault) => self.fault(line, Some(column), fault)?,
            }
        }
        Ok(())
    }

    fn series_row(&mut self, line: u64, cells: &ByteRecord, start: Option<SeriesStart>) -> Result<(), IngestError> {
        let id = cells.get(0).unwrap_or_default();
        let series = match self.intern(id)? {
            Ok(series) => series,
            Err(fault) => return self.fault(line, Some(0), fault),
        };
        // Cells without a value at either end are there to fill the row.
        let is_filled = |&at: &usize| !is_missing(cells.get(at).unwrap_or_default().trim_ascii());
        let (first, last) = ((1..cells.len()).find(is_filled), (1..cells.len()).rev().find(is_filled));
        let Some((first, last)) = first.zip(last) else {
            return self.fault(
                line,
                None,
                CellFault::new("empty_series", format!("series {} has no values", quoted(id))),
            );
        };
        self.has_values = true;
        for at in first..=last {
            match number(cells.get(at).unwrap_or_default(), self.decimal_comma) {
                Ok(value) => {
                    let place = at as i64 - 1;
                    let time = start.map_or(Some(place), |start| start.frequency.add(start.time, place));
                    let Some(time) = time else {
                        let detail = format!("the time of point {at} of series {} is past the last time", quoted(id));
                        return self.fault(line, None, CellFault::new("time_out_of_range", detail));
                    };
                    self.number_point(series, time, line, value)?;
                }
                Err(fault) => self.fault(line, Some(at), fault)?,
            }
        }
        Ok(())
    }

    fn number_point(&mut self, series: u32, time: i64, line: u64, value: f64) -> Result<(), IngestError> {
        if let Some(Cells::Numbers(values)) = self.run.columns.first_mut() {
            values.push(value);
        }
        self.point(series, time, line);
        // One row of such an upload may be many points.
        if self.run.len() >= self.run_rows { self.hand_on() } else { Ok(()) }
    }

    fn point(&mut self, series: u32, time: i64, line: u64) {
        self.run.series.push(series);
        self.run.times.push(time);
        self.run.lines.push(u32::try_from(line).unwrap_or(u32::MAX));
        self.points += 1;
        if self.plan.counts_steps() {
            self.step_size.add(series, time);
        }
    }

    fn time(&mut self, cell: &[u8], line: u64) -> Result<i64, CellFault> {
        let undecided = self.times.undecided();
        if is_missing(cell.trim_ascii()) {
            return Err(CellFault::new("missing_time", "the row has no time"));
        }
        let time = self.times.read(cell, line)?;
        if undecided && self.times.order() == Some(DateOrder::Dmy) {
            // Now it is known: the rows of this run had it the wrong way round. Earlier runs are
            // put right at the end.
            self.run.times.iter_mut().for_each(|time| *time = swap_day_and_month(*time));
        }
        Ok(time)
    }

    fn next_place(&mut self, series: u32) -> i64 {
        let at = series as usize;
        if self.places.len() <= at {
            self.places.resize(at + 1, 0);
        }
        self.places.get_mut(at).map_or(0, |place| {
            *place += 1;
            *place - 1
        })
    }

    /// The number of a series; the outer error ends the upload, the inner one is the cell's.
    fn intern(&mut self, cell: &[u8]) -> Result<Result<u32, CellFault>, IngestError> {
        let key = cell.trim_ascii();
        if self.keys.len() > 0 && self.keys.text(self.last_key).as_bytes() == key {
            return Ok(Ok(self.last_key));
        }
        if let Some(known) = self.keys.find(key) {
            self.last_key = known;
            return Ok(Ok(known));
        }
        let text = match clean_text(key) {
            Ok("") => return Ok(Err(CellFault::new("empty_series_id", "the row has no series id"))),
            Ok(text) => text,
            Err(fault) => return Ok(Err(fault)),
        };
        if text.len() > self.limits.key_bytes {
            let detail = format!("the series id is longer than {} bytes", self.limits.key_bytes);
            return Ok(Err(CellFault::new("series_id_too_long", detail)));
        }
        if self.keys.len() >= self.limits.series || self.keys.size() + text.len() > self.limits.series_bytes {
            let detail = format!(
                "the upload has more than {} series, or ids of more than {} bytes together",
                self.limits.series, self.limits.series_bytes
            );
            return Err(IngestError::too_large("too_many_series", detail));
        }
        self.last_key = self.take_in(text)?;
        Ok(Ok(self.last_key))
    }

    fn take_in(&mut self, key: &str) -> Result<u32, IngestError> {
        let too_many = || IngestError::too_large("too_many_series", "the upload has more than 4294967294 series");
        self.keys.insert(key).ok_or_else(too_many)
    }

    fn hand_on(&mut self) -> Result<(), IngestError> {
        if self.run.len() == 0 {
            return Ok(());
        }
        let mut empty = self.run.empty_like();
        if self.faults.is_empty() {
            empty.reserve(self.run_rows.min(self.run.len()));
        }
        let rows = std::mem::replace(&mut self.run, empty);
        let run = Run { rows, undecided: self.times.undecided() };
        self.give.send(run).map_err(|_| IngestError::machine("the sorter has ended"))
    }

    fn fault(&mut self, line: u64, column: Option<usize>, fault: CellFault) -> Result<(), IngestError> {
        let named = |column| self.names.get(column).cloned().unwrap_or_else(|| format!("V{}", column + 1));
        let column = column.map(named);
        self.faults.push(RowError { line, column, code: fault.code, detail: fault.detail });
        if self.faults.len() >= NAMED { Err(self.refusal()) } else { Ok(()) }
    }

    fn refusal(&mut self) -> IngestError {
        let rows = std::mem::take(&mut self.faults);
        let detail = match rows.len() {
            NAMED => format!("{NAMED} cells or more could not be read; the first {NAMED} are named"),
            1 => "one cell or row could not be read".to_owned(),
            count => format!("{count} cells or rows could not be read"),
        };
        IngestError::rows("invalid_rows", detail, rows)
    }
}

impl Categories {
    fn code(&mut self, cell: &[u8], limit: usize) -> Result<u32, CellFault> {
        let text = cell.trim_ascii();
        if self.overflowed || is_missing(text) {
            return Ok(NO_CATEGORY);
        }
        if let Some(known) = self.texts.find(text) {
            return Ok(known);
        }
        let text = clean_text(text)?;
        let code = if self.texts.len() < limit { self.texts.insert(text) } else { None };
        self.overflowed = code.is_none();
        Ok(code.unwrap_or(NO_CATEGORY))
    }
}

fn clean_text(text: &[u8]) -> Result<&str, CellFault> {
    if text.contains(&0) {
        return Err(CellFault::new("nul_character", "the text holds a NUL character"));
    }
    std::str::from_utf8(text).map_err(|_| CellFault::new("invalid_utf8", format!("{} is not UTF-8", quoted(text))))
}
