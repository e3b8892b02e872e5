//! Checks transforms, differencing and resampling against the dataset.

use super::FieldError;
use crate::dataset::Profile;
use crate::frequency::Frequency;
use crate::order::{Base, Head, Loss, Resample, TrainSpec, TransformKind};

pub(super) fn check(order: &TrainSpec, profile: &Profile, errors: &mut Vec<FieldError>) {
    let data = &order.data;
    check_units(order, errors);
    if data.differencing.is_some() && data.base != Base::None {
        errors.push(FieldError::new("/data/base", "contradicts `differencing`, which has bases of its own: give one"));
    }
    if data.differencing.is_some_and(|differencing| differencing.lookback() == 0) {
        errors.push(FieldError::new("/data/differencing", "asks for no difference: give `order` or `seasonal`"));
    }
    if data.resample.is_some() && profile.start.is_none() {
        errors.push(FieldError::new("/data/resample", "needs times, and the dataset has none"));
    }
    // Sums may be outside the column's range.
    let least = match data.transform.kind {
        TransformKind::Log | TransformKind::BoxCox if data.resample.is_none() => 0.0,
        TransformKind::Log1p if data.resample.is_none() => -1.0,
        _ => return,
    };
    let past = data.covariates.past.iter().filter(|_| data.transform.covariates);
    for name in data.targets.iter().chain(past) {
        let numbers = profile.column(name).and_then(|column| column.numbers);
        if let Some(numbers) = numbers.filter(|numbers| numbers.min <= least) {
            let detail = format!(
                "takes values above {least}, and `{name}` holds {}: try `log1p` for counts with zeros, or `none`",
                numbers.min
            );
            errors.push(FieldError::new("/data/transform", detail));
        }
    }
}

/// Losses in the data's units can undo only a factor and an offset.
fn check_units(order: &TrainSpec, errors: &mut Vec<FieldError>) {
    let (transformed, differenced) = (!order.data.transform.is_none(), order.data.differences().is_some());
    if !transformed && !differenced {
        return;
    }
    let with = match (transformed, order.data.differencing) {
        (true, _) => "/data/transform",
        (false, Some(_)) => "/data/differencing",
        (false, None) => "/data/base",
    };
    if order.model.head == (Head::NegativeBinomial {}) {
        errors.push(FieldError::new(
            "/model/head",
            format!("a negative_binomial head is for counts as they are: leave out {with}"),
        ));
    }
    match order.training.loss {
        Loss::Smape => errors.push(FieldError::new(
            "/training/loss",
            format!("smape is taken in the data's units, which {with} leaves: take `mae`"),
        )),
        Loss::Mase if transformed => errors.push(FieldError::new(
            "/training/loss",
            "mase is taken in the data's units, which /data/transform leaves: take `mae`",
        )),
        _ => {}
    }
}

/// The number of points of the longest series. If the request resamples, this is an upper bound.
pub(super) fn longest(resample: Option<Resample>, profile: &Profile) -> usize {
    let points = usize::try_from(profile.longest).unwrap_or(usize::MAX);
    let Some((resample, (start, end))) = resample.zip(profile.start.zip(profile.end)) else { return points };
    let span = end.as_microsecond().saturating_sub(start.as_microsecond());
    const SHORTEST_MONTH: i64 = 28 * 86_400_000_000;
    let step = match resample.every {
        Frequency::Fixed(step) => step,
        Frequency::Months(months) => i64::from(months).saturating_mul(SHORTEST_MONTH),
    };
    usize::try_from(span / step.max(1)).unwrap_or(0).saturating_add(2)
}
