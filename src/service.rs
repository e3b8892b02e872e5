//! What takes more than one store, and knows no HTTP: keeping a dataset, ordering a training.

use crate::blobs::{BlobError, Blobs, Key};
use crate::data::Ingested;
use crate::domain::dataset::Dataset;
use crate::domain::ids::DatasetId;
use crate::domain::job::{Job, JobKind};
use crate::domain::order::TrainOrder;
use crate::domain::resolve::{FieldError, resolve};
use crate::store::{NewDataset, NewJob, Store, StoreError};

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

/// Why an order was not taken.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error("there is no dataset {0}")]
    NoDataset(DatasetId),
    #[error("the order does not fit its dataset: {0:?}")]
    Unfit(Vec<FieldError>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Holds the order against its dataset, fills in what it left open, and queues it.
pub async fn order_training(store: &Store, order: TrainOrder) -> Result<Job, OrderError> {
    let id = order.dataset;
    let dataset = store.dataset(id).await?.ok_or(OrderError::NoDataset(id))?;
    let order = resolve(order, &dataset.name, &dataset.profile).map_err(OrderError::Unfit)?;
    let name = order.name.clone().unwrap_or_default();
    let new = NewJob { kind: JobKind::Train, name, order, dataset_revision: dataset.revision, parent: None };
    // Deleted meanwhile: the same answer as a moment later.
    store.insert_job(new).await?.ok_or(OrderError::NoDataset(id))
}
