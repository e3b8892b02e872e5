//! Files that are there whole or not at all, power cuts included.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Puts a file at `path`: `write` makes it under another name beside, then it is synced and
/// renamed, and its folder synced. After an error nothing is left of it, for the disk may be full.
pub fn replace<E: From<io::Error>>(path: &Path, write: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let beside = partial(path);
    let written = write(&beside).and_then(|()| {
        File::open(&beside)?.sync_all()?;
        Ok(fs::rename(&beside, path)?)
    });
    if written.is_err() {
        // The error that led here says more than one about the remains.
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
