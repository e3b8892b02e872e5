//! What a head answers, in the data's units.

use crate::target_transform::Origin;
use gatecast_nn::loss::{self, ScaledOrRaw};

/// A number of a head's answer for a point ahead, in the data's units.
pub fn in_units(origin: &Origin<'_>, ahead: usize, amount: ScaledOrRaw) -> f64 {
    match amount {
        ScaledOrRaw::Scaled(value) => origin.value(ahead, value),
        ScaledOrRaw::Count(value) => value,
    }
}

/// The pinball loss of one level's quantile.
pub fn pinball(level: f64, quantile: f64, value: f64) -> f64 {
    let (loss, _) = loss::pinball(level, quantile, value);
    loss
}
