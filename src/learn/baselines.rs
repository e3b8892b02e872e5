//! The forecasts every model must beat.

use super::metrics::Errors;
use super::prepare::Prepared;
use super::scaling::OwnScale;
use super::windows::{View, Windows};
use crate::domain::metrics::Metrics;

/// A method that learns nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// The last known value, repeated.
    Naive,
    /// The last season, repeated; naive where the season is longer than the context.
    SeasonalNaive,
}

impl Baseline {
    /// Its errors on some windows; `None` where there are none.
    pub fn judge(self, prepared: &Prepared, windows: &Windows) -> Option<Metrics> {
        let season = match self {
            Self::SeasonalNaive if prepared.shape.season <= prepared.shape.context => prepared.shape.season,
            _ => 1,
        };
        let mut errors = Errors::default();
        let mut own = OwnScale::default();
        for window in (0..windows.len()).filter_map(|number| windows.get(number)) {
            let view = View::of(prepared, window, &mut own);
            for ahead in 0..prepared.shape.horizon {
                for target in 0..prepared.targets {
                    let context = view.context(target);
                    let forecast = context[context.len() - season + ahead % season];
                    errors.add_point(prepared, &view, target, ahead, forecast);
                }
            }
        }
        errors.metrics()
    }
}
