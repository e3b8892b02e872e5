//! Missing points: rows that the regular grid of a series has and the data lacks, and unknown values.

use std::ops::Range;

use super::error::LearnError;
use gatecast_core::frequency::Frequency;
use gatecast_core::order::Missing;
use gatecast_data::frame::{Frame, FrameCategories, FrameColumn, FrameSeries};

/// A grid may have this many steps per point of the series, plus [`GRID_ALLOWANCE`]. Two points a second apart and a
/// third in the year 9999 are a mistake, not a gap to fill.
const GRID_STEPS_A_POINT: usize = 4;
const GRID_ALLOWANCE: usize = 1_000;

/// Times that do not fit a regular grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffGrid {
    /// A time is between two steps, or is not later than the previous one.
    Between(i64),
    /// The grid would have far more steps than the series has points.
    TooLong,
}

/// The index of each time on the regular grid that starts at the first time: `0, 1, …` if there are no gaps.
pub fn places(times: &[i64], frequency: Frequency) -> Result<Vec<usize>, OffGrid> {
    let limit = times.len().saturating_mul(GRID_STEPS_A_POINT).saturating_add(GRID_ALLOWANCE);
    let Some(&first) = times.first() else { return Ok(Vec::new()) };
    let mut places: Vec<usize> = Vec::with_capacity(times.len());
    for &time in times {
        let earliest = places.last().map_or(0, |last| last + 1);
        let place = match frequency {
            Frequency::Fixed(step) => {
                let distance = i128::from(time) - i128::from(first);
                if distance % i128::from(step) != 0 || distance < 0 {
                    return Err(OffGrid::Between(time));
                }
                usize::try_from(distance / i128::from(step)).unwrap_or(usize::MAX)
            }
            Frequency::Months(_) => {
                let mut place = earliest;
                let at = |place: usize| i64::try_from(place).ok().and_then(|place| frequency.add(first, place));
                while place <= limit && at(place).is_some_and(|at| at < time) {
                    place += 1;
                }
                if place <= limit && at(place) != Some(time) {
                    return Err(OffGrid::Between(time));
                }
                place
            }
        };
        if place < earliest {
            return Err(OffGrid::Between(time));
        }
        if place > limit {
            return Err(OffGrid::TooLong);
        }
        places.push(place);
    }
    Ok(places)
}

/// Brings every series to its regular grid: a step without a row becomes a row without values. Data without times is
/// returned unchanged. Irregular times are an error.
pub fn on_grid(frame: Frame) -> Result<Frame, LearnError> {
    let Some(times) = &frame.times else { return Ok(frame) };
    let mut laid = Vec::with_capacity(frame.series.len());
    let mut length = 0;
    for series in &frame.series {
        let of_series = times.get(series.rows.clone()).unwrap_or_default();
        let places = match series.frequency {
            Some(frequency) => places(of_series, frequency).map_err(|fault| off_grid(&series.key, frequency, fault))?,
            None if of_series.len() < 2 => (0..of_series.len()).collect(),
            None => {
                return Err(LearnError::IrregularTimes(format!(
                    "the times of series `{}` have no regular step: set `data.resample`, or upload the data without times",
                    series.key
                )));
            }
        };
        let steps = places.last().map_or(0, |last| last + 1);
        laid.push((length..length + steps, places));
        length += steps;
    }
    if length == times.len() {
        return Ok(frame);
    }
    Ok(spread(&frame, times, &laid, length))
}

fn off_grid(key: &str, frequency: Frequency, fault: OffGrid) -> LearnError {
    match fault {
        OffGrid::Between(time) => {
            let time = jiff::Timestamp::from_microsecond(time).unwrap_or_default();
            LearnError::IrregularTimes(format!(
                "series `{key}` has a point at {time}, which is between two steps of {frequency}"
            ))
        }
        OffGrid::TooLong => LearnError::GapsTooLarge(format!(
            "series `{key}` has far more gaps than points at a step of {frequency}: check its times for typos"
        )),
    }
}

fn spread(frame: &Frame, times: &[i64], laid: &[(Range<usize>, Vec<usize>)], length: usize) -> Frame {
    let mut spread_times = vec![0; length];
    let mut columns: Vec<FrameColumn> = frame
        .columns
        .iter()
        .map(|column| FrameColumn { name: column.name.clone(), values: vec![f64::NAN; length] })
        .collect();
    let mut categories: Vec<FrameCategories> = frame
        .categories
        .iter()
        .map(|column| FrameCategories {
            name: column.name.clone(),
            codes: vec![FrameCategories::MISSING; length],
            texts: column.texts.clone(),
        })
        .collect();
    let mut series = Vec::with_capacity(frame.series.len());
    for (old, (rows, places)) in frame.series.iter().zip(laid) {
        let first = times.get(old.rows.start).copied().unwrap_or_default();
        for (step, time) in spread_times[rows.clone()].iter_mut().enumerate() {
            *time = old.frequency.and_then(|frequency| frequency.add(first, step as i64)).unwrap_or(first);
        }
        for (column, from) in columns.iter_mut().zip(&frame.columns) {
            for (place, value) in places.iter().zip(&from.values[old.rows.clone()]) {
                column.values[rows.start + place] = *value;
            }
        }
        for (column, from) in categories.iter_mut().zip(&frame.categories) {
            for (place, code) in places.iter().zip(&from.codes[old.rows.clone()]) {
                column.codes[rows.start + place] = *code;
            }
        }
        series.push(FrameSeries { key: old.key.clone(), rows: rows.clone(), frequency: old.frequency });
    }
    Frame { series, times: Some(spread_times), columns, categories }
}

