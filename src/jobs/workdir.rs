//! A job's work folder: one checkpoint and one model file for each attempt.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::bundle;
use gatecast_blobs::folder::job_folder;
use gatecast_core::ids::JobId;
use gatecast_store::queue::Lease;

/// The files of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) checkpoint: PathBuf,
    pub(super) model: PathBuf,
    /// Of a backtest.
    pub(super) points: PathBuf,
    /// The checkpoint of the latest earlier attempt that left a whole one.
    pub(super) resume: Option<PathBuf>,
}

/// Makes the folder and names the attempt's files. Blocking.
pub(super) fn prepare(work: &Path, lease: Lease) -> io::Result<Files> {
    let folder = job_folder(work, lease.job);
    fs::create_dir_all(&folder)?;
    let checkpoint = |attempt: u32| folder.join(format!("checkpoint-{attempt}.safetensors"));
    // Each attempt went on from the one before it, so the latest is the furthest.
    let resume = (1..lease.attempt).rev().map(checkpoint).find(|path| bundle::is_whole(path));
    let model = folder.join(format!("model-{}.safetensors", lease.attempt));
    let points = folder.join(format!("points-{}.parquet", lease.attempt));
    Ok(Files { checkpoint: checkpoint(lease.attempt), model, points, resume })
}

/// Removes the folder of a job that has ended. Blocking. What remains is the sweeper's.
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

        write(&at(1).checkpoint, header, 8);
        write(&at(2).checkpoint, header, 8);
        write(&at(4).checkpoint, header, 8);
        assert_eq!(at(3).resume, Some(at(2).checkpoint), "neither the older one nor a later attempt's");

        write(&at(2).checkpoint, header, 7);
        assert_eq!(at(3).resume, Some(at(1).checkpoint), "a torn file is passed over");
        fs::write(at(1).checkpoint, b"").unwrap();
        assert_eq!(at(3).resume, None);

        remove(work.path(), job);
        assert_eq!(fs::read_dir(work.path()).unwrap().count(), 0);
    }
}
