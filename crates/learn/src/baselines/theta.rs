//! The optimised theta model on the whole series before each window's targets.

use gatecast_classical::{Fitted, Method};
use gatecast_core::metric_values::Metrics;
use gatecast_model::scaling::WindowScale;

use crate::prepare::Prepared;
use crate::window_metrics::WindowMetrics;
use crate::windows::{WindowView, Windows};

/// The errors on some windows; `None` if there are none.
///
/// The model of a series is estimated before the first of its windows and moved forward to the others, so it never
/// uses a point that it forecasts.
pub(super) fn evaluate(prepared: &Prepared, windows: &Windows) -> Option<Metrics> {
    let mut errors = WindowMetrics::default();
    let mut own = WindowScale::default();
    let mut fitted: Vec<Option<Fitted>> = Vec::new();
    let mut of_series = None;
    for window in (0..windows.len()).filter_map(|number| windows.get(number)) {
        if of_series != Some(window.series) {
            of_series = Some(window.series);
            fitted.clear();
            fitted.resize(prepared.targets, None);
        }
        let first = prepared.frame.series.get(window.series).map_or(window.start, |series| series.rows.start);
        let view = WindowView::of(prepared, window, &mut own);
        for (target, fitted) in fitted.iter_mut().enumerate() {
            let values = prepared.frame.columns.get(target).map(|column| column.values.as_slice());
            let history = values.and_then(|values| values.get(first..window.start + prepared.shape.context));
            let history = history.unwrap_or_default();
            let moved = match fitted.as_ref() {
                Some(fitted) => fitted.refilter(history),
                None => Method::OptimisedTheta.fit(history, prepared.shape.season),
            };
            for (ahead, &forecast) in moved.forecast(prepared.shape.horizon).mean.iter().enumerate() {
                errors.add_point(&view, target, ahead, forecast);
            }
            *fitted = Some(moved);
        }
    }
    errors.metrics()
}
