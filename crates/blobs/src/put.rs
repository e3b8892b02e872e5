//! Moving a finished file to its key so that it is there after a power cut.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Moves `from` to `to`, a path under `root`; gives the file's length.
pub(super) fn durably(from: &Path, to: &Path, root: &Path) -> io::Result<u64> {
    let length = seal(from)?;
    let folder = to.parent().unwrap_or(root);
    make_folders(folder, root)?;
    match fs::rename(from, to) {
        // A delete may have cleared the emptied folder away just now.
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

/// Puts the file's bytes on the disk. Its time becomes now, because the sweeper's grace counts
/// from when a blob took its place, not from when its first byte was written.
fn seal(path: &Path) -> io::Result<u64> {
    let file = File::options().write(true).open(path)?;
    file.set_modified(SystemTime::now())?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// The scratch folder lies on another disk: copied beside the target first, and then renamed.
fn copy_over(from: &Path, to: &Path) -> io::Result<()> {
    let beside = to.with_extension(format!("{}.part", uuid::Uuid::now_v7().simple()));
    let moved = fs::copy(from, &beside).and_then(|_| seal(&beside)).and_then(|_| fs::rename(&beside, to));
    if let Err(error) = moved {
        // What failed is reported; a rest that cannot be removed either is the sweeper's.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    fs::remove_file(from)
}

/// Makes the folders from `root` down to `folder`, each entered durably in the one above it.
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

/// Makes renames and new names within the folder durable.
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
        // A folder stands where the file should go: neither a rename nor a copy can succeed.
        let to = root.join("models/one");
        fs::create_dir_all(to.join("in the way")).unwrap();

        assert!(durably(&from, &to, &root).is_err());
        assert!(copy_over(&from, &to).is_err());
        assert_eq!(fs::read(&from).unwrap(), b"points");
        assert_eq!(fs::read_dir(root.join("models")).unwrap().count(), 1);
    }

    #[test]
    fn a_copy_from_another_disk_ends_as_a_move_does() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("upload"), folder.path().join("model.safetensors"));
        fs::write(&from, b"points").unwrap();
        copy_over(&from, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"points");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
