//! Divides points into the parts of a split.
//!
//! These rules keep evaluation honest:
//! - A training window is entirely within the training part, including its context, and parts never overlap. So
//!   training neither reads nor predicts a validation or test point, whatever the order of the parts in time.
//! - A validation or test window belongs to the part that contains all targets of its last step. Its context may
//!   extend before the part, as it does when the model is used. A window whose last targets straddle a border belongs
//!   to no part.
//! - When an `every_step` network is evaluated, the loss counts only the steps whose targets are all in the part.

use std::ops::Range;

use gatecast_core::order::{Part, Split};
use gatecast_model::error::LearnError;
use gatecast_nn::random::{Purpose, Random};

/// The points of one series in each part, as indices in the series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    pub training: Range<usize>,
    pub validation: Range<usize>,
    pub test: Range<usize>,
}

/// The parts of every series, each given by its length and its times, if it has any.
pub fn split<'t>(
    split: &Split,
    horizon: usize,
    series: impl ExactSizeIterator<Item = (usize, Option<&'t [i64]>)>,
) -> Result<Vec<Parts>, LearnError> {
    match split {
        Split::Time { training, validation, test } => series
            .map(|(length, times)| by_time(*training, *validation, *test, length, times.unwrap_or_default()))
            .collect(),
        Split::Horizons { validation, test } => {
            Ok(series.map(|(length, _)| by_horizons(*validation, *test, horizon, length)).collect())
        }
        Split::Series { validation, test, seed } => Ok(by_series(*validation, *test, *seed, series)),
    }
}

/// The last horizons of a series. A part is left out where it would leave no more than one horizon for training.
fn by_horizons(validation: usize, test: usize, horizon: usize, length: usize) -> Parts {
    let before = |end: usize, horizons: usize| {
        let start = end.saturating_sub(horizons.saturating_mul(horizon));
        if start > horizon { start } else { end }
    };
    // Room for both: else the test part goes first.
    let both = (validation + test).saturating_mul(horizon);
    let test = if validation > 0 && length.saturating_sub(both) <= horizon { length } else { before(length, test) };
    let validation = before(test, validation);
    Parts { training: 0..validation, validation: validation..test, test: test..length }
}

fn by_time(
    training: Option<Part>,
    validation: Option<Part>,
    test: Option<Part>,
    length: usize,
    times: &[i64],
) -> Result<Parts, LearnError> {
    let test_range = test.map(|part| points(part, length, length, times));
    // A fraction for validation is the points directly before the test part.
    let before_test = test_range.as_ref().map_or(length, |range| range.start);
    let validation_range = validation.map(|part| points(part, length, before_test, times));
    let earliest = [&test_range, &validation_range].into_iter().flatten().map(|range| range.start).min();
    let training_range = match training {
        // A fraction for training is the points directly before the held-out parts.
        Some(part) => points(part, length, earliest.unwrap_or(length), times),
        None => 0..earliest.unwrap_or(length),
    };
    let parts = Parts {
        training: training_range,
        validation: validation_range.unwrap_or_default(),
        test: test_range.unwrap_or_default(),
    };
    parts.check()?;
    Ok(parts)
}

/// The points of a range, or a fraction of `length` points that ends at `end`.
fn points(part: Part, length: usize, end: usize, times: &[i64]) -> Range<usize> {
    match part {
        Part::Fraction(share) => end - ((length as f64 * share).round() as usize).min(end)..end,
        Part::Range(range) => {
            let from = range.from.map_or(0, |from| times.partition_point(|&time| time < from.as_microsecond()));
            let to = range.to.map_or(length, |to| times.partition_point(|&time| time <= to.as_microsecond()));
            from..to.max(from)
        }
    }
}

fn by_series<'t>(
    validation: f64,
    test: f64,
    seed: u64,
    series: impl ExactSizeIterator<Item = (usize, Option<&'t [i64]>)>,
) -> Vec<Parts> {
    let count = series.len();
    let share = |share: f64| (share * count as f64).round() as usize;
    let (validation, test) = (share(validation), share(test));
    // The rank of each series in a random order: the first are the test part, the next the validation part.
    let mut places = vec![0; count];
    for (place, series) in Random::new(seed, Purpose::Split, 0).permutation(count).into_iter().enumerate() {
        places[series] = place;
    }
    let parts = |(place, (length, _)): (usize, (usize, Option<&[i64]>))| match place {
        place if place < test => Parts { test: 0..length, ..Parts::default() },
        place if place < test + validation => Parts { validation: 0..length, ..Parts::default() },
        _ => Parts { training: 0..length, ..Parts::default() },
    };
    places.into_iter().zip(series).map(parts).collect()
}

impl Parts {
    fn check(&self) -> Result<(), LearnError> {
        let named = [("training", &self.training), ("validation", &self.validation), ("test", &self.test)];
        for (at, (name, range)) in named.iter().enumerate() {
            for (other_name, other) in &named[at + 1..] {
                if range.start.max(other.start) < range.end.min(other.end) {
                    return Err(LearnError::SplitOverlaps(format!(
                        "the {name} and {other_name} parts of `data.split` overlap: use separate ranges, because a model must not be evaluated on points that it was trained on"
                    )));
                }
            }
        }
        Ok(())
    }

