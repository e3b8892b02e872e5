//! The second pass: sorted runs into the points, the index and what the profile says of them.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use jiff::Timestamp;

use super::dedup::Combiner;
use super::load::Loaded;
use super::merge::merge;
use super::rows::{Key, Rows};
use super::season_sample::SeasonSample;
use super::sorted_runs::Runs;
use super::step_numbers::StepFiller;
use super::summary::{Summary, Totals, name_categories};
use super::write::{IndexWriter, PointsWriter, StoredColumn};
use crate::error::IngestError;
use crate::options::UploadOptions;
use gatecast_core::dataset::{Column, Layout};

/// Blocks of rows that may wait for the writer.
const WAITING: usize = 2;

pub(super) struct Stored {
    pub(super) sha256: String,
    pub(super) bytes: u64,
    pub(super) totals: Totals,
    pub(super) columns: Vec<Column>,
    pub(super) dropped: u64,
    /// Steps without a row that became points, and the number of their series.
    pub(super) filled_steps: u64,
    pub(super) filled_series: u64,
    pub(super) sample: SeasonSample,
}

pub(super) fn store(
    loaded: &Loaded,
    runs: Runs,
    options: &UploadOptions,
    points: &Path,
    index: &Path,
) -> Result<Stored, IngestError> {
    let (kept, columns) = kept_columns(loaded);
    let has_times = loaded.plan.has_times();
    let mut summary = Summary::new(loaded, &columns, options.frequency, IndexWriter::create(index)?);
    let mut filler = StepFiller::new(&loaded.keys, loaded.step_size, options.limits.points);
    let writer = PointsWriter::create(points, &loaded.keys, &columns, has_times)?;
    let (dropped, (sha256, bytes)) = thread::scope(|scope| {
        let (give, take) = sync_channel(WAITING);
        let writing = scope.spawn(move || write(writer, &take));
        let mut hand_on = |rows: Rows| {
            summary.take(&rows)?;
            give.send(rows).map_err(|_| IngestError::machine("the writer has ended"))
        };
        let is_wide = loaded.plan.layout == Layout::Wide;
        let mut hand_on = |rows: Rows| {
            let rows = if is_wide { loaded.spans.trim(rows) } else { rows };
            if rows.len() == 0 {
                Ok(())
            } else if loaded.plan.counts_steps() {
                filler.take(rows, &mut hand_on)
            } else {
                hand_on(rows)
            }
        };
        let describe = |key| describe(loaded, key);
        let mut combiner = Combiner::new(options.duplicates, is_wide, &describe);
        let merged = runs
            .into_sources()
            .and_then(|sources| merge(sources, &kept, |rows, range| combiner.take(rows, range, &mut hand_on)))
            .and_then(|()| combiner.finish(&mut hand_on));
        drop(give);
        let written = writing.join().unwrap_or_else(|_| Err(IngestError::machine("the writer thread panicked")));
        // As with the sorter: where the writer failed, its error is the true one.
        match (merged, written) {
            (Err(error @ IngestError::Refused(_)), _) => Err(error),
            (merged, written) => written.and_then(|written| Ok((merged?, written))),
        }
    })?;
    let (totals, sample, mut described) = summary.finish()?;
    for (column, stored) in described.iter_mut().zip(&columns) {
        if let Some(texts) = stored.categories {
            name_categories(column, texts);
        }
    }
    Ok(Stored {
        sha256,
        bytes,
        totals,
        columns: described,
        dropped,
        filled_steps: filler.total,
        filled_series: filler.series,
        sample,
    })
}

/// The value columns to store and their places: all but those with too many categories.
fn kept_columns(loaded: &Loaded) -> (Vec<usize>, Vec<StoredColumn<'_>>) {
    let columns = loaded.plan.columns.iter().zip(&loaded.categories).enumerate();
    columns
        .filter(|(_, (_, categories))| !categories.as_ref().is_some_and(|categories| categories.overflowed))
        .map(|(at, (column, categories))| {
            (at, StoredColumn { name: &column.name, categories: categories.as_ref().map(|known| &known.texts) })
        })
        .unzip()
}

fn describe(loaded: &Loaded, (series, time): Key) -> String {
    let key = super::cells::quoted(loaded.keys.text(series).as_bytes());
    let at = match Timestamp::from_microsecond(time).ok().filter(|_| loaded.plan.has_times()) {
        Some(time) => time.to_string(),
        None if loaded.plan.counts_steps() => format!("step {time}"),
        None => format!("point {}", time.saturating_add(1)),
    };
    format!("series {key} at {at}")
}

fn write(mut writer: PointsWriter<'_>, take: &Receiver<Rows>) -> Result<(String, u64), IngestError> {
    while let Ok(rows) = take.recv() {
        writer.write(&rows)?;
    }
    writer.finish()
}
