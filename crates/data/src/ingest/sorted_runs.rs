//! Sorted runs of points: the newest in memory, the rest spilled to scratch files.
//!
//! An upload that fits one run never touches the disk.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;

use super::rows::Rows;
use super::times::swap_day_and_month;
use crate::error::IngestError;

/// Bytes of one block of a spilled run: what the merge holds of each run.
const BLOCK_BYTES: usize = 256 << 10;

/// Rows as the loader hands them on.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) rows: Rows,
    /// Its times may have day and month the wrong way round.
    pub(super) undecided: bool,
}

/// All runs of one upload, in the order of the file.
#[derive(Debug)]
pub(super) struct Runs {
    folder: PathBuf,
    spilled: Vec<Spilled>,
    newest: Option<Run>,
}

#[derive(Debug)]
struct Spilled {
    path: PathBuf,
    undecided: bool,
}

impl Runs {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), spilled: Vec::new(), newest: None }
    }

    pub(super) fn add(&mut self, run: Run) -> Result<(), IngestError> {
        let run = Run { rows: run.rows.sorted(), undecided: run.undecided };
        if let Some(before) = self.newest.replace(run) {
            let path = self.folder.join(format!("run-{}.arrow", self.spilled.len()));
            spill(&before.rows, &path)?;
            self.spilled.push(Spilled { path, undecided: before.undecided });
        }
        Ok(())
    }

    /// Puts day and month right in the runs that were read before the order was known.
    pub(super) fn swap_undecided(&mut self) -> Result<(), IngestError> {
        for run in self.spilled.iter().filter(|run| run.undecided) {
            let mut rows: Option<Rows> = None;
            let mut source = open(&run.path)?;
            while let Some(block) = source.next_block()? {
                let end = block.len();
                rows.get_or_insert_with(|| block.empty_like()).extend_from(&block, 0..end);
            }
            if let Some(rows) = rows {
                spill(&swapped(rows), &run.path)?;
            }
        }
        self.newest = self.newest.take().map(|run| match run.undecided {
            true => Run { rows: swapped(run.rows), undecided: false },
            false => run,
        });
        Ok(())
    }

    /// The runs as sources for the merge, in the order of the file.
    pub(super) fn into_sources(self) -> Result<Vec<Source>, IngestError> {
        let mut sources = Vec::with_capacity(self.spilled.len() + 1);
        for run in &self.spilled {
            sources.push(open(&run.path)?);
        }
        sources.extend(self.newest.map(|run| Source::Memory(Some(run.rows))));
        Ok(sources)
    }
}

/// Where the merge takes the blocks of one run from.
pub(super) enum Source {
    Memory(Option<Rows>),
    Disk(StreamReader<BufReader<File>>),
}

impl Source {
    pub(super) fn next_block(&mut self) -> Result<Option<Rows>, IngestError> {
        match self {
            Self::Memory(rows) => Ok(rows.take()),
            Self::Disk(reader) => match reader.next() {
                None => Ok(None),
                Some(batch) => Rows::from_batch(&batch.map_err(IngestError::machine)?).map(Some),
            },
        }
    }
}

fn swapped(mut rows: Rows) -> Rows {
    rows.times.iter_mut().for_each(|time| *time = swap_day_and_month(*time));
    rows.sorted()
}

fn open(path: &Path) -> Result<Source, IngestError> {
    let file = File::open(path).map_err(IngestError::machine)?;
    let reader = StreamReader::try_new(BufReader::with_capacity(64 << 10, file), None);
    reader.map(Source::Disk).map_err(IngestError::machine)
}

fn spill(rows: &Rows, path: &Path) -> Result<(), IngestError> {
    let file = BufWriter::new(File::create(path).map_err(IngestError::machine)?);
    let schema = Arc::new(rows.schema());
    let mut writer = StreamWriter::try_new(file, &schema).map_err(IngestError::machine)?;
    let block = (BLOCK_BYTES / rows.row_bytes()).clamp(16, 8192);
    let mut start = 0;
    while start < rows.len() {
        let end = (start + block).min(rows.len());
        writer.write(&rows.batch(&schema, start..end)?).map_err(IngestError::machine)?;
        start = end;
    }
    writer.finish().map_err(IngestError::machine)?;
    let file = writer.into_inner().map_err(IngestError::machine)?;
    file.into_inner().map(drop).map_err(|error| IngestError::machine(error.into_error()))
}
