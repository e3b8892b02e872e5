//! Aggregates points to the regular step that the request names.

use super::error::LearnError;
use gatecast_core::frequency::Frequency;
use gatecast_core::order::{Aggregation, Resample};
use gatecast_data::frame::{Frame, FrameCategories, FrameColumn, FrameSeries};

const DAY: i64 = 86_400_000_000;
const WEEK: i64 = 7 * DAY;
/// 1970-01-05, a Monday.
const MONDAY: i64 = 4 * DAY;

/// The start of the step that contains a time, both in microseconds since 1970 UTC; `None` beyond the calendar's
/// range.
pub fn step_of(time: i64, every: Frequency) -> Option<i64> {
    match every {
        Frequency::Fixed(step) => {
            let origin = if step % WEEK == 0 { MONDAY } else { 0 };
            let since = time.checked_sub(origin)?;
            since.checked_sub(since.rem_euclid(step))?.checked_add(origin)
        }
        Frequency::Months(months) => {
            let date = jiff::Timestamp::from_microsecond(time).ok()?.to_zoned(jiff::tz::TimeZone::UTC).date();
            let count = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
            let first = count - count.rem_euclid(i64::from(months));
            let (year, month) =
                (i16::try_from(first.div_euclid(12)).ok()?, i8::try_from(first.rem_euclid(12)).ok()? + 1);
            let date = jiff::civil::Date::new(year, month, 1).ok()?;
            Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
        }
    }
}

/// The rows of each step with the step's start, oldest first; `None` beyond the calendar's range.
pub fn steps(times: &[i64], every: Frequency) -> Option<Vec<(i64, std::ops::Range<usize>)>> {
    let mut steps: Vec<(i64, std::ops::Range<usize>)> = Vec::new();
    for (row, &time) in times.iter().enumerate() {
        let begins = step_of(time, every)?;
        match steps.last_mut() {
            Some((step, rows)) if *step == begins => rows.end = row + 1,
            _ => steps.push((begins, row..row + 1)),
        }
    }
    Some(steps)
}

/// Aggregates the values of a step to one number; NaN if none is known.
pub fn aggregate(values: &[f64], how: Aggregation) -> f64 {
    let known = || values.iter().copied().filter(|value| !value.is_nan());
    let (Some(first), Some(last)) = (known().next(), known().next_back()) else { return f64::NAN };
    match how {
        Aggregation::First => first,
        Aggregation::Last => last,
        Aggregation::Sum => known().sum(),
        Aggregation::Mean => known().sum::<f64>() / known().count() as f64,
        Aggregation::Min => known().fold(first, f64::min),
        Aggregation::Max => known().fold(first, f64::max),
        Aggregation::Median => {
            let mut sorted: Vec<f64> = known().collect();
            sorted.sort_by(f64::total_cmp);
            let middle = sorted.len() / 2;
            if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
        }
    }
}

