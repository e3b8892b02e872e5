//! Large immutable files: datasets and models, by keys of our own making.
//!
//! A file enters whole or not at all: it is synced where it was written, renamed to its key, and
//! the folders that name it are synced, so that a blob which [`Blobs::put_file`] has answered for
//! survives a power cut. A row that names a blob is written after the blob, and deleted before it;
//! what a crash leaves between the two is a blob without a row, which the sweeper finds by
//! [`Blobs::list`] once it is old enough not to be an upload under way.
//!
//! Reading, listing and deleting go through `object_store`. Its put would write the bytes a second
//! time; a finished file on the same disk is moved instead.

pub mod folder;
pub mod key;
mod put;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};
use uuid::Uuid;

pub use folder::DataFolder;
pub use key::Key;

/// The file that holds [`Blobs::storage_id`].
const STORAGE_ID: &str = "storage-id";

#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("disk full: the file cannot be stored")]
    Full,
    #[error("there is no blob {0}")]
    NotFound(Key),
    #[error("a blob was asked for by something that is not a SHA-256")]
    NotAHash,
    #[error("a file of the blob store could not be read or written")]
    Io(#[source] io::Error),
    #[error("the blob store failed")]
    Store(#[source] object_store::Error),
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}

/// A blob as [`Blobs::list`] finds it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// `None` for a file that no [`Key`] names.
    pub key: Option<Key>,
    /// Relative to the store's root.
    pub path: String,
    pub modified: SystemTime,
}

/// A folder of blobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: Arc<PathBuf>,
    files: Arc<LocalFileSystem>,
}

impl Blobs {
    /// Opens `root`, and makes it if it is not there.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, BlobError> {
        std::fs::create_dir_all(&root)?;
        let root = root.as_ref().canonicalize()?;
        let files = LocalFileSystem::new_with_prefix(&root)
            .map_err(BlobError::Store)?
            .with_fsync(true)
            .with_automatic_cleanup(true);
        Ok(Self { root: Arc::new(root), files: Arc::new(files) })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The id of the blob store, which its database carries too; `None` for a new store, and for one
    /// of an earlier version.
    pub async fn storage_id(&self) -> Result<Option<Uuid>, BlobError> {
        let path = self.root.join(STORAGE_ID);
        let text = match tokio::fs::read_to_string(path).await {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let invalid = || BlobError::Io(io::Error::new(io::ErrorKind::InvalidData, "`storage-id` holds no id"));
        text.trim().parse().map(Some).map_err(|_| invalid())
    }

    /// Gives the blob store its id, for good.
    pub async fn write_storage_id(&self, id: Uuid) -> Result<(), BlobError> {
        let path = self.root.join(STORAGE_ID);
        let write = move |path: &Path| std::fs::write(path, id.to_string());
        Ok(off_runtime(move || gatecast_files::atomic_write::replace(&path, write)).await?)
    }

    /// Whether no blob is stored.
    pub async fn is_empty(&self) -> Result<bool, BlobError> {
        let mut listed = self.list();
        while let Some(blob) = listed.try_next().await? {
            if blob.key.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Moves the file at `from` to `key`, durably. Returns its length.
    ///
    /// On success `from` is gone. On an error it is still there and nothing stands at the key, or
    /// what stood there before does.
    pub async fn put_file(&self, key: &Key, from: impl Into<PathBuf>) -> Result<u64, BlobError> {
        let (from, to, root) = (from.into(), self.local(key), Arc::clone(&self.root));
        Ok(off_runtime(move || put::durably(&from, &to, &root)).await?)
    }

    /// Where the blob's bytes can be read from this machine.
    pub fn local(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// The blob's length and its bytes, in pieces.
    pub async fn stream(&self, key: &Key) -> Result<(u64, BoxStream<'static, Result<Bytes, BlobError>>), BlobError> {
        let found = self.files.get(&key.location()).await.map_err(|error| named(key, error))?;
        Ok((found.meta.size, found.into_stream().map_err(BlobError::Store).boxed()))
    }

    /// Deletes the blob; one that is not there is deleted already.
    pub async fn delete(&self, key: &Key) -> Result<(), BlobError> {
        self.delete_at(&key.location()).await
    }

    /// Deletes what [`Blobs::list`] found.
    pub async fn delete_listed(&self, listed: &Listed) -> Result<(), BlobError> {
        self.delete_at(&object_store::path::Path::from(listed.path.as_str())).await
    }

    async fn delete_at(&self, path: &object_store::path::Path) -> Result<(), BlobError> {
        match self.files.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BlobError::Store(error)),
        }
    }

    /// Every blob.
    pub fn list(&self) -> BoxStream<'static, Result<Listed, BlobError>> {
        let listed = self.files.list(None).map_err(BlobError::Store);
        listed
            .map_ok(|meta| Listed {
                key: Key::parse(meta.location.as_ref()),
                path: meta.location.to_string(),
                modified: meta.last_modified.into(),
            })
            .boxed()
    }
}

fn named(key: &Key, error: object_store::Error) -> BlobError {
    match error {
        object_store::Error::NotFound { .. } => BlobError::NotFound(key.clone()),
        error => BlobError::Store(error),
    }
}

async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
