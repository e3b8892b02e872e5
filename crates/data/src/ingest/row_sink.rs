//! Takes rows of text from any format: keeps the first ones to recognise the layout, then loads.

use std::sync::mpsc::SyncSender;

use csv::ByteRecord;

use super::layout::{ColumnPlan, infer_schema};
use super::load::{Loaded, Loader};
use super::sample::Line;
use super::sorted_runs::Run;
use crate::error::IngestError;
use crate::options::UploadOptions;

const SAMPLE_ROWS: usize = 5_000;
const SAMPLE_BYTES: usize = 4 << 20;

/// Where every format puts its rows.
pub(super) struct RowSink<'a> {
    options: &'a UploadOptions,
    /// Where runs of points go; taken by the loader once the layout is known.
    give: Option<SyncSender<Run>>,
    names: Vec<String>,
    sample: Vec<Line>,
    sample_bytes: usize,
    loader: Option<Loader<'a>>,
}

impl<'a> RowSink<'a> {
    pub(super) fn new(options: &'a UploadOptions, give: SyncSender<Run>) -> Self {
        Self { options, give: Some(give), names: Vec::new(), sample: Vec::new(), sample_bytes: 0, loader: None }
    }

    /// The names of the columns, before any row.
    pub(super) fn header(&mut self, names: Vec<String>) -> Result<(), IngestError> {
        let limits = &self.options.limits;
        if names.len() > limits.columns {
            let detail = format!("the upload has {} columns; at most {} are taken", names.len(), limits.columns);
            return Err(IngestError::too_large("too_many_columns", detail));
        }
        let mut seen = std::collections::HashMap::new();
        for (at, name) in names.iter().enumerate() {
            let place = at + 1;
            if name.is_empty() {
                let detail = format!("column {place} has no name");
                return Err(IngestError::refuse("empty_column_name", detail));
            }
            if name.len() > limits.key_bytes {
                let detail = format!("the name of column {place} is longer than {} bytes", limits.key_bytes);
                return Err(IngestError::refuse("column_name_too_long", detail));
            }
            if name.contains('\0') {
                let detail = format!("the name of column {place} holds a NUL character");
                return Err(IngestError::refuse("nul_character", detail));
            }
            if let Some(other) = seen.insert(name, place) {
                let detail = format!("columns {other} and {place} are both called `{name}`");
                return Err(IngestError::refuse("duplicate_column", detail));
            }
        }
        self.names = names;
        Ok(())
    }

    pub(super) fn row(&mut self, line: u64, cells: &ByteRecord) -> Result<(), IngestError> {
        if let Some(loader) = &mut self.loader {
            return loader.row(line, cells);
        }
        self.sample.push((line, cells.clone()));
        self.sample_bytes += cells.as_slice().len();
        if self.sample.len() >= SAMPLE_ROWS || self.sample_bytes >= SAMPLE_BYTES { self.start() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<Loaded, IngestError> {
        if self.loader.is_none() {
            if self.sample.is_empty() {
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
        let plan: ColumnPlan = infer_schema(&self.names, &self.sample, self.options)?;
        let give = self.give.take().ok_or_else(|| IngestError::machine("the loader was started twice"))?;
        let loader = self.loader.insert(Loader::new(plan, std::mem::take(&mut self.names), self.options, give)?);
        for (line, cells) in std::mem::take(&mut self.sample) {
            loader.row(line, &cells)?;
        }
        Ok(())
    }
}
