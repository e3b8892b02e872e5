//! What takes more than one store, and knows no HTTP: keeping a dataset, ordering a job.

pub mod forecasts;
mod orders;
mod retry;

use gatecast_blobs::{BlobError, Blobs, Key};
use gatecast_core::dataset::Dataset;
use gatecast_core::ids::DatasetId;
use gatecast_data::Ingested;
use gatecast_store::{NewDataset, Store, StoreError};

pub use orders::{OrderError, order_job};
pub use retry::{RetryError, retry_job};

/// A file or a row could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps what an upload became: its files first, then the row that names them.
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
