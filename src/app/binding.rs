//! Binds a database to its blob store.
//!
//! Rows name blobs. With the wrong blob store, jobs would fail as if their requests were at fault, and the
//! sweeper would delete every blob without a row. Both therefore store the same id, and a server does not
//! start if the ids differ. Stores of earlier versions get an id at the first start.

use std::path::PathBuf;

use uuid::Uuid;

use gatecast_blobs::{BlobError, Blobs};
use gatecast_store::{Store, StoreError};

/// Why a database and a blob store cannot be used together; one line.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "the database and the data folder do not belong together: the database has storage id {database}, {} has {}. \
         Start with the data folder that the database was used with, or with the database of this folder",
        .folder.display(), .blobs.map_or_else(|| "none".to_owned(), |id| id.to_string())
    )]
    Mismatch { database: Uuid, blobs: Option<Uuid>, folder: PathBuf },
    #[error(
        "the database is empty, but {} holds the files of another: they would be deleted as left over. \
         Start with the database that the data folder was used with; to begin anew, move the folder away",
        .folder.display()
    )]
    Orphaned { folder: PathBuf },
    #[error("the storage id cannot be read or written: {0}")]
    Blobs(#[from] BlobError),
    #[error("{}", super::causes(.0))]
    Store(#[from] StoreError),
}

/// Checks that the two belong together, and binds them if they are new.
pub(super) async fn bind(store: &Store, blobs: &Blobs) -> Result<(), BindError> {
    let (database, stored) = (store.storage_id().await?, blobs.storage_id().await?);
    let mismatch =
        |database, blobs_id| Err(BindError::Mismatch { database, blobs: blobs_id, folder: blobs.root().to_owned() });
    match (database, stored) {
        (Some(database), Some(id)) if database == id => Ok(()),
        (Some(database), id) => mismatch(database, id),
        (None, id) => {
            if store.is_empty().await? && !blobs.is_empty().await? {
                return Err(BindError::Orphaned { folder: blobs.root().to_owned() });
            }
            // The file is written first. After a crash between the two writes, the next start finds the file
            // and a database without an id, which is either empty or was used with these blobs.
            let id = match id {
                Some(id) => id,
                None => {
                    let id = Uuid::now_v7();
                    blobs.write_storage_id(id).await?;
                    id
                }
            };
            let bound = store.bind_storage(id).await?;
            if bound == id { Ok(()) } else { mismatch(bound, Some(id)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bed {
        folder: tempfile::TempDir,
    }

    impl Bed {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        async fn store(&self, name: &str) -> Store {
            let url = format!("sqlite:{}", self.folder.path().join(name).display());
            Store::open(&url.parse().unwrap()).await.unwrap()
        }

        fn blobs(&self, name: &str) -> Blobs {
            Blobs::open(self.folder.path().join(name)).unwrap()
        }

        fn put_model(&self, blobs: &str) {
            let models = self.folder.path().join(blobs).join("models");
            std::fs::create_dir_all(&models).unwrap();
            std::fs::write(models.join("0192d3b4-5f6a-7c81-9e2f-0a1b2c3d4e5f.safetensors"), b"x").unwrap();
        }
    }

    #[tokio::test]
    async fn a_database_and_a_blob_store_are_bound_to_each_other_only() {
        let bed = Bed::new();
        let (a, b) = (bed.store("a").await, bed.store("b").await);
        let (a_blobs, b_blobs) = (bed.blobs("a-blobs"), bed.blobs("b-blobs"));
        bind(&a, &a_blobs).await.unwrap();
        bed.put_model("a-blobs");
        bind(&a, &a_blobs).await.unwrap();
        bind(&b, &b_blobs).await.unwrap();
        let told = bind(&a, &b_blobs).await.unwrap_err().to_string();
        assert!(told.contains("do not belong together") && told.contains("b-blobs"), "{told}");
        assert!(matches!(bind(&a, &bed.blobs("empty")).await, Err(BindError::Mismatch { blobs: None, .. })));
        assert!(matches!(bind(&bed.store("new").await, &a_blobs).await, Err(BindError::Orphaned { .. })));
    }

    #[tokio::test]
    async fn an_interrupted_first_start_is_completed() {
        let bed = Bed::new();
        let (store, blobs) = (bed.store("a").await, bed.blobs("blobs"));
        let id = Uuid::now_v7();
        blobs.write_storage_id(id).await.unwrap();
        bind(&store, &blobs).await.unwrap();
        assert_eq!(store.storage_id().await.unwrap(), Some(id));
    }
}
