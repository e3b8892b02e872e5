//! Creating a job. Every caller uses this module.

use gatecast_core::alias::ModelRef;
use gatecast_core::dataset::Dataset;
use gatecast_core::ids::DatasetId;
use gatecast_core::job::Job;
use gatecast_core::kinds::{Found, JobRequest};
use gatecast_core::model::Model;
use gatecast_core::resolve::FieldError;
use gatecast_store::{NewJob, Store, StoreError};

/// Why a job request was rejected.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The field that names the dataset, and its id.
    #[error("there is no dataset {1}")]
    NoDataset(String, DatasetId),
    #[error("there is no model {0}")]
    NoModel(ModelRef),
    /// A field is invalid by itself.
    #[error("the request is not valid: {0:?}")]
    Invalid(Vec<FieldError>),
    #[error("the request does not fit what it names: {0:?}")]
    Unfit(Vec<FieldError>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks the request, looks up what it names, resolves it, and queues the job.
pub async fn order_job(store: &Store, request: JobRequest) -> Result<Job, OrderError> {
    let checked = request.check().map_err(OrderError::Invalid)?;
    let names = checked.names();
    let model = match names.model {
        Some(named) => Some(find_model(store, named).await?),
        None => None,
    };
    let (place, dataset) = match (names.dataset, &model) {
        (Some((place, dataset)), _) => (place, dataset),
        (None, Some(model)) => ("/model", model.manifest.order.dataset),
        (None, None) => return Err(missing_dataset()),
    };
    let dataset = find_dataset(store, place, dataset).await?;
    let spec = checked.resolve(&Found { dataset: &dataset, model: model.as_ref() }).map_err(OrderError::Unfit)?;
    let new = NewJob {
        name: spec.name().to_owned(),
        children: spec.children().unwrap_or_default(),
        order: spec,
        dataset: dataset.id,
        dataset_revision: dataset.revision,
        parent: None,
        retry_of: None,
    };
    // The dataset was deleted in the meantime: the result is the same as for a later request.
    store.insert_job(new).await?.ok_or_else(|| OrderError::NoDataset(place.to_owned(), dataset.id))
}

async fn find_model(store: &Store, named: &ModelRef) -> Result<Model, OrderError> {
    let missing = || OrderError::NoModel(named.clone());
    let id = store.resolve_model_ref(named).await?.ok_or_else(missing)?;
    store.model(id).await?.ok_or_else(missing)
}

async fn find_dataset(store: &Store, place: &str, id: DatasetId) -> Result<Dataset, OrderError> {
    store.dataset(id).await?.ok_or_else(|| OrderError::NoDataset(place.to_owned(), id))
}

fn missing_dataset() -> OrderError {
    OrderError::Invalid(vec![FieldError::new("/dataset", "the field is missing")])
}
