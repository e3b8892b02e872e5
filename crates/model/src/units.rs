//! What a head answers, in the data's units.

use crate::target_transform::Origin;
use gatecast_nn::loss::ScaledOrRaw;

/// A number of a head's answer for a point ahead, in the data's units.
pub fn in_units(origin: &Origin<'_>, ahead: usize, amount: ScaledOrRaw) -> f64 {
    match amount {
        ScaledOrRaw::Scaled(value) => origin.value(ahead, value),
        ScaledOrRaw::Count(value) => value,
    }
}
