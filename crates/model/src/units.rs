//! What a head answers, in the data's units.

use crate::values::Origin;
use gatecast_nn::loss::{self, Amount};

/// A number of a head's answer for a point ahead, in the data's units.
pub fn in_units(origin: &Origin<'_>, ahead: usize, amount: Amount) -> f64 {
    match amount {
        Amount::Scaled(value) => origin.value(ahead, value),
        Amount::Count(value) => value,
    }
}

/// The pinball loss of one level's quantile.
pub fn pinball(level: f64, quantile: f64, value: f64) -> f64 {
    let (loss, _) = loss::pinball(level, quantile, value);
    loss
}
