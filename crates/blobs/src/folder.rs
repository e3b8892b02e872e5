//! The data folder: its owner and its layout.
//!
//! ```text
//! {data}/lock          locked by the one server that uses the folder
//! {data}/owner         that server's owner name for leases, kept across restarts
//! {data}/gatecast.db   the database, if it is SQLite
//! {data}/blobs/        datasets and models
//! {data}/work/{job}/   checkpoints of unfinished trainings
//! {data}/scratch/      uploads in progress; emptied at every start
//! ```
//!
//! The lock is a file lock of the operating system: it is released when the process exits for any reason, and
//! is not inherited by children. So its holder knows that no other process with the same owner name is
//! running, and may reclaim that owner's leases at once instead of waiting until they expire.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use gatecast_core::ids::JobId;
use gatecast_files::atomic_write;

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("the data folder {} is in use by another gatecast server", .0.display())]
    InUse(PathBuf),
    #[error("disk full: {}", .0.display())]
    Full(PathBuf),
    #[error("the data folder {} cannot be used: {source}", .folder.display())]
    Io { folder: PathBuf, source: io::Error },
}

impl FolderError {
    fn new(folder: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(folder.to_owned()),
            _ => Self::Io { folder: folder.to_owned(), source },
        }
    }
}

/// The data folder, locked for the lifetime of this value.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    owner: Uuid,
    /// Closing the file releases the lock.
    _lock: File,
}

impl DataFolder {
    /// Creates the folder if it does not exist, locks it, and empties its scratch folder.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, FolderError> {
        let root = root.as_ref();
        let failed = |source| FolderError::new(root, source);
        fs::create_dir_all(root).map_err(failed)?;
        let root = root.canonicalize().map_err(failed)?;
        let failed = |source| FolderError::new(&root, source);
        let lock = File::options().create(true).truncate(false).write(true).open(root.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::InUse(root)),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let owner = read_or_make_owner(&root).map_err(failed)?;
        empty(&root.join("scratch")).map_err(failed)?;
        Ok(Self { root, owner, _lock: lock })
    }

    /// This server's owner name for leases.
    pub fn owner(&self) -> Uuid {
        self.owner
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The SQLite database's path, unless the settings specify another.
    pub fn database(&self) -> PathBuf {
        self.root.join("gatecast.db")
    }

    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// The folder for files that become blobs, on the same disk as the blobs.
    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// Contains one folder per job: see [`job_folder`].
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }
}

/// The folder for the checkpoints of a job's attempts.
pub fn job_folder(work: &Path, job: JobId) -> PathBuf {
    work.join(job.to_string())
}

fn read_or_make_owner(root: &Path) -> io::Result<Uuid> {
    let path = root.join("owner");
    match fs::read_to_string(&path) {
        Ok(text) => {
            if let Ok(owner) = Uuid::parse_str(text.trim()) {
                return Ok(owner);
            }
            // A damaged or foreign file: a new name is safe, because the old name's leases expire.
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let owner = Uuid::now_v7();
    atomic_write::replace(&path, |beside| fs::write(beside, owner.to_string()))?;
    Ok(owner)
}

fn empty(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_locked_and_its_owner_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataFolder::open(folder.path()).unwrap();
        let owner = first.owner();
        fs::write(first.scratch().join("half an upload"), b"rest").unwrap();
        assert!(matches!(DataFolder::open(folder.path()), Err(FolderError::InUse(_))));

        drop(first);
        let second = DataFolder::open(folder.path()).unwrap();
        assert_eq!(second.owner(), owner);
        assert_eq!(fs::read_dir(second.scratch()).unwrap().count(), 0, "scratch is emptied at start");
    }
}