    /// All parts together, to train on.
    pub fn merged(&self) -> Self {
        let ranges = || [&self.training, &self.validation, &self.test].into_iter().filter(|range| !range.is_empty());
        let start = ranges().map(|range| range.start).min().unwrap_or(0);
        let end = ranges().map(|range| range.end).max().unwrap_or(0);
        Self { training: start..end, ..Self::default() }
    }

    /// Whether training uses a point to fit the weights or to select the best epoch.
    pub fn uses(&self, point: usize) -> bool {
        self.training.contains(&point) || self.validation.contains(&point)
    }

    /// The starts of the held-out parts, earliest first. Earlier points must not depend on points after a border.
    pub fn borders(&self) -> [usize; 2] {
        let start = |range: &Range<usize>| if range.is_empty() { 0 } else { range.start };
        let (validation, test) = (start(&self.validation), start(&self.test));
        [validation.min(test), validation.max(test)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::order::TimeRange;

    fn time(training: Option<Part>, validation: Option<Part>, test: Option<Part>, times: &[i64]) -> Parts {
        by_time(training, validation, test, times.len(), times).unwrap()
    }

    fn range(from: Option<i64>, to: Option<i64>) -> Option<Part> {
        let at = |time: Option<i64>| time.map(|time| jiff::Timestamp::from_microsecond(time).unwrap());
        Some(Part::Range(TimeRange { from: at(from), to: at(to) }))
    }

    fn parts(training: Range<usize>, validation: Range<usize>, test: Range<usize>) -> Parts {
        Parts { training, validation, test }
    }

    #[test]
    fn fractions_are_taken_from_the_end_with_test_last() {
        let times: Vec<i64> = (0..100).collect();
        let share = |share| Some(Part::Fraction(share));
        assert_eq!(time(None, share(0.2), share(0.1), &times), parts(0..70, 70..90, 90..100));
        assert_eq!(time(None, None, None, &times), parts(0..100, 0..0, 0..0));
        assert_eq!(time(None, share(0.2), range(Some(90), None), &times), parts(0..70, 70..90, 90..100));
        assert_eq!(time(share(0.7), share(0.2), share(0.1), &times), parts(0..70, 70..90, 90..100));
        assert_eq!(time(share(0.5), share(0.2), share(0.1), &times), parts(20..70, 70..90, 90..100));
        assert_eq!(time(share(0.5), None, None, &times), parts(50..100, 0..0, 0..0));
    }

    #[test]
    fn ranges_include_both_ends_and_training_stops_before_them() {
        let times: Vec<i64> = (0..100).map(|at| at * 10).collect();
        assert_eq!(time(None, range(Some(700), Some(790)), None, &times), parts(0..70, 70..80, 0..0));
        assert_eq!(
            time(range(Some(100), Some(299)), range(Some(700), None), None, &times),
            parts(10..30, 70..100, 0..0)
        );
        let later = [1_000, 1_010];
        assert_eq!(
            time(None, range(Some(700), Some(790)), None, &later).training,
            0..0,
            "a series that starts after validation has no earlier points"
        );
    }

    #[test]
    fn the_last_horizons_are_held_back_while_enough_is_left_to_train_on() {
        let of = |length| by_horizons(1, 1, 6, length);
        assert_eq!(of(40), parts(0..28, 28..34, 34..40));
        assert_eq!(of(19), parts(0..7, 7..13, 13..19));
        assert_eq!(of(18), parts(0..12, 12..18, 18..18), "no room for a test part");
        assert_eq!(of(12), parts(0..12, 12..12, 12..12), "no room for either");
        assert_eq!(by_horizons(2, 0, 3, 20), parts(0..14, 14..20, 20..20));
        assert_eq!(by_horizons(0, 1, 3, 20), parts(0..17, 17..17, 17..20));
        assert_eq!(of(40).merged(), parts(0..40, 0..0, 0..0));
    }

    #[test]
    fn parts_that_share_a_point_are_refused() {
        let times: Vec<i64> = (0..10).collect();
        let error = by_time(range(None, Some(5)), range(Some(5), None), None, 10, &times).unwrap_err();
        assert_eq!(error.code(), "split_overlaps");
    }

    #[test]
    fn the_seed_assigns_every_series_to_one_part() {
        let series = || (0..1_000).map(|_| (60, None));
        let count = |parts: &[Parts], of: fn(&Parts) -> &Range<usize>| {
            parts.iter().filter(|parts| *of(parts) == (0..60)).count()
        };
        let drawn = by_series(0.2, 0.1, 7, series());
        assert_eq!(count(&drawn, |parts| &parts.training), 700);
        assert_eq!(count(&drawn, |parts| &parts.validation), 200);
        assert_eq!(count(&drawn, |parts| &parts.test), 100);
        assert_eq!(drawn, by_series(0.2, 0.1, 7, series()));
        assert_ne!(drawn, by_series(0.2, 0.1, 8, series()));
    }
}
