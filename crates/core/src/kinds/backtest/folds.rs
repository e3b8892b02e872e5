//! Folds that each train a model on the points before their origin. They are cut by time, so that no model is trained
//! on points that another fold evaluates.

use jiff::Timestamp;

use super::{BacktestRequest, RefitBacktest, check_gap};
use crate::dataset::{Dataset, Profile};
use crate::kinds::plan::{Candidate, error, short, within};
use crate::kinds::{TrainRequest, TrainSpec};
use crate::order::{Part, Split, TimeRange};
use crate::resolve::{self, FieldError};

pub(super) fn resolve(
    request: BacktestRequest,
    train: TrainRequest,
    dataset: &Dataset,
) -> Result<RefitBacktest, Vec<FieldError>> {
    if request.dataset.is_some_and(|named| named != train.dataset) {
        return Err(error("/dataset", "must be the training's dataset, or be omitted"));
    }
    let (profile, split_asked) = (&dataset.profile, train.data.split.clone());
    let whole = resolve::train(train, &dataset.name, profile).map_err(|errors| within("/order", errors))?;
    let last = last_target(&whole, profile);
    // There is nothing to evaluate after the last target, even if `until` is later.
    let end = request.until.map_or(last, |until| last.map(|last| last.min(until)));
    let (Some(start), Some(end), Some(frequency)) = (profile.start, end, profile.frequency) else {
        let detail = "has no times on one even grid: folds that train are cut by time";
        return Err(error("/order/dataset", detail));
    };
    let validation = match split_asked {
        None => 0.15,
        Some(Split::Time { validation: None, .. }) => 0.0,
        Some(Split::Time { validation: Some(Part::Fraction(share)), .. }) => share,
        _ => {
            let detail = "the folds split the data: give a share of validation, or nothing";
            return Err(error("/order/data/split", detail));
        }
    };
    let horizon = whole.data.horizon;
    if request.horizon.is_some_and(|asked| asked != horizon) {
        return Err(error("/horizon", format!("the models are trained for {horizon} points ahead")));
    }
    check_gap(request.gap, horizon)?;
    let step = request.step.unwrap_or(horizon);
    let name = request.name.unwrap_or_else(|| short(format!("{}: backtest of {} folds", dataset.name, request.folds)));
    let (mut ends, mut plan) = (Vec::new(), Vec::new());
    for fold in 0..request.folds {
        let back = i64::try_from((request.folds - 1 - fold).saturating_mul(step)).unwrap_or(i64::MAX);
        let ahead = i64::try_from(horizon).unwrap_or(i64::MAX);
        let at =
            |steps: i64| frequency.add(end.as_microsecond(), steps).and_then(|at| Timestamp::from_microsecond(at).ok());
        let (Some(last), Some(origin)) = (at(-back), at(-back.saturating_add(ahead))) else {
            return Err(error("/folds", "reach past the calendar's beginning"));
        };
        if origin <= start {
            let detail = format!("fold {fold} would begin before the data does: ask for fewer, or a smaller step");
            return Err(error("/folds", detail));
        }
        let mut train = whole.clone();
        train.name = short(format!("{name}: model of fold {fold}"));
        train.data.split = split(start, origin, validation);
        ends.push(last);
        plan.push(Candidate { name: format!("fold {fold}"), seed: None, train: Some(train) });
    }
    let (order, dataset) = (request.order.unwrap_or_default(), request.dataset);
    let BacktestRequest { folds, gap, until, .. } = request;
    Ok(RefitBacktest { name, order, dataset, folds, step, gap, horizon, until, ends, plan })
}

/// The time of the last point with a target. Rows after it contain only future covariates. Falls back to the end of
/// the data if the profile does not record the columns' last times.
fn last_target(train: &TrainSpec, profile: &Profile) -> Option<Timestamp> {
    let last = |name: &String| profile.column(name).and_then(|column| column.last);
    train.data.targets.iter().filter_map(last).max().or(profile.end)
}

/// Splits the time up to the origin: the latest `share` of it is the validation part, the rest the training part.
fn split(start: Timestamp, origin: Timestamp, share: f64) -> Split {
    let range = |from, to| Some(Part::Range(TimeRange { from, to }));
    if share <= 0.0 {
        return Split::Time { training: range(None, Some(origin)), validation: None, test: None };
    }
    let span = origin.as_microsecond() - start.as_microsecond();
    let border = origin.as_microsecond() - (span as f64 * share) as i64;
    let before = |micros: i64| Timestamp::from_microsecond(micros).ok();
    Split::Time {
        training: range(None, before(border - 1)),
        validation: range(before(border), Some(origin)),
        test: None,
    }
}
