//! Learning on from a stored model: its own order, on other data.

use serde_json::json;

use super::{OrderError, find, queue, short, unfit, within};
use gatecast_core::alias::ModelRef;
use gatecast_core::job::Job;
use gatecast_core::order::{FinetuneOrder, JobSpec, TrainSpec, merge_patch};
use gatecast_core::resolve::resolve;
use gatecast_store::Store;

pub(super) async fn order(store: &Store, mut order: FinetuneOrder) -> Result<Job, OrderError> {
    let missing = || OrderError::NoModel(order.model.clone());
    let id = store.resolve_model_ref(&order.model).await?.ok_or_else(missing)?;
    let model = store.model(id).await?.ok_or_else(missing)?;
    let own = model.manifest.order;
    let (at, id_of_data) = match order.dataset {
        Some(dataset) => ("/dataset", dataset),
        None => ("/model", own.dataset),
    };
    let dataset = find(store, at, id_of_data).await?;
    let mut training = json!(own.training);
    if let Some(change) = &order.training {
        merge_patch::merge(&mut training, change);
    }
    let training = serde_json::from_value(training).map_err(|error| unfit("/training", error.to_string()))?;
    let name = order.name.get_or_insert_with(|| short(format!("{}, learnt on", model.name))).clone();
    let mut data = own.data;
    if let Some(split) = &order.split {
        data.split = split.clone();
    }
    let whole = TrainSpec { name: Some(name.clone()), dataset: dataset.id, data, model: own.model, training };
    garde::Validate::validate(&whole).map_err(|report| unfit("/training", report.to_string().trim()))?;
    let resolved = resolve(whole, &dataset.name, &dataset.profile).map_err(|faults| {
        // What the caller did not write came with the model.
        let written = |fault: &str| fault.starts_with("/training") || fault.starts_with("/data/split");
        let (mine, models): (Vec<_>, Vec<_>) = faults.into_iter().partition(|fault| written(&fault.pointer));
        let mut faults = mine;
        faults.iter_mut().for_each(|fault| fault.pointer = fault.pointer.replacen("/data/split", "/split", 1));
        faults.extend(within("", models).map(|mut fault| {
            fault.detail =
                format!("the model's own order does not fit this dataset: {}: {}", fault.pointer, fault.detail);
            fault.pointer = at.to_owned();
            fault
        }));
        OrderError::Unfit(faults)
    })?;
    order.model = ModelRef::Id(id);
    order.dataset = Some(dataset.id);
    order.resolved = Some(Box::new(resolved));
    queue(store, &dataset, at, name, JobSpec::Finetune(Box::new(order)), Vec::new()).await
}
