//! The epochs of a training on disk: a file beside each checkpoint, one line of JSON per epoch.
//!
//! The file only grows. An epoch appends one line and syncs it, so its cost does not depend on the
//! number of epochs before it. The checkpoint holds a [`Mark`]: the length and the hash of the part
//! of the file that belongs to it. A line behind the mark belongs to an epoch whose checkpoint was
//! never written, and a resumed training cuts it off.
//!
//! Every attempt has a file of its own, as it has a checkpoint of its own: an attempt that resumes
//! copies the lines up to the mark, so that it never writes where an older process may still write.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use gatecast_core::metric_values::EpochReport;
use gatecast_files::hex;

/// Which part of a history file a checkpoint refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub epochs: u32,
    pub bytes: u64,
    /// Of these bytes.
    pub sha256: String,
}

/// A history file, open for appending.
#[derive(Debug)]
pub struct HistoryFile {
    file: File,
    epochs: u32,
    bytes: u64,
    hash: Sha256,
}

/// The history file that belongs to a checkpoint.
pub fn path(checkpoint: &Path) -> PathBuf {
    checkpoint.with_extension("history")
}

/// The part of a history file that a checkpoint refers to, read and found to be the checkpoint's.
#[derive(Debug)]
pub struct StoredHistory {
    path: PathBuf,
    epochs: u32,
    bytes: u64,
    hash: Sha256,
}

impl StoredHistory {
    /// Reads the part of `path` that `mark` refers to, and passes each epoch to `visit`, in order.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] where the file is shorter than the mark, has another hash, or
    /// holds other epochs than 1 to `mark.epochs`.
    pub fn read(path: &Path, mark: &Mark, mut visit: impl FnMut(EpochReport)) -> io::Result<Self> {
        let mut source = BufReader::new(File::open(path)?);
        let (mut hash, mut line) = (Sha256::new(), Vec::new());
        let (mut epochs, mut bytes) = (0, 0);
        while bytes < mark.bytes {
            line.clear();
            bytes += (&mut source).take(mark.bytes - bytes).read_until(b'\n', &mut line)? as u64;
            if line.last() != Some(&b'\n') {
                return Err(invalid("the history is cut short"));
            }
            hash.update(&line);
            let report: EpochReport = serde_json::from_slice(&line)?;
            epochs += 1;
            if report.epoch != epochs {
                return Err(invalid("the history's epochs are not numbered from 1"));
            }
            visit(report);
        }
        if epochs != mark.epochs || hex(&hash.clone().finalize()) != mark.sha256 {
            return Err(invalid("the history is not the checkpoint's"));
        }
        Ok(Self { path: path.to_owned(), epochs, bytes, hash })
    }

    /// Copies what was read to a new file at `to`, open for appending. Where `to` is the file itself,
    /// it is cut to what was read.
    pub fn continue_at(self, to: &Path) -> io::Result<HistoryFile> {
        let Self { path, epochs, bytes, hash } = self;
        let file = if path == to { cut(to, bytes)? } else { copy(&path, to, bytes)? };
        Ok(HistoryFile { file, epochs, bytes, hash })
    }
}

impl HistoryFile {
    /// An empty file; one that is already there is emptied.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, epochs: 0, bytes: 0, hash: Sha256::new() })
    }

    /// Appends an epoch. It is on the disk when this returns.
    pub fn append(&mut self, report: &EpochReport) -> io::Result<()> {
        self.append_unsynced(report)?;
        self.file.sync_data()
    }

    pub(crate) fn append_unsynced(&mut self, report: &EpochReport) -> io::Result<()> {
        // Numbers are written with enough digits to read back the same bits.
        let mut line = serde_json::to_vec(report)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.hash.update(&line);
        self.bytes += line.len() as u64;
        self.epochs += 1;
        Ok(())
    }

    /// What a checkpoint written now refers to.
    pub fn mark(&self) -> Mark {
        Mark { epochs: self.epochs, bytes: self.bytes, sha256: hex(&self.hash.clone().finalize()) }
    }
}

/// Cuts the file to its first `bytes` bytes and opens it for appending.
fn cut(path: &Path, bytes: u64) -> io::Result<File> {
    let file = File::options().append(true).open(path)?;
    file.set_len(bytes)?;
    file.sync_data()?;
    Ok(file)
}

/// Copies the first `bytes` bytes of `from` to a new file.
fn copy(from: &Path, to: &Path, bytes: u64) -> io::Result<File> {
    let mut file = File::create(to)?;
    io::copy(&mut File::open(from)?.take(bytes), &mut file)?;
    file.sync_data()?;
    Ok(file)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(epoch: u32) -> EpochReport {
        EpochReport { epoch, seconds: 0.1 + f64::from(epoch), ..EpochReport::default() }
    }

    fn epochs(from: &Path, to: &Path, mark: &Mark) -> io::Result<Vec<EpochReport>> {
        let mut seen = Vec::new();
        StoredHistory::read(from, mark, |report| seen.push(report))?.continue_at(to)?;
        Ok(seen)
    }

    #[test]
    fn a_resumed_history_ends_at_the_checkpoint_and_goes_on_from_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = |attempt: u32| path(&folder.path().join(format!("checkpoint-{attempt}.safetensors")));
        let mut first = HistoryFile::create(&at(1)).unwrap();
        first.append(&report(1)).unwrap();
        first.append(&report(2)).unwrap();
        let mark = first.mark();
        // The process dies between the history and the checkpoint of epoch 3.
        first.append(&report(3)).unwrap();

        let mut second = StoredHistory::read(&at(1), &mark, |_| {}).unwrap().continue_at(&at(2)).unwrap();
        assert_eq!(second.mark(), mark);
        second.append(&report(3)).unwrap();
        assert_eq!(second.mark(), first.mark());
        assert_eq!(epochs(&at(2), &at(3), &second.mark()).unwrap(), [report(1), report(2), report(3)]);
        assert_eq!(epochs(&at(2), &at(2), &mark).unwrap(), [report(1), report(2)], "in place");
        assert_eq!(std::fs::metadata(at(2)).unwrap().len(), mark.bytes);
    }

    #[test]
    fn a_history_that_is_not_the_checkpoints_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let mut history = HistoryFile::create(&from).unwrap();
        (1..=3).for_each(|epoch| history.append(&report(epoch)).unwrap());
        let (mark, good) = (history.mark(), std::fs::read(&from).unwrap());
        for length in [0, 1, good.len() / 2, good.len() - 1] {
            std::fs::write(&from, &good[..length]).unwrap();
            epochs(&from, &to, &mark).unwrap_err();
        }
        let mut flipped = good;
        let digit = a_digit(&flipped);
        flipped[digit] ^= 1;
        std::fs::write(&from, flipped).unwrap();
        assert_eq!(epochs(&from, &to, &mark).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(!to.exists(), "nothing is copied before it is checked");
    }

    /// A digit of the first epoch's seconds: the line stays JSON.
    fn a_digit(line: &[u8]) -> usize {
        line.windows(9).position(|text| text == b"\"seconds\"").unwrap() + 10
    }
}
