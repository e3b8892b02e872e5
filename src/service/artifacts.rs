//! Stores and deletes rows together with their files.
//!
//! A file is stored before its row and deleted after it. A crash in between leaves a file without a row,
//! which the sweeper removes; a row without its file never exists.

use std::path::Path;

use gatecast_blobs::{BlobError, Blobs, Key};
use gatecast_core::dataset::Dataset;
use gatecast_core::ids::{DatasetId, JobId, ModelId};
use gatecast_core::model::Model;
use gatecast_data::Ingested;
use gatecast_store::{DatasetDeletion, JobDeletion, NewDataset, NewModel, Revision, Store, StoreError};

/// A file or a row could not be stored or deleted.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stores a dataset: its files, then the row that names them.
pub async fn keep_dataset(
    store: &Store,
    blobs: &Blobs,
    name: String,
    ingested: Ingested,
) -> Result<Dataset, KeepError> {
    let id = DatasetId::new();
    blobs.put_file(&Key::dataset_index(id, &ingested.sha256)?, &ingested.index).await?;
    blobs.put_file(&Key::dataset_points(id, &ingested.sha256)?, &ingested.points).await?;
    let Ingested { sha256, bytes, profile, .. } = ingested;
    Ok(store.insert_dataset(NewDataset { id, name, sha256, bytes, profile }).await?)
}

/// Stores an imported model: its bundle, then the row.
pub async fn keep_model(store: &Store, blobs: &Blobs, bundle: &Path, new: NewModel) -> Result<Model, KeepError> {
    blobs.put_file(&Key::model(new.id), bundle).await?;
    Ok(store.insert_model(new).await?)
}

/// Deletes a dataset, unless a job needs it.
pub async fn delete_dataset(store: &Store, blobs: &Blobs, id: DatasetId) -> Result<DatasetDeletion, KeepError> {
    let deletion = store.delete_dataset(id).await?;
    if let DatasetDeletion::Deleted(revisions) = &deletion {
        for Revision { dataset, sha256, .. } in revisions {
            blobs.delete(&Key::dataset_points(*dataset, sha256)?).await?;
            blobs.delete(&Key::dataset_index(*dataset, sha256)?).await?;
        }
        store.keep_reserve().await;
    }
    Ok(deletion)
}

/// Deletes a model; `false` if there is none.
pub async fn delete_model(store: &Store, blobs: &Blobs, id: ModelId) -> Result<bool, KeepError> {
    if !store.delete_model(id).await? {
        return Ok(false);
    }
    blobs.delete(&Key::model(id)).await?;
    store.keep_reserve().await;
    Ok(true)
}

/// Deletes a job that has ended, with its history and its children's.
pub async fn delete_job(store: &Store, blobs: &Blobs, id: JobId) -> Result<JobDeletion, KeepError> {
    let deletion = store.delete_job(id).await?;
    if let JobDeletion::Deleted = deletion {
        // Only a backtest has points; deleting those of another job changes nothing.
        blobs.delete(&Key::backtest_points(id)).await?;
        store.keep_reserve().await;
    }
    Ok(deletion)
}
