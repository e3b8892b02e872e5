//! The forecast that the network corrects.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::values::{DifferencedInputs, Differencing};

/// A simple forecast from the window's own points. The network reads values and forecasts the distance from it.
///
/// A network that starts near a good forecast needs less data and fewer steps than one that has to reproduce the
/// level and the season itself (Smyl 2020 combines the two in the same way).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// The network forecasts values.
    #[default]
    None,
    /// The last known value.
    LastValue,
    /// The value one season before. The last season is repeated over longer horizons.
    SeasonalNaive,
}

impl Base {
    /// The differencing with the same bases; `None` without a base. A season of 1 has no other season to repeat.
    pub(super) fn differencing(self, season: usize) -> Option<Differencing> {
        let inputs = DifferencedInputs::Values;
        match self {
            Self::None => None,
            Self::SeasonalNaive if season > 1 => Some(Differencing { order: 0, seasonal: Some(season), inputs }),
            Self::SeasonalNaive | Self::LastValue => Some(Differencing { order: 1, seasonal: None, inputs }),
        }
    }
}
