//! Opens stored datasets, and remembers what need not be done twice: reading a dataset's index, and
//! hashing a file that carries no checksums. A revision's files never change, so nothing goes stale.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatecast_files::hash_reader;

use super::error::ReadError;
use super::points_file::PointsFile;
use super::series::StoredDataset;
use super::series_index::SeriesIndex;
use super::stored::corrupt;

/// Memory for indexes: that of about a million and a half series.
const INDEX_BYTES: usize = 128 << 20;
/// Files of which it is remembered that their hash was right.
const MOST_HASHED: usize = 4_096;

/// The files of one revision of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetFiles {
    pub points: PathBuf,
    pub index: PathBuf,
    /// Of the points file, in hexadecimal.
    pub sha256: String,
}

/// The datasets of one server.
#[derive(Debug, Default)]
pub struct Datasets {
    /// The least recently used first.
    indexes: Mutex<Vec<(PathBuf, Arc<SeriesIndex>)>>,
    /// The first one hashed first.
    hashed: Mutex<Vec<PathBuf>>,
}

impl Datasets {
    /// The dataset's series, without opening its points.
    pub fn index(&self, files: &DatasetFiles) -> Result<Arc<SeriesIndex>, ReadError> {
        {
            let mut indexes = lock(&self.indexes);
            if let Some(at) = indexes.iter().position(|(path, _)| *path == files.index) {
                let found = indexes.remove(at);
                let index = Arc::clone(&found.1);
                indexes.push(found);
                return Ok(index);
            }
        }
        // Read outside of the lock: two that ask at once both read it, and one of them is kept.
        let index = Arc::new(SeriesIndex::read(&files.index)?);
        let mut indexes = lock(&self.indexes);
        indexes.retain(|(path, _)| *path != files.index);
        indexes.push((files.index.clone(), Arc::clone(&index)));
        let mut bytes: usize = indexes.iter().map(|(_, index)| index.memory_bytes()).sum();
        while bytes > INDEX_BYTES && !indexes.is_empty() {
            bytes -= indexes.remove(0).1.memory_bytes();
        }
        Ok(index)
    }

    /// Opens the dataset to read values of its series.
    ///
    /// Points of an earlier version carry no checksums: the whole file is hashed when it is first
    /// opened.
    pub fn open(&self, files: &DatasetFiles) -> Result<StoredDataset, ReadError> {
        let points = PointsFile::open(&files.points)?;
        if !points.stored().is_checked() {
            self.check_hash(files)?;
        }
        StoredDataset::new(self.index(files)?, points)
    }

    fn check_hash(&self, files: &DatasetFiles) -> Result<(), ReadError> {
        if lock(&self.hashed).contains(&files.points) {
            return Ok(());
        }
        let (sha256, _) = hash_reader(File::open(&files.points)?)?;
        if sha256 != files.sha256 {
            return Err(corrupt("the hash of its points differs"));
        }
        let mut hashed = lock(&self.hashed);
        if hashed.len() >= MOST_HASHED {
            hashed.remove(0);
        }
        hashed.push(files.points.clone());
        Ok(())
    }
}

/// A thread that panicked under the lock left at worst an entry less.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
