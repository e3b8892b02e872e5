//! The methods by name.

use crate::Fitted;

/// A classical forecasting method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// The last season repeats; with a season of 1, the last value.
    SeasonalNaive,
    /// The line through the first and the last value.
    Drift,
    /// The theta method of Assimakopoulos and Nikolopoulos (2000): simple exponential smoothing of the seasonally adjusted series,
    /// with half the slope of its linear trend.
    Theta,
    /// The optimised theta model of Fiorucci et al. (2016): the weight of the trend is estimated too.
    OptimisedTheta,
    /// A damped additive trend with additive errors on the seasonally adjusted series (Gardner and McKenzie 1985).
    DampedTrend,
    /// Exponential smoothing in state-space form (Hyndman, Koehler, Ord and Snyder 2008): error, trend and season chosen by AICc.
    Ets,
    /// Complex exponential smoothing (Svetunkov, Kourentzes and Ord 2022): its seasonal form chosen by AICc.
    Ces,
}

impl Method {
    /// Every method, the cheap ones first.
    pub const ALL: [Self; 7] =
        [Self::SeasonalNaive, Self::Drift, Self::Theta, Self::OptimisedTheta, Self::DampedTrend, Self::Ets, Self::Ces];

    /// Estimates the method on `history` (oldest first, missing values NaN) with `season` points per season (1 for none).
    ///
    /// Never fails: see [`Fitted::is_fallback`].
    pub fn fit(self, history: &[f64], season: usize) -> Fitted {
        Fitted::new(self, history, season)
    }
}
