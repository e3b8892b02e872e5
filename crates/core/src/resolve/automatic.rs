//! The values that a request leaves open, chosen from the data.
//!
//! They were chosen on validation windows of public series of many kinds (`docs/accuracy.md`): windows scaled by
//! themselves, a simple forecast that the network corrects, and between 600 and 3,000 steps.

use super::values;
use crate::dataset::Profile;
use crate::order::{
    Base, Clip, DataRequest, Head, Loss, Missing, ModelSpec, Optimizer, Resample, Scaling, ScalingKind, ScalingScope,
    Schedule, Split, TrainingDefaults, TrainingRequest,
};

/// The windows of an epoch, at most.
const EPOCH_WINDOWS: u64 = 19_200;
const STEPS: std::ops::RangeInclusive<u64> = 600..=3_000;
const EPOCHS: std::ops::RangeInclusive<u64> = 10..=300;
const LEARNING_RATE: f64 = 0.002;
/// The number of horizons, over all series, that the validation part should have.
const VALIDATED_SERIES: u64 = 10;
/// The validation part is at most this fraction of the longest series.
const VALIDATED_SHARE: u64 = 5;
/// The longest context that is chosen.
const CONTEXT: usize = 512;

/// The part of each series' end that is held back.
pub(super) fn split(request: &DataRequest, profile: &Profile, horizon: usize) -> Split {
    request.split.clone().unwrap_or_else(|| {
        // Few series need several windows each before their errors say much.
        let wanted = VALIDATED_SERIES.div_ceil(profile.series.max(1));
        let room = profile.longest / (VALIDATED_SHARE * horizon.max(1) as u64);
        let validation = usize::try_from(wanted.min(room).max(1)).unwrap_or(1);
        Split::Horizons { validation, test: 1 }
    })
}

pub(super) fn scaling(request: &DataRequest, model: &ModelSpec) -> Scaling {
    let automatic = match model.head {
        // Counts are not scaled by an offset.
        Head::NegativeBinomial {} => Scaling::default(),
        _ => Scaling::new(ScalingKind::Standard, ScalingScope::Window),
    };
    request.scaling.unwrap_or(automatic)
}

pub(super) fn missing(request: &DataRequest) -> Missing {
    request.missing.unwrap_or(Missing::Mask)
}

/// The base to correct, unless the head or the loss needs values in the data's own units.
pub(super) fn base(request: &DataRequest, model: &ModelSpec, loss: Option<Loss>) -> Base {
    let in_units = model.head == (Head::NegativeBinomial {}) || matches!(loss, Some(Loss::Smape | Loss::Mase));
    let automatic = match request.differencing {
        Some(_) => Base::None,
        None if in_units => Base::None,
        None => Base::SeasonalNaive,
    };
    request.base.unwrap_or(automatic)
}

/// The horizon and a quarter of it, in whole seasons.
pub(super) fn context(horizon: usize, season: usize) -> usize {
    let points = horizon.saturating_add(horizon.div_ceil(4)).max(6);
    let seasons = points.div_ceil(season.max(1)).saturating_mul(season.max(1));
    if seasons <= CONTEXT { seasons } else { points.clamp(1, CONTEXT.max(season.min(2 * CONTEXT))) }
}

/// The number of training windows, about.
pub(super) fn windows(resample: Option<Resample>, profile: &Profile, horizon: usize) -> u64 {
    let points = match resample {
        None => profile.points,
        Some(_) => (values::longest(resample, profile) as u64).saturating_mul(profile.series),
    };
    // What is held back, and the targets of the last window.
    let ends = profile.series.saturating_mul(3).saturating_mul(horizon as u64);
    points.saturating_sub(ends).max(profile.series).max(1)
}

/// The distance between windows that makes an epoch short enough to be evaluated several times.
pub(super) fn stride(request: &DataRequest, windows: u64) -> usize {
    let automatic = usize::try_from(windows.div_ceil(EPOCH_WINDOWS)).unwrap_or(usize::MAX).clamp(1, 100_000);
    request.stride.unwrap_or(automatic)
}

/// The defaults of a training on this number of windows per epoch. With a request's own number of epochs they are
/// Keras's.
pub(super) fn training(request: &TrainingRequest, is_split_open: bool, head: &Head, windows: u64) -> TrainingDefaults {
    let keras = TrainingDefaults { loss: head.default_loss(), refit: is_split_open, ..TrainingDefaults::keras(head) };
    if request.epochs.is_some() {
        return keras;
    }
    let batch_size = request.batch_size.unwrap_or((windows / 16).clamp(8, 64).next_power_of_two() as usize);
    // More data bear more steps before they are over-fitted.
    let steps = (20.0 * (windows as f64).sqrt()) as u64;
    let steps = steps.clamp(*STEPS.start(), *STEPS.end());
    let epochs = steps.div_ceil(windows.div_ceil(batch_size as u64).max(1)).clamp(*EPOCHS.start(), *EPOCHS.end());
    TrainingDefaults {
        epochs: epochs as u32,
        batch_size,
        optimizer: Optimizer::adam(LEARNING_RATE),
        schedule: Schedule::one_cycle(),
        clip: Some(Clip::GlobalNorm(1.0)),
        ..keras
    }
}