/// The number of points of a series, given by its rows, up to the last one with a known target (the first `targets`
/// columns). Later rows only have covariates that are known ahead.
pub fn targets_end(frame: &Frame, rows: Range<usize>, targets: usize) -> usize {
    let start = rows.start;
    let is_known = |row: &usize| {
        let of_row = frame.columns.iter().take(targets).filter_map(|column| column.values.get(*row));
        of_row.copied().any(|value| !value.is_nan())
    };
    rows.rev().find(is_known).map_or(0, |row| row + 1 - start)
}

/// Fills every unknown value (NaN). Returns `true` if all values are known afterwards. Returns `false` and changes
/// nothing if no value is known, or if values are unknown and `how` is [`Missing::Refuse`].
pub fn fill(values: &mut [f64], how: Missing) -> bool {
    let Some(mut known) = values.iter().position(|value| !value.is_nan()) else { return values.is_empty() };
    if how == Missing::Refuse {
        return values.iter().all(|value| !value.is_nan());
    }
    let first = values[known];
    values[..known].fill(first);
    while let Some(gap) = values[known..].iter().position(|value| value.is_nan()) {
        let before = known + gap - 1;
        let from = values[before];
        match values[before + 1..].iter().position(|value| !value.is_nan()) {
            None => {
                values[before + 1..].fill(from);
                break;
            }
            Some(steps) => {
                let after = before + 1 + steps;
                let to = values[after];
                let span = (steps + 1) as f64;
                for (step, value) in values[before + 1..after].iter_mut().enumerate() {
                    let share = (step + 1) as f64 / span;
                    *value = if how == Missing::Interpolate { from * (1.0 - share) + to * share } else { from };
                }
                known = after;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;
    const DAY: i64 = 86_400_000_000;

    fn filled(values: &[f64], how: Missing) -> Vec<f64> {
        let mut values = values.to_vec();
        assert!(fill(&mut values, how));
        values
    }

    #[test]
    fn gaps_are_interpolated_and_ends_repeat_the_nearest_value() {
        let values = [NAN, 2.0, NAN, NAN, 8.0, 9.0, NAN, 7.0, NAN, NAN];
        assert_eq!(filled(&values, Missing::Interpolate), [2.0, 2.0, 4.0, 6.0, 8.0, 9.0, 8.0, 7.0, 7.0, 7.0]);
        assert_eq!(filled(&values, Missing::ForwardFill), [2.0, 2.0, 2.0, 2.0, 8.0, 9.0, 9.0, 7.0, 7.0, 7.0]);
    }

    #[test]
    fn fill_reports_values_that_it_cannot_fill() {
        assert!(!fill(&mut [NAN, NAN], Missing::Interpolate));
        assert!(!fill(&mut [1.0, NAN], Missing::Refuse));
        assert!(fill(&mut [1.0, 2.0], Missing::Refuse));
        assert!(fill(&mut [], Missing::ForwardFill));
    }

    #[test]
    fn places_count_missing_steps_and_refuse_times_between_steps() {
        let day = Frequency::Fixed(DAY);
        assert_eq!(places(&[0, DAY, 4 * DAY], day), Ok(vec![0, 1, 4]));
        assert_eq!(places(&[0, DAY + 1], day), Err(OffGrid::Between(DAY + 1)));
        assert_eq!(places(&[DAY, DAY], day), Err(OffGrid::Between(DAY)));
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_microsecond();
        let month = [at("2024-01-31T00:00:00Z"), at("2024-02-29T00:00:00Z"), at("2024-05-31T00:00:00Z")];
        assert_eq!(places(&month, Frequency::Months(1)), Ok(vec![0, 1, 4]));
        let between = at("2024-03-15T00:00:00Z");
        assert_eq!(places(&[month[0], between], Frequency::Months(1)), Err(OffGrid::Between(between)));
    }

    #[test]
    fn a_huge_gap_is_refused_before_memory_is_allocated() {
        let second = Frequency::Fixed(1_000_000);
        let (first, last) = (0, 253_370_764_800_000_000);
        assert_eq!(places(&[first, 1_000_000, last], second), Err(OffGrid::TooLong));
        assert_eq!(places(&[0, 253_370_764_800_000_000], Frequency::Months(1)), Err(OffGrid::TooLong));
    }

    #[test]
    fn a_missing_row_becomes_a_row_without_values() {
        let series = |key: &str, rows: Range<usize>| FrameSeries {
            key: key.to_owned(),
            rows,
            frequency: Some(Frequency::Fixed(DAY)),
        };
        let frame = Frame {
            series: vec![series("a", 0..2), series("b", 2..4)],
            times: Some(vec![0, 2 * DAY, 5 * DAY, 6 * DAY]),
            columns: vec![FrameColumn { name: "x".into(), values: vec![1.0, 3.0, 5.0, 6.0] }],
            categories: vec![FrameCategories {
                name: "kind".into(),
                codes: vec![0, 1, 1, 0],
                texts: vec!["a".into(), "b".into()],
            }],
        };
        let laid = on_grid(frame).unwrap();
        assert_eq!(laid.series[0].rows, 0..3);
        assert_eq!(laid.series[1].rows, 3..5);
        assert_eq!(laid.times, Some(vec![0, DAY, 2 * DAY, 5 * DAY, 6 * DAY]));
        assert_eq!(laid.columns[0].values[0], 1.0);
        assert!(laid.columns[0].values[1].is_nan());
        assert_eq!(laid.columns[0].values[2..], [3.0, 5.0, 6.0]);
        assert_eq!(laid.categories[0].codes, [0, FrameCategories::MISSING, 1, 1, 0]);
    }
}
