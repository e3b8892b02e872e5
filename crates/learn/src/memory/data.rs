//! Estimates the memory that preparing the data needs.

use gatecast_core::frequency::Frequency;
use gatecast_core::order::{DataSpec, Differencing, TransformKind};
use gatecast_data::frame::{Frame, FrameSeries};
use gatecast_model::error::LearnError;

use super::Machine;

const DOUBLE: u64 = 8;
/// A category's code in a frame plus its code for the embedding.
const CODES: u64 = 4 + 2;
/// In microseconds.
const SHORTEST_MONTH: i64 = 28 * 86_400_000_000;

/// Returns an error if the copies that preparing the data makes do not fit in memory: series on their grids,
/// transformed columns and differences.
pub fn check_data(frame: &Frame, data: &DataSpec, machine: Machine) -> Result<(), LearnError> {
    machine.check("preparing the data", needed(frame, data), || {
        "use fewer series or columns, a shorter part of the data, or a coarser `data.resample`".to_owned()
    })
}

/// In bytes.
fn needed(frame: &Frame, data: &DataSpec) -> u64 {
    let points: usize = frame.series.iter().map(|series| series.rows.len()).sum();
    let on_grid = frame.series.iter().map(|series| steps(frame, series, data)).fold(0, u64::saturating_add);
    let times = u64::from(frame.times.is_some());
    let row = DOUBLE * (frame.columns.len() as u64 + times) + CODES * frame.categories.len() as u64;
    // A frame without gaps is not copied.
    let laid = if on_grid == points as u64 && data.resample.is_none() { 0 } else { on_grid.saturating_mul(row) };
    let transformed = match data.transform.kind {
        TransformKind::None => 0,
        _ if data.transform.covariates => data.targets.len() + data.covariates.past.len(),
        _ => data.targets.len(),
    };
    let differenced = data.differences().filter(|by| *by != Differencing::default()).map_or(0, |_| data.targets.len());
    let copies = (transformed + differenced) as u64;
    laid.saturating_add(on_grid.saturating_mul(DOUBLE * copies))
}

/// The number of steps of a series' grid.
fn steps(frame: &Frame, series: &FrameSeries, data: &DataSpec) -> u64 {
    let times = frame.times.as_ref().and_then(|times| times.get(series.rows.clone())).unwrap_or_default();
    let frequency = data.resample.map(|resample| resample.every).or(series.frequency);
    let (Some(first), Some(last), Some(frequency)) = (times.first(), times.last(), frequency) else {
        return series.rows.len() as u64;
    };
    let step = match frequency {
        Frequency::Fixed(step) => step,
        // On a monthly grid, only whole months can be missing.
        Frequency::Months(_) if data.resample.is_none() => return series.rows.len() as u64,
        Frequency::Months(months) => i64::from(months).saturating_mul(SHORTEST_MONTH),
    };
    u64::try_from(last.saturating_sub(*first) / step.max(1) + 1).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use gatecast_data::frame::FrameColumn;
    use serde_json::json;

    use super::*;

    const DAY: i64 = 86_400_000_000;

    /// A series with column `x` and points on these days.
    fn frame(days: &[i64]) -> Frame {
        Frame {
            series: vec![FrameSeries {
                key: "a".to_owned(),
                rows: 0..days.len(),
                frequency: Some(Frequency::Fixed(DAY)),
            }],
            times: Some(days.iter().map(|day| day * DAY).collect()),
            columns: vec![FrameColumn { name: "x".to_owned(), values: vec![1.0; days.len()] }],
            categories: Vec::new(),
        }
    }

    fn bytes(days: &[i64], fields: serde_json::Value) -> u64 {
        let mut data = json!({"targets": ["x"], "context": 1, "horizon": 1, "season": 1});
        gatecast_core::order::merge_patch::merge(&mut data, &fields);
        needed(&frame(days), &serde_json::from_value(data).unwrap())
    }

    #[test]
    fn only_what_is_copied_counts() {
        assert_eq!(bytes(&[0, 1, 2], json!({})), 0, "without gaps nothing is copied");
        assert_eq!(bytes(&[0, 1, 9], json!({})), 10 * 2 * 8, "values and times");
        assert_eq!(bytes(&[0, 1, 2], json!({"transform": "log"})), 3 * 8);
        assert_eq!(bytes(&[0, 1, 2], json!({"transform": "log", "differencing": {"order": 1}})), 2 * 3 * 8);
        assert_eq!(bytes(&[0, 1, 20], json!({"resample": {"every": "P7D"}})), 3 * 2 * 8);
    }

    #[test]
    fn data_that_does_not_fit_is_refused() {
        let data = gatecast_core::order::DataSpec::of("x", 1, 1);
        let check = |limit, available| {
            check_data(&frame(&[0, 99]), &data, Machine { limit, available, own: 1_000 }).map_err(|error| error.code())
        };
        assert_eq!(check(2_600, 1_600), Ok(()));
        assert_eq!(check(2_599, 1_600), Err("too_large"));
        assert_eq!(check(2_600, 1_599), Err("out_of_memory"));
    }
}
