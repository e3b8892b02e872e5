//! A job's work folder: one checkpoint and one model file per attempt.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::bundle;
use gatecast_blobs::folder::job_folder;
use gatecast_core::ids::JobId;
use gatecast_store::queue::Lease;

/// The stem of the files of a second training on all data, which every attempt continues.
const REFIT: &str = "refit";

/// The free disk space that an attempt needs at least, in bytes.
const LEAST_ROOM: u64 = 64 << 10;

/// The files of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) checkpoint: PathBuf,
    pub(super) model: PathBuf,
    /// For a backtest.
    pub(super) points: PathBuf,
    /// The latest complete checkpoint of an earlier attempt.
    pub(super) resume: Option<PathBuf>,
}

/// Creates the folder, names the attempt's files, removes files of earlier attempts that are no longer
/// needed, and checks that there is space for a checkpoint. Blocking.
///
/// # Errors
///
/// [`io::ErrorKind::StorageFull`] if there is less free space than the last checkpoint takes.
pub(super) fn prepare(work: &Path, lease: Lease) -> io::Result<Files> {
    let folder = job_folder(work, lease.job);
    fs::create_dir_all(&folder)?;
    let checkpoint = |attempt: u32| folder.join(format!("checkpoint-{attempt}.safetensors"));
    // Each attempt continues the one before it, so the latest checkpoint is the furthest.
    let resume = (1..lease.attempt).rev().map(checkpoint).find(|path| bundle::is_whole(path));
    remove_others(&folder, resume.as_deref())?;
    let model = folder.join(format!("model-{}.safetensors", lease.attempt));
    let points = folder.join(format!("points-{}.parquet", lease.attempt));
    let files = Files { checkpoint: checkpoint(lease.attempt), model, points, resume };
    probe(&files)?;
    Ok(files)
}

/// Removes all files except the checkpoint to resume from and its history. A process of an earlier attempt
/// that is still exiting loses nothing of value: its lease is lost.
fn remove_others(folder: &Path, resume: Option<&Path>) -> io::Result<()> {
    let kept = resume.and_then(Path::file_stem);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem();
        if kept.is_some() && (stem == kept || stem == Some(OsStr::new(REFIT))) {
            continue;
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Writes a file of the size of the last checkpoint and removes it, so that an attempt does not train for an
/// hour only to find the disk full.
fn probe(files: &Files) -> io::Result<()> {
    let last = files.resume.as_deref().map(fs::metadata).transpose()?.map_or(0, |found| found.len());
    let probe = files.checkpoint.with_extension("probe");
    let written = write_probe(&probe, last.max(LEAST_ROOM));
    fs::remove_file(&probe)?;
    written
}

fn write_probe(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    io::copy(&mut io::repeat(0xa5).take(bytes), &mut file)?;
    file.sync_data()
}

/// Removes the folder of a job that has ended. Blocking. The sweeper removes what a failure leaves.
pub(super) fn remove(work: &Path, job: JobId) {
    let folder = job_folder(work, job);
    if let Err(error) = fs::remove_dir_all(&folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%job, %error, "the work folder of an ended job remains");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, header: &str, data: usize) {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn an_attempt_resumes_from_the_latest_whole_checkpoint_before_it() {
        let work = tempfile::tempdir().unwrap();
        let job = JobId::new();
        let at = |attempt| prepare(work.path(), Lease { job, attempt }).unwrap();
        let header = r#"{"__metadata__":{"x":"y"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        assert_eq!(at(3).resume, None);

        let checkpoint = |attempt: u32| job_folder(work.path(), job).join(format!("checkpoint-{attempt}.safetensors"));
        write(&checkpoint(1), header, 8);
        write(&checkpoint(2), header, 8);
        write(&checkpoint(4), header, 8);
        fs::write(checkpoint(2).with_extension("history"), b"").unwrap();
        fs::write(job_folder(work.path(), job).join("model-2.safetensors"), b"").unwrap();
        assert_eq!(at(3).resume, Some(checkpoint(2)), "neither the older one nor a later attempt's");
        let mut left: Vec<_> =
            fs::read_dir(job_folder(work.path(), job)).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["checkpoint-2.history", "checkpoint-2.safetensors"]);

        write(&checkpoint(1), header, 8);
        write(&checkpoint(2), header, 7);
        assert_eq!(at(3).resume, Some(checkpoint(1)), "a torn file is passed over");
        fs::write(checkpoint(1), b"").unwrap();
        assert_eq!(at(3).resume, None);

        remove(work.path(), job);
        assert_eq!(fs::read_dir(work.path()).unwrap().count(), 0);
    }
}
