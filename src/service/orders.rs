//! Orders, held against what they name and queued.

mod backtest;
mod finetune;
mod search;

use serde_json::Value;

use gatecast_core::alias::ModelRef;
use gatecast_core::comparability::{self, Rival};
use gatecast_core::composite_job::NewChildJob;
use gatecast_core::dataset::Dataset;
use gatecast_core::ids::DatasetId;
use gatecast_core::job::Job;
use gatecast_core::order::{CompareOrder, Contender, JobSpec, TrainSpec};
use gatecast_core::resolve::{FieldError, resolve};
use gatecast_store::{NewJob, Store, StoreError};

/// The longest name of a job.
const NAME: usize = 200;

/// Why an order was not taken.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Which field named it, and what.
    #[error("there is no dataset {1}")]
    NoDataset(String, DatasetId),
    #[error("there is no model {0}")]
    NoModel(ModelRef),
    #[error("the order does not fit what it names: {0:?}")]
    Unfit(Vec<FieldError>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Holds the order against what it names, fills in what it left open, and queues it.
pub async fn order_job(store: &Store, order: JobSpec) -> Result<Job, OrderError> {
    match order {
        JobSpec::Train(order) => training(store, *order).await,
        JobSpec::Compare(order) => compare(store, *order).await,
        JobSpec::Search(order) => search::order(store, *order).await,
        JobSpec::Backtest(order) => backtest::order(store, *order).await,
        JobSpec::Finetune(order) => finetune::order(store, *order).await,
    }
}

async fn training(store: &Store, order: TrainSpec) -> Result<Job, OrderError> {
    let dataset = find(store, "/dataset", order.dataset).await?;
    let order = resolve(order, &dataset.name, &dataset.profile).map_err(OrderError::Unfit)?;
    let name = order.name.clone().unwrap_or_default();
    queue(store, &dataset, "/dataset", name, order.into(), Vec::new()).await
}

async fn compare(store: &Store, mut order: CompareOrder) -> Result<Job, OrderError> {
    let contenders = order.contenders();
    repeated(&order, &contenders)?;
    let at = "/base/dataset";
    let dataset = find(store, at, dataset_of(&order.base)?).await?;
    let variants = contenders.iter().filter(|contender| contender.seed == contenders[0].seed).count();
    let name = order.name.get_or_insert_with(|| short(format!("{}: comparison of {variants}", dataset.name))).clone();
    let (mut rivals, mut errors) = (Vec::with_capacity(contenders.len()), Vec::new());
    for Contender { variant, seed, pointer, order } in contenders {
        let read: Result<TrainSpec, _> = serde_json::from_value(order);
        let mut order = read.map_err(|error| unfit(&pointer, error.to_string()))?;
        let seed = seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
        order.name = Some(short(format!("{name}: {variant}{seed}")));
        match resolve(order, &dataset.name, &dataset.profile) {
            Ok(order) => rivals.push(Rival { pointer, order }),
            Err(faults) => errors.extend(within(&pointer, faults)),
        }
    }
    errors.extend(comparability::check(&rivals, &order.metric));
    // One fault of the base is a fault of every combination.
    errors.sort_by(|a, b| (&a.pointer, &a.detail).cmp(&(&b.pointer, &b.detail)));
    errors.dedup();
    if !errors.is_empty() {
        return Err(OrderError::Unfit(errors));
    }
    let child = |(slot, rival): (u32, Rival)| NewChildJob {
        slot,
        name: rival.order.name.clone().unwrap_or_default(),
        order: rival.order.into(),
    };
    let children = (0..).zip(rivals).map(child).collect();
    queue(store, &dataset, at, name, JobSpec::Compare(Box::new(order)), children).await
}

/// Names and seeds tell trainings apart: none may stand twice.
fn repeated(order: &CompareOrder, contenders: &[Contender]) -> Result<(), OrderError> {
    let mut seen = std::collections::BTreeSet::new();
    for contender in contenders {
        if !seen.insert((&contender.variant, contender.seed)) {
            let twice = |length: usize, name: &str| (length > 1).then(|| format!("/{name}"));
            let place = (!order.variants.is_empty()).then(|| contender.pointer.clone());
            let place = place.or_else(|| twice(order.seeds.len(), "seeds")).unwrap_or_default();
            return Err(unfit(&place, format!("`{}` stands twice with the same seed", contender.variant)));
        }
    }
    Ok(())
}

/// The dataset that an order in its first form names.
fn dataset_of(order: &Value) -> Result<DatasetId, OrderError> {
    let id = order.get("dataset").and_then(Value::as_str).and_then(|id| id.parse().ok());
    id.ok_or_else(|| unfit("/base/dataset", "expected a dataset's id"))
}

async fn find(store: &Store, pointer: &str, id: DatasetId) -> Result<Dataset, OrderError> {
    store.dataset(id).await?.ok_or_else(|| OrderError::NoDataset(pointer.to_owned(), id))
}

async fn queue(
    store: &Store,
    dataset: &Dataset,
    pointer: &str,
    name: String,
    order: JobSpec,
    children: Vec<NewChildJob>,
) -> Result<Job, OrderError> {
    let new = NewJob {
        name,
        order,
        dataset: dataset.id,
        dataset_revision: dataset.revision,
        parent: None,
        retry_of: None,
        children,
    };
    // Deleted meanwhile: the same answer as a moment later.
    store.insert_job(new).await?.ok_or_else(|| OrderError::NoDataset(pointer.to_owned(), dataset.id))
}

fn unfit(pointer: &str, detail: impl Into<String>) -> OrderError {
    OrderError::Unfit(vec![FieldError::new(pointer, detail)])
}

fn within(place: &str, faults: Vec<FieldError>) -> impl Iterator<Item = FieldError> {
    faults.into_iter().map(move |fault| FieldError::new(format!("{place}{}", fault.pointer), fault.detail))
}

fn short(name: String) -> String {
    if name.chars().count() <= NAME { name } else { name.chars().take(NAME).collect() }
}
