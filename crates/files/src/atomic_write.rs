//! Files that are complete or absent, even after a power failure.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Replaces the file at `path`: `write` writes it under a temporary name in the same folder, then it is
/// synced and renamed, and its folder is synced. After an error the temporary file is removed, because the
/// disk may be full.
pub fn replace<E: From<io::Error>>(path: &Path, write: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let beside = partial(path);
    let written = write(&beside).and_then(|()| {
        File::open(&beside)?.sync_all()?;
        Ok(fs::rename(&beside, path)?)
    });
    if written.is_err() {
        // The original error is more useful than one about the temporary file.
        let _ = fs::remove_file(&beside);
    }
    written?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}
