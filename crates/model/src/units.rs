//! Converts the output of a head to the data's units.

use crate::target_transform::Origin;
use gatecast_nn::loss::ScaledOrRaw;

/// An output of a head for a point ahead, in the data's units.
pub fn in_units(origin: &Origin<'_>, ahead: usize, amount: ScaledOrRaw) -> f64 {
    match amount {
        ScaledOrRaw::Scaled(value) => origin.value(ahead, value),
        ScaledOrRaw::Count(value) => value,
    }
}
