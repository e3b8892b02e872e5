//! Moves a finished file to its key so that it survives a power failure.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Moves `from` to `to`, a path under `root`; returns the file's length.
pub(super) fn durably(from: &Path, to: &Path, root: &Path) -> io::Result<u64> {
    let length = seal(from)?;
    let folder = to.parent().unwrap_or(root);
    make_folders(folder, root)?;
    match fs::rename(from, to) {
        // A concurrent delete may have just removed the empty folder.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_folders(folder, root)?;
            fs::rename(from, to)?;
        }
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy_over(from, to)?,
        other => other?,
    }
    sync_folder(folder)?;
    Ok(length)
}

/// Syncs the file to disk. Sets its modification time to now, because the sweeper's grace time starts when a
/// blob is moved to its key, not when its first byte was written.
fn seal(path: &Path) -> io::Result<u64> {
    let file = File::options().write(true).open(path)?;
    file.set_modified(SystemTime::now())?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Used if the scratch folder is on another disk: copies the file into the target's folder, then renames it.
fn copy_over(from: &Path, to: &Path) -> io::Result<()> {
    let beside = to.with_extension(format!("{}.part", uuid::Uuid::now_v7().simple()));
    let moved = fs::copy(from, &beside).and_then(|_| seal(&beside)).and_then(|_| fs::rename(&beside, to));
    if let Err(error) = moved {
        // The error is returned; the sweeper removes the copy if removing it fails too.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    fs::remove_file(from)
}

/// Creates the folders from `root` down to `folder`, and syncs the parent of each.
fn make_folders(folder: &Path, root: &Path) -> io::Result<()> {
    if folder == root || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folders(above, root)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => sync_folder(above)?,
        }
    }
    Ok(())
}

/// Makes renames and new entries within the folder durable.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_move_leaves_the_source_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (root, from) = (folder.path().join("blobs"), folder.path().join("upload"));
        fs::create_dir(&root).unwrap();
        fs::write(&from, b"points").unwrap();
        // A folder is at the target path: neither a rename nor a copy can succeed.
        let to = root.join("models/one");
        fs::create_dir_all(to.join("in the way")).unwrap();

        assert!(durably(&from, &to, &root).is_err());
        assert!(copy_over(&from, &to).is_err());
        assert_eq!(fs::read(&from).unwrap(), b"points");
        assert_eq!(fs::read_dir(root.join("models")).unwrap().count(), 1);
    }

    #[test]
    fn a_copy_from_another_disk_leaves_only_the_target() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("upload"), folder.path().join("model.safetensors"));
        fs::write(&from, b"points").unwrap();
        copy_over(&from, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"points");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
