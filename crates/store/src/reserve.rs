//! Disk space for deletes on a full disk.
//!
//! SQLite first writes a delete's changes to its write-ahead log, so on a full disk no delete could free
//! space. The reserve is a file of a few megabytes next to the database. A delete or a cancel that finds the
//! disk full removes the file and retries. Afterwards the file is recreated, as large as space allows.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The reserve's size: more than one batch of a deleted history takes in the log.
const BYTES: u64 = 4 << 20;
const PIECE: u64 = 64 << 10;

pub(super) fn path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-reserve");
    name.into()
}

/// Creates the file, or as much of it as space allows. Blocking. The server also works without it, until the
/// disk is full.
pub(super) fn keep(path: &Path) {
    if let Err(error) = extend(path) {
        tracing::warn!(file = %path.display(), %error, "there is no room for all of the reserve that deletes need on a full disk");
    }
}

/// Removes the file.
pub(super) fn free(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(file = %path.display(), %error, "the reserve cannot be removed");
        }
        _ => {}
    }
}

/// Fills the file with noise, because a file system may store zeros without allocating space.
fn extend(path: &Path) -> io::Result<()> {
    let mut length = fs::metadata(path).map_or(0, |found| found.len());
    if length >= BYTES {
        return Ok(());
    }
    let mut file = File::options().create(true).append(true).open(path)?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while length < BYTES {
        let noise = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        let piece: Vec<u8> = noise.flatten().take(PIECE.min(BYTES - length) as usize).collect();
        file.write_all(&piece)?;
        length += piece.len() as u64;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_filled_up_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(&folder.path().join("gatecast.db"));
        fs::write(&path, b"cut short").unwrap();
        keep(&path);
        assert_eq!(fs::metadata(&path).unwrap().len(), BYTES);
        free(&path);
        assert!(!path.exists());
        free(&path);
    }
}
