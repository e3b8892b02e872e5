//! Takes rows of text from any format: keeps the first ones to recognise the layout, then loads.

use std::collections::HashMap;
use std::sync::mpsc::SyncSender;

use csv::ByteRecord;

use super::column_plan::ColumnPlan;
use super::column_plan::Inferred;
use super::header::may_be_data;
use super::layout::infer_schema;
use super::load::{Loaded, Loader, SeriesStart};
use super::row_bound::{self, RowMeter};
use super::sample::Line;
use super::sorted_runs::Run;
use crate::error::IngestError;
use crate::options::{Decimal, Header, UploadLimits, UploadOptions};

const SAMPLE_ROWS: usize = 5_000;
const SAMPLE_BYTES: usize = 4 << 20;
/// Memory of one cell of the sample, beside its text.
const CELL_BYTES: usize = size_of::<usize>();

/// Where every format puts its rows.
pub(super) struct RowSink<'a> {
    options: &'a UploadOptions,
    meter: RowMeter,
    /// Where runs of points go; taken by the loader once the layout is known.
    give: Option<SyncSender<Run>>,
    names: Vec<String>,
    /// The first row of a CSV file, which may be a header or data.
    first_row: Option<Line>,
    sample: Vec<Line>,
    sample_bytes: usize,
    loader: Option<Loader<'a>>,
}

impl<'a> RowSink<'a> {
    pub(super) fn new(options: &'a UploadOptions, give: SyncSender<Run>) -> Self {
        Self {
            options,
            meter: RowMeter::default(),
            give: Some(give),
            names: Vec::new(),
            first_row: None,
            sample: Vec::new(),
            sample_bytes: 0,
            loader: None,
        }
    }

    /// What text is read through: see [`row_bound`].
    pub(super) fn meter(&self) -> RowMeter {
        self.meter.clone()
    }

    /// The names of the columns, before any row.
    pub(super) fn header(&mut self, names: Vec<String>) -> Result<(), IngestError> {
        self.meter.start_row();
        check_count(names.len(), &self.options.limits)?;
        self.names = names;
        Ok(())
    }

    /// The first row of a file that does not say whether it is a header.
    pub(super) fn first_row(&mut self, line: u64, cells: &ByteRecord) -> Result<(), IngestError> {
        self.meter.start_row();
        check_count(cells.len(), &self.options.limits)?;
        self.first_row = Some((line, cells.clone()));
        Ok(())
    }

    pub(super) fn row(&mut self, line: u64, cells: &ByteRecord) -> Result<(), IngestError> {
        self.meter.start_row();
        if cells.as_slice().len() > self.options.limits.line_bytes {
            let detail = format!("line {line}: the row is longer than {} bytes", self.options.limits.line_bytes);
            return Err(IngestError::refuse(row_bound::CODE, detail));
        }
        if let Some(loader) = &mut self.loader {
            return loader.row(line, cells);
        }
        self.sample.push((line, cells.clone()));
        self.sample_bytes += cells.as_slice().len() + CELL_BYTES * cells.len();
        if self.sample.len() >= SAMPLE_ROWS || self.sample_bytes >= SAMPLE_BYTES { self.start() } else { Ok(()) }
    }

    /// Begins to load by the plan of a format that says what its columns are.
    pub(super) fn planned(&mut self, plan: ColumnPlan, names: Vec<String>) -> Result<(), IngestError> {
        for (place, name) in (1..).zip(&names) {
            check_name(name, place, &self.options.limits)?;
        }
        let give = self.give.take().ok_or_else(|| IngestError::machine("the loader was started twice"))?;
        self.loader = Some(Loader::new(plan, names, self.options, give)?);
        Ok(())
    }

    /// The next series of a planned upload: its key, then its values.
    pub(super) fn series(
        &mut self,
        line: u64,
        cells: &ByteRecord,
        start: Option<SeriesStart>,
    ) -> Result<(), IngestError> {
        self.meter.start_row();
        match &mut self.loader {
            Some(loader) => loader.series(line, cells, start),
            None => Err(IngestError::machine("the upload was not planned")),
        }
    }