/// Resamples the frame: one row for each step that contains points, at the step's start.
pub fn resample(frame: Frame, order: Resample) -> Result<Frame, LearnError> {
    let Some(times) = &frame.times else {
        return Err(LearnError::IrregularTimes("`data.resample` needs times, but the dataset has none".to_owned()));
    };
    let past_the_end = || LearnError::IrregularTimes("a time is outside the calendar's range".to_owned());
    let (mut series, mut laid) = (Vec::with_capacity(frame.series.len()), Vec::new());
    let mut new_times = Vec::new();
    for old in &frame.series {
        let begins = new_times.len();
        let of_series = times.get(old.rows.clone()).unwrap_or_default();
        for (time, rows) in steps(of_series, order.every).ok_or_else(past_the_end)? {
            new_times.push(time);
            laid.push(old.rows.start + rows.start..old.rows.start + rows.end);
        }
        let rows = begins..new_times.len();
        series.push(FrameSeries { key: old.key.clone(), rows, frequency: Some(order.every) });
    }
    let columns = frame.columns.iter().map(|column| FrameColumn {
        name: column.name.clone(),
        values: laid.iter().map(|rows| aggregate(&column.values[rows.clone()], order.aggregation)).collect(),
    });
    // Categories cannot be aggregated, so a step has the last known one for every aggregation.
    let last = |codes: &[u32]| {
        codes.iter().copied().rfind(|&code| code != FrameCategories::MISSING).unwrap_or(FrameCategories::MISSING)
    };
    let categories = frame.categories.iter().map(|column| FrameCategories {
        name: column.name.clone(),
        codes: laid.iter().map(|rows| last(&column.codes[rows.clone()])).collect(),
        texts: column.texts.clone(),
    });
    Ok(Frame { series, columns: columns.collect(), categories: categories.collect(), times: Some(new_times) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn steps_start_at_calendar_boundaries() {
        let begins = |time: &str, every: &str| {
            let begins = step_of(at(time), every.parse().unwrap()).unwrap();
            jiff::Timestamp::from_microsecond(begins).unwrap().to_string()
        };
        assert_eq!(begins("2024-02-29T13:47:11Z", "PT15M"), "2024-02-29T13:45:00Z");
        assert_eq!(begins("2024-02-29T13:47:11Z", "P1D"), "2024-02-29T00:00:00Z");
        assert_eq!(begins("2024-02-29T13:47:11Z", "P7D"), "2024-02-26T00:00:00Z", "a Monday");
        assert_eq!(begins("2024-02-29T13:47:11Z", "P1M"), "2024-02-01T00:00:00Z");
        assert_eq!(begins("2024-02-29T13:47:11Z", "P3M"), "2024-01-01T00:00:00Z");
        assert_eq!(begins("1969-12-31T23:00:00Z", "P1D"), "1969-12-31T00:00:00Z");
    }

    #[test]
    fn aggregates_use_known_values_only() {
        let values = [4.0, f64::NAN, 1.0, 7.0, 2.0];
        let cases = [
            (Aggregation::Mean, 3.5),
            (Aggregation::Sum, 14.0),
            (Aggregation::First, 4.0),
            (Aggregation::Last, 2.0),
            (Aggregation::Min, 1.0),
            (Aggregation::Max, 7.0),
            (Aggregation::Median, 3.0),
        ];
        for (how, expected) in cases {
            assert_eq!(aggregate(&values, how), expected, "{how:?}");
            assert!(aggregate(&[f64::NAN], how).is_nan(), "{how:?}");
        }
    }

    #[test]
    fn irregular_points_become_one_row_per_step_and_empty_steps_are_left_out() {
        let series = |key: &str, rows| FrameSeries { key: key.to_owned(), rows, frequency: None };
        let times = ["2024-01-01T03:00:00Z", "2024-01-01T20:17:00Z", "2024-01-03T00:00:00Z", "2024-01-01T23:59:59Z"];
        let frame = Frame {
            series: vec![series("a", 0..3), series("b", 3..4)],
            times: Some(times.map(at).to_vec()),
            columns: vec![FrameColumn { name: "x".into(), values: vec![1.0, 3.0, 5.0, 9.0] }],
            categories: vec![FrameCategories {
                name: "c".into(),
                codes: vec![1, 0, FrameCategories::MISSING, 1],
                texts: vec!["a".into(), "b".into()],
            }],
        };
        let daily = Resample { every: "P1D".parse().unwrap(), aggregation: Aggregation::Mean };
        let laid = resample(frame, daily).unwrap();
        assert_eq!(laid.columns[0].values, [2.0, 5.0, 9.0]);
        assert_eq!(laid.categories[0].codes, [0, FrameCategories::MISSING, 1]);
        let days = ["2024-01-01T00:00:00Z", "2024-01-03T00:00:00Z", "2024-01-01T00:00:00Z"];
        assert_eq!(laid.times, Some(days.map(at).to_vec()));
        assert_eq!((laid.series[0].rows.clone(), laid.series[1].rows.clone()), (0..2, 2..3));
        assert!(laid.series.iter().all(|series| series.frequency == "P1D".parse().ok()));
    }
}
