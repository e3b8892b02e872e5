//! Judging on the past: a stored model, or one trained for each fold.

use serde_json::Value;

use super::{OrderError, find, queue, short, unfit, within};
use gatecast_core::alias::ModelRef;
use gatecast_core::composite_job::NewChildJob;
use gatecast_core::dataset::Profile;
use gatecast_core::job::Job;
use gatecast_core::order::{BacktestOrder, JobSpec, Part, Split, TimeRange, TrainSpec};
use gatecast_core::resolve::{nearest, resolve};
use gatecast_store::Store;

pub(super) async fn order(store: &Store, mut order: BacktestOrder) -> Result<Job, OrderError> {
    if let Some(training) = order.order.clone() {
        return refit(store, order, training).await;
    }
    let Some(meant) = order.model.clone() else { return Err(unfit("/model", "the field is missing")) };
    let missing = || OrderError::NoModel(meant.clone());
    let id = store.resolve_model_ref(&meant).await?.ok_or_else(missing)?;
    let model = store.model(id).await?.ok_or_else(missing)?;
    let (at, dataset) = match order.dataset {
        Some(dataset) => ("/dataset", dataset),
        None => ("/model", model.manifest.order.dataset),
    };
    let dataset = find(store, at, dataset).await?;
    let data = &model.manifest.order.data;
    let covariates = data.covariates.past.iter().chain(&data.covariates.future).chain(&data.covariates.fixed);
    for name in data.targets.iter().chain(covariates) {
        if dataset.profile.column(name).is_none() {
            let known = dataset.profile.columns.iter().map(|column| column.name.as_str());
            let near = nearest(name, known);
            return Err(unfit(at, format!("the dataset has no column `{name}`, which the model reads{near}")));
        }
    }
    let horizon = order.horizon.unwrap_or(model.manifest.horizon);
    if horizon > model.manifest.horizon && !data.covariates.past.is_empty() {
        let detail = format!(
            "this model reads past covariates, which nobody knows past its trained horizon of {}",
            model.manifest.horizon
        );
        return Err(unfit("/horizon", detail));
    }
    if order.gap >= horizon {
        return Err(unfit("/gap", format!("leaves nothing to judge of a horizon of {horizon}")));
    }
    let step = *order.step.get_or_insert(horizon);
    let needed = (order.folds - 1).saturating_mul(step).saturating_add(horizon + model.manifest.context);
    if needed as u64 > dataset.profile.longest {
        let detail = format!(
            "{} origins {step} points apart need series of {needed} points; the longest has {}",
            order.folds, dataset.profile.longest
        );
        return Err(unfit("/folds", detail));
    }
    let name = order.name.get_or_insert_with(|| short(format!("{}: backtest", model.name))).clone();
    order.model = Some(ModelRef::Id(id));
    order.dataset = Some(dataset.id);
    order.horizon = Some(horizon);
    queue(store, &dataset, at, name, JobSpec::Backtest(Box::new(order)), Vec::new()).await
}

const ORDER: &str = "/order";

/// Folds that each train a model on what lies before their origin. They are cut by time, so that no
/// series lends a model points that another's fold is judged on.
async fn refit(store: &Store, mut order: BacktestOrder, training: Value) -> Result<Job, OrderError> {
    let base: TrainSpec = serde_json::from_value(training).map_err(|error| unfit(ORDER, error.to_string()))?;
    garde::Validate::validate(&base).map_err(|report| unfit(ORDER, report.to_string().trim()))?;
    let dataset = find(store, "/order/dataset", base.dataset).await?;
    if order.dataset.is_some_and(|named| named != base.dataset) {
        return Err(unfit("/dataset", "is another than the training order's: leave it out"));
    }
    let profile = &dataset.profile;
    let resolved = resolve(base.clone(), &dataset.name, profile)
        .map_err(|faults| OrderError::Unfit(within(ORDER, faults).collect()))?;
    let last = last_target(&resolved, profile);
    // Nothing is known to judge after it, whatever was asked for.
    let end = order.until.map_or(last, |until| last.map(|last| last.min(until)));
    let (Some(start), Some(end), Some(frequency)) = (profile.start, end, profile.frequency) else {
        return Err(unfit("/order/dataset", "has no times on one even grid: folds that train are cut by time"));
    };
    let validation = match base.data.split {
        Split::Time { validation: None, .. } => 0.0,
        Split::Time { validation: Some(Part::Fraction(share)), .. } => share,
        _ => {
            return Err(unfit("/order/data/split", "the folds split the data: give a share of validation, or nothing"));
        }
    };
    let horizon = resolved.data.horizon.unwrap_or(1);
    if order.horizon.is_some_and(|asked| asked != horizon) {
        return Err(unfit("/horizon", format!("the models are trained for {horizon} points ahead")));
    }
    if order.gap >= horizon {
        return Err(unfit("/gap", format!("leaves nothing to judge of a horizon of {horizon}")));
    }
    let step = *order.step.get_or_insert(horizon);
    let name =
        order.name.get_or_insert_with(|| short(format!("{}: backtest of {} folds", dataset.name, order.folds))).clone();
    let (mut ends, mut children) = (Vec::new(), Vec::new());
    for (slot, fold) in (0..).zip(0..order.folds) {
        let back = i64::try_from((order.folds - 1 - fold).saturating_mul(step)).unwrap_or(i64::MAX);
        let ahead = i64::try_from(horizon).unwrap_or(i64::MAX);
        let at = |steps: i64| {
            frequency.add(end.as_microsecond(), steps).and_then(|at| jiff::Timestamp::from_microsecond(at).ok())
        };
        let (Some(last), Some(origin)) = (at(-back), at(-back.saturating_add(ahead))) else {
            return Err(unfit("/folds", "reach past the calendar's beginning"));
        };
        if origin <= start {
            return Err(unfit(
                "/folds",
                format!("fold {fold} would begin before the data does: ask for fewer, or a smaller step"),
            ));
        }
        let mut fold_order = resolved.clone();
        let fold_name = short(format!("{name}: model of fold {fold}"));
        fold_order.name = Some(fold_name.clone());
        fold_order.data.split = split(start, origin, validation);
        ends.push(last);
        children.push(NewChildJob { slot, name: fold_name, order: fold_order.into() });
    }
    order.horizon = Some(horizon);
    order.ends = ends;
    queue(store, &dataset, "/order/dataset", name, JobSpec::Backtest(Box::new(order)), children).await
}

/// The time of the last point with a target: rows after it hold what is known ahead. The data's end where its profile does not
/// keep that.
fn last_target(order: &TrainSpec, profile: &Profile) -> Option<jiff::Timestamp> {
    let last = |name: &String| profile.column(name).and_then(|column| column.last);
    order.data.targets.iter().filter_map(last).max().or(profile.end)
}

/// Training up to the origin; the latest share of that validates.
fn split(start: jiff::Timestamp, origin: jiff::Timestamp, share: f64) -> Split {
    let range = |from, to| Some(Part::Range(TimeRange { from, to }));
    if share <= 0.0 {
        return Split::Time { training: range(None, Some(origin)), validation: None, test: None };
    }
    let span = origin.as_microsecond() - start.as_microsecond();
    let border = origin.as_microsecond() - (span as f64 * share) as i64;
    let before = |micros: i64| jiff::Timestamp::from_microsecond(micros).ok();
    Split::Time {
        training: range(None, before(border - 1)),
        validation: range(before(border), Some(origin)),
        test: None,
    }
}
