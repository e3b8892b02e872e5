//! The data folder: who owns it, and what lies where.
//!
//! ```text
//! {data}/lock          held by the one server that uses the folder
//! {data}/owner         that server's name as a holder of leases, kept over restarts
//! {data}/gatecast.db   the database, where it is SQLite
//! {data}/blobs/        datasets and models
//! {data}/work/{job}/   checkpoints of unfinished trainings
//! {data}/scratch/      uploads on their way in; emptied at every start
//! ```
//!
//! The lock is the operating system's: it ends with the process, however that ends, and is not
//! inherited by children. So its holder knows that no other process with the same owner name
//! lives, and may take back that owner's leases at once instead of waiting until they run out.

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

/// The data folder, locked for as long as this value lives.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    owner: Uuid,
    /// Closing the file gives the lock up.
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if it is not there, locks it, and empties its scratch.
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

    /// This server's name as a holder of leases.
    pub fn owner(&self) -> Uuid {
        self.owner
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where SQLite keeps the database, unless the settings name another place.
    pub fn database(&self) -> PathBuf {
        self.root.join("gatecast.db")
    }

    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// For files that become blobs; on the blobs' disk.
    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// Holds one folder a job: see [`job_folder`].
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }
}

/// Where the attempts at one job keep their checkpoints.
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
            // A torn or foreign file: a new name is safe, the old name's leases run out.
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
    fn one_server_at_a_time_and_the_same_owner_after_it() {
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