    pub(super) fn finish(mut self) -> Result<Loaded, IngestError> {
        if self.loader.is_none() {
            let data = usize::from(self.options.header == Some(Header::No) && self.first_row.is_some());
            if self.sample.len() + data == 0 {
                return Err(IngestError::refuse("no_rows", "the upload has names of columns but no rows"));
            }
            self.start()?;
        }
        match self.loader {
            Some(loader) => loader.finish(),
            None => Err(IngestError::machine("the loader was not started")),
        }
    }

    /// Settles the layout and loads the sample.
    fn start(&mut self) -> Result<(), IngestError> {
        let limits = &self.options.limits;
        let mut headerless = false;
        if let Some(first) = self.first_row.take() {
            match self.options.header {
                Some(Header::No) => {
                    headerless = true;
                    self.sample.insert(0, first);
                }
                _ => match read_names(&first.1)? {
                    names
                        if self.options.header.is_none()
                            && may_be_data(&names, self.options.decimal == Decimal::Comma) =>
                    {
                        self.names = names;
                        self.first_row = Some(first);
                    }
                    names => self.names = names,
                },
            }
        }
        if headerless {
            self.names = numbered(&self.sample);
        }
        // The names of a first row that may be data are checked once it is found to be a header.
        if self.first_row.is_none() {
            check_names(&self.names, limits)?;
        }
        let mut inferred = infer_schema(&self.names, &self.sample, self.options, self.first_row.is_some())?;
        if let Some(first) = self.first_row.take() {
            match inferred {
                Inferred::Plan(_) => check_names(&self.names, limits)?,
                Inferred::FirstRowIsData => {
                    headerless = true;
                    self.sample.insert(0, first);
                    self.names = numbered(&self.sample);
                    inferred = infer_schema(&self.names, &self.sample, self.options, false)?;
                }
            }
        }
        let Inferred::Plan(mut plan) = inferred else {
            return Err(IngestError::machine("the first row was taken for data twice"));
        };
        if headerless {
            plan.headerless = true;
            plan.reason.push_str("; there is no header");
        }
        let give = self.give.take().ok_or_else(|| IngestError::machine("the loader was started twice"))?;
        let loader = self.loader.insert(Loader::new(*plan, std::mem::take(&mut self.names), self.options, give)?);
        for (line, cells) in std::mem::take(&mut self.sample) {
            loader.row(line, &cells)?;
        }
        Ok(())
    }
}

fn read_names(row: &ByteRecord) -> Result<Vec<String>, IngestError> {
    let name = |cell: &[u8]| std::str::from_utf8(cell).map(|name| name.trim().to_owned());
    let names: Result<Vec<String>, _> = row.iter().map(name).collect();
    names.map_err(|_| IngestError::refuse("invalid_utf8", "the names of the columns are not UTF-8"))
}

/// Names for the columns of a file without a header, as many as its widest row needs.
fn numbered(sample: &[Line]) -> Vec<String> {
    let widest = sample.iter().map(|(_, row)| row.len()).max().unwrap_or(0);
    (1..=widest).map(|at| format!("V{at}")).collect()
}

fn check_count(columns: usize, limits: &UploadLimits) -> Result<(), IngestError> {
    if columns > limits.columns {
        let detail = format!("the upload has {columns} columns; at most {} are taken", limits.columns);
        return Err(IngestError::too_large("too_many_columns", detail));
    }
    Ok(())
}

/// Refuses a name that no column may have; `place` counts from 1.
pub(super) fn check_name(name: &str, place: usize, limits: &UploadLimits) -> Result<(), IngestError> {
    if name.is_empty() {
        return Err(IngestError::refuse("empty_column_name", format!("column {place} has no name")));
    }
    if name.len() > limits.key_bytes {
        let detail = format!("the name of column {place} is longer than {} bytes", limits.key_bytes);
        return Err(IngestError::refuse("column_name_too_long", detail));
    }
    if name.contains('\0') {
        let detail = format!("the name of column {place} holds a NUL character");
        return Err(IngestError::refuse("nul_character", detail));
    }
    Ok(())
}

fn check_names(names: &[String], limits: &UploadLimits) -> Result<(), IngestError> {
    let mut seen = HashMap::new();
    for (place, name) in (1..).zip(names) {
        check_name(name, place, limits)?;
        if let Some(other) = seen.insert(name, place) {
            let detail = format!("columns {other} and {place} are both called `{name}`");
            return Err(IngestError::refuse("duplicate_column", detail));
        }
    }
    Ok(())
}
