//! From an upload to the two files of a dataset.
//!
//! Two passes. First the rows of text become runs of points: this thread decodes, parses and
//! checks ([`source`], [`row_sink`], [`mod@load`]), a second one sorts each run and spills all but the
//! newest ([`sorted_runs`]). Then the runs are merged and duplicates dropped while a second thread
//! writes ([`merge`], [`dedup`], [`summary`], [`mod@write`]). What only the last row can tell is known
//! between the passes: which columns are categories, whether dates have the day or the month first.
//!
//! Memory is bounded by a few runs, the series ids and one row group, whatever the upload's size.
//! All files are in one folder, which is removed when the result is dropped or the ingestion fails.
//! Only a crash leaves it behind; the server removes it when it starts.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use uuid::Uuid;

use super::error::IngestError;
use super::options::{Encoding, UploadOptions};
use gatecast_core::dataset::{Format, Profile};
use load::Loaded;
use row_sink::RowSink;
use sorted_runs::{Run, Runs};

mod cells;
mod column_names;
mod column_plan;
mod decode;
mod dedup;
mod header;
mod known_spans;
mod layout;
mod load;
mod merge;
mod profile;
mod profile_seasons;
mod row_bound;
mod row_sink;
mod rows;
mod sample;
mod season_sample;
mod series_ends;
mod sorted_runs;
mod source;
mod step_numbers;
mod steps;
mod store;
mod summary;
mod times;
mod write;

/// The result of an upload. Its two files are in a folder that is removed when this is dropped: move
/// them out first.
#[derive(Debug)]
pub struct Ingested {
    pub profile: Profile,
    /// Of the points file, in hex.
    pub sha256: String,
    /// Of the points file.
    pub bytes: u64,
    pub points: PathBuf,
    pub index: PathBuf,
    _folder: Folder,
}

/// Reads an upload and writes the dataset's two files into a folder of its own under `scratch`.
///
/// Blocks until the upload ends. An error of `upload` itself becomes [`IngestError::Interrupted`],
/// or, if it holds an [`IngestError`], that one.
pub fn ingest(
    upload: impl Read + Send,
    encoding: Encoding,
    options: &UploadOptions,
    scratch: &Path,
) -> Result<Ingested, IngestError> {
    let folder = Folder::create(scratch)?;
    let (format, loaded, runs) = load(upload, encoding, options, &folder.0)?;
    let (points, index) = (folder.0.join("points.parquet"), folder.0.join("index.parquet"));
    let stored = store::store(&loaded, runs, options, &points, &index)?;
    Ok(Ingested {
        profile: profile::describe(format, &loaded, &stored, options),
        sha256: stored.sha256,
        bytes: stored.bytes,
        points,
        index,
        _folder: folder,
    })
}

/// The first pass.
fn load(
    upload: impl Read,
    encoding: Encoding,
    options: &UploadOptions,
    folder: &Path,
) -> Result<(Format, Loaded, Runs), IngestError> {
    thread::scope(|scope| {
        // No run waits between the threads: each is a good part of the memory we may use.
        let (give, take) = sync_channel(0);
        let sorter = scope.spawn(move || sort(&take, folder));
        let mut sink = RowSink::new(options, give);
        let read = source::read(upload, encoding, options, folder, &mut sink);
        let loaded = read.and_then(|format| Ok((format, sink.finish()?)));
        let runs = sorter.join().unwrap_or_else(|_| Err(IngestError::machine("the sorter thread panicked")));
        // When the sorter fails, the loader fails for want of it: its error is the true one.
        let mut runs = runs?;
        let (format, loaded) = loaded?;
        if loaded.swap_undecided {
            runs.swap_undecided()?;
        }
        Ok((format, loaded, runs))
    })
}

fn sort(take: &Receiver<Run>, folder: &Path) -> Result<Runs, IngestError> {
    let mut runs = Runs::new(folder);
    while let Ok(run) = take.recv() {
        runs.add(run)?;
    }
    Ok(runs)
}

/// A folder that is removed with all that is in it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn create(scratch: &Path) -> Result<Self, IngestError> {
        let path = scratch.join(format!("ingest-{}", Uuid::now_v7()));
        fs::create_dir_all(&path).map_err(IngestError::machine)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is removed when the server starts.
        let _ = fs::remove_dir_all(&self.0);
    }
}
