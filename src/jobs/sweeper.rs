//! Removes what crashes leave behind: blobs whose row was never written or is deleted, work folders of jobs
//! that have ended, and old files in the scratch folder.
//!
//! Nothing in use is ever removed. A blob is written before its row, so a blob without a row is kept until it
//! is older than the grace time. Only a running job creates its work folder, and a job that has ended never
//! runs again.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::TryStreamExt;

use super::PoolConfig;
use super::pool::Shared;
use super::workdir;
use gatecast_blobs::key::Subject;
use gatecast_blobs::{BlobError, Blobs, Listed};
use gatecast_core::ids::JobId;
use gatecast_store::{Store, StoreError};

/// The longest time an upload may take after its scratch file's last write.
const SCRATCH_AGE: Duration = Duration::from_secs(24 * 3600);

/// The number of removed items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    pub blobs: u64,
    pub folders: u64,
    pub scratch: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Blobs(#[from] BlobError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a folder could not be read")]
    Io(#[from] io::Error),
}

pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        shared.store.keep_reserve().await;
        match sweep(&shared.store, &shared.blobs, &shared.config).await {
            Ok(swept) if swept == Swept::default() => {}
            Ok(swept) => tracing::info!(?swept, "left-overs removed"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "left-overs were not all removed"),
        }
        tokio::select! {
            () = tokio::time::sleep(shared.config.sweep) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// Removes everything that is no longer referenced.
pub async fn sweep(store: &Store, blobs: &Blobs, config: &PoolConfig) -> Result<Swept, SweepError> {
    Ok(Swept {
        blobs: sweep_blobs(store, blobs, config.grace).await?,
        folders: sweep_work(store, &config.work).await?,
        scratch: sweep_scratch(&config.scratch).await?,
    })
}

async fn sweep_blobs(store: &Store, blobs: &Blobs, grace: Duration) -> Result<u64, SweepError> {
    let mut removed = 0;
    let mut listed = blobs.list();
    while let Some(blob) = listed.try_next().await? {
        if is_older(blob.modified, grace) && !is_in_use(store, &blob).await? {
            tracing::info!(blob = blob.path, "a blob without a row is removed");
            blobs.delete_listed(&blob).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

async fn is_in_use(store: &Store, blob: &Listed) -> Result<bool, StoreError> {
    match blob.key.as_ref().map(|key| key.subject()) {
        Some(Subject::Revision { dataset, sha256 }) => store.has_revision(*dataset, sha256).await,
        Some(Subject::Model(id)) => store.has_model(*id).await,
        Some(Subject::Job(id)) => store.has_job(*id).await,
        // Not a valid key: the remainder of an interrupted copy (removed), or a foreign file (kept).
        None => Ok(!blob.path.ends_with(".part")),
    }
}

async fn sweep_work(store: &Store, work: &Path) -> Result<u64, SweepError> {
    let mut removed = 0;
    let mut entries = match tokio::fs::read_dir(work).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    while let Some(entry) = entries.next_entry().await? {
        let Some(job) = entry.file_name().to_str().and_then(|name| name.parse::<JobId>().ok()) else { continue };
        if !store.is_job_open(job).await? {
            let folder = work.to_owned();
            tokio::task::spawn_blocking(move || workdir::remove(&folder, job)).await.map_err(io::Error::other)?;
            removed += 1;
        }
    }
    Ok(removed)
}

async fn sweep_scratch(scratch: &Path) -> Result<u64, SweepError> {
    let mut removed = 0;
    let mut entries = match tokio::fs::read_dir(scratch).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    while let Some(entry) = entries.next_entry().await? {
        // The file may have been removed since it was listed.
        let Ok(found) = entry.metadata().await else { continue };
        if is_older(found.modified()?, SCRATCH_AGE) {
            let gone = match found.is_dir() {
                true => tokio::fs::remove_dir_all(entry.path()).await,
                false => tokio::fs::remove_file(entry.path()).await,
            };
            removed += u64::from(gone.is_ok());
        }
    }
    Ok(removed)
}

fn is_older(time: SystemTime, age: Duration) -> bool {
    time.elapsed().is_ok_and(|elapsed| elapsed > age)
}
