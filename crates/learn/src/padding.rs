//! Lengthens short series at the front with unknown points, so that they have training windows too.
//!
//! Only models that mask unknown values read such windows: their network sees which points of its context are unknown.

use gatecast_core::order::DataSpec;
use gatecast_data::frame::{Frame, FrameCategories, FrameColumn, FrameSeries};

use super::prepare::Shape;
use super::split::Parts;

/// The fewest known points of a context for which a window is added, if the season is shorter.
const KNOWN: usize = 3;

/// Pads each series whose training part is too short for a window, and moves its parts accordingly.
pub(super) fn pad(frame: Frame, parts: &mut [Parts], data: &DataSpec) -> Frame {
    let shape = Shape::of(data);
    let pads: Vec<usize> = match data.pads() {
        true => parts.iter().map(|parts| padding(parts, shape)).collect(),
        false => Vec::new(),
    };
    if pads.iter().all(|&pad| pad == 0) {
        return frame;
    }
    for (parts, &pad) in parts.iter_mut().zip(&pads) {
        for range in [&mut parts.validation, &mut parts.test] {
            if range.start < range.end {
                *range = range.start + pad..range.end + pad;
            }
        }
        parts.training.end += pad;
    }
    lengthen(&frame, &pads)
}

/// The number of points to add before the first. A series with no more than a horizon to train on has no context.
fn padding(parts: &Parts, shape: Shape) -> usize {
    let trained = parts.training.len();
    let needed = shape.points().saturating_add(shape.lookback);
    if parts.training.start > 0 || trained >= needed || trained <= shape.horizon {
        return 0;
    }
    let known = (trained - shape.horizon).min(shape.season.max(KNOWN));
    (shape.context + shape.lookback).saturating_sub(known).max(needed - trained)
}

fn lengthen(frame: &Frame, pads: &[usize]) -> Frame {
    let spread = |old: &[f64]| front(frame, pads, old, |_, _| f64::NAN);
    let columns = frame.columns.iter();
    let categories = frame.categories.iter().map(|column| FrameCategories {
        name: column.name.clone(),
        codes: front(frame, pads, &column.codes, |_, _| FrameCategories::MISSING),
        texts: column.texts.clone(),
    });
    let mut series = Vec::with_capacity(frame.series.len());
    let mut length = 0;
    for (old, pad) in frame.series.iter().zip(pads) {
        let rows = length..length + pad + old.rows.len();
        length = rows.end;
        series.push(FrameSeries { key: old.key.clone(), rows, frequency: old.frequency });
    }
    Frame {
        series,
        times: frame.times.as_ref().map(|times| front(frame, pads, times, earlier)),
        columns: columns
            .map(|column| FrameColumn { name: column.name.clone(), values: spread(&column.values) })
            .collect(),
        categories: categories.collect(),
    }
}

/// A column with `filler(series, steps before its first point)` before each series.
fn front<T: Copy>(frame: &Frame, pads: &[usize], old: &[T], filler: impl Fn((&FrameSeries, T), usize) -> T) -> Vec<T> {
    let mut new = Vec::with_capacity(old.len() + pads.iter().sum::<usize>());
    for (series, &pad) in frame.series.iter().zip(pads) {
        let values = old.get(series.rows.clone()).unwrap_or_default();
        if let Some(&first) = values.first() {
            new.extend((1..=pad).rev().map(|steps| filler((series, first), steps)));
        }
        new.extend_from_slice(values);
    }
    new
}

/// The time of a point before the first one.
fn earlier((series, first): (&FrameSeries, i64), steps: usize) -> i64 {
    series.frequency.and_then(|frequency| frequency.add(first, -(steps as i64))).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        const HOUR: i64 = 3_600_000_000;
        let series = |key: &str, rows| FrameSeries { key: key.to_owned(), rows, frequency: "PT1H".parse().ok() };
        Frame {
            series: vec![series("short", 0..4), series("long", 4..16)],
            times: Some((0..16).map(|at| at * HOUR).collect()),
            columns: vec![FrameColumn { name: "x".to_owned(), values: (0..16).map(f64::from).collect() }],
            categories: vec![FrameCategories { name: "c".to_owned(), codes: vec![0; 16], texts: vec!["a".to_owned()] }],
        }
    }

    fn padded(missing: &str) -> (Frame, Vec<Parts>) {
        let data = serde_json::json!({"targets": ["x"], "context": 5, "horizon": 1, "season": 1, "missing": missing});
        let data = serde_json::from_value(data).unwrap();
        let mut parts = vec![
            Parts { training: 0..3, validation: 3..4, test: 0..0 },
            Parts { training: 0..10, validation: 10..11, test: 11..12 },
        ];
        (pad(frame(), &mut parts, &data), parts)
    }

    #[test]
    fn a_short_series_gets_unknown_points_in_front() {
        let (frame, parts) = padded("mask");
        assert_eq!(frame.series.iter().map(|series| series.rows.clone()).collect::<Vec<_>>(), [0..7, 7..19]);
        let values = &frame.columns[0].values;
        assert!(values[..3].iter().all(|value| value.is_nan()));
        assert_eq!(values[3..8], [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(
            frame.categories[0].codes[..4],
            [FrameCategories::MISSING; 3].iter().copied().chain([0]).collect::<Vec<_>>()
        );
        assert_eq!(frame.times.unwrap()[..4], [-3, -2, -1, 0].map(|hour| hour * 3_600_000_000));
        assert_eq!(parts[0], Parts { training: 0..6, validation: 6..7, test: 0..0 });
        assert_eq!(parts[1], Parts { training: 0..10, validation: 10..11, test: 11..12 });
    }

    #[test]
    fn without_a_mask_nothing_is_padded() {
        let (frame, parts) = padded("interpolate");
        assert_eq!((frame.columns[0].values.len(), parts[0].training.clone()), (16, 0..3));
    }
}
