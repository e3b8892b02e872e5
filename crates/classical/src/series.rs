//! The part of a history that a method is estimated on, in units of its own.

/// The number of latest points that the parameters are estimated on. Older ones forecast no better on hourly and daily series.
pub const LONGEST: usize = 500;

/// The number of latest seasons that the parameters are estimated on, where they are more than [`LONGEST`] points.
pub const MOST_SEASONS: usize = 8;

/// A window of a history: the values from `start` on, divided by `scale`. Missing values are NaN; the first value is known.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) values: Vec<f64>,
    /// Points per season; 1 for none. At most the length.
    pub(crate) season: usize,
    /// Where the window starts in the history.
    pub(crate) start: usize,
    /// What the values were divided by: their mean absolute value, or 1.
    pub(crate) scale: f64,
}

impl Series {
    /// The latest part of `history`. `None` where no value is known.
    pub(crate) fn latest(history: &[f64], season: usize) -> Option<Self> {
        let longest = LONGEST.max(season.saturating_mul(MOST_SEASONS));
        let earliest = history.len().saturating_sub(longest);
        let recent = history.get(earliest..)?;
        let (from, recent) = match recent.iter().position(|value| value.is_finite()) {
            Some(known) => (earliest + known, recent.get(known..)?),
            // All of the window is missing: the last known value is all there is.
            None => {
                let known = history.iter().rposition(|value| value.is_finite())?;
                (known, history.get(known..)?)
            }
        };
        Self::new(recent, season, from, mean_absolute(recent))
    }

    /// The part of `history` from `start` on, in units of `scale`. `None` where it starts with a missing value or is empty.
    pub(crate) fn from(history: &[f64], season: usize, start: usize, scale: f64) -> Option<Self> {
        let values = history.get(start..)?;
        values.first().is_some_and(|value| value.is_finite()).then(|| Self::new(values, season, start, scale))?
    }

    fn new(values: &[f64], season: usize, start: usize, scale: f64) -> Option<Self> {
        let scaled = |&value: &f64| if value.is_finite() { value / scale } else { f64::NAN };
        let season = if (1..=values.len()).contains(&season) { season } else { 1 };
        (!values.is_empty()).then(|| Self { values: values.iter().map(scaled).collect(), season, start, scale })
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The values that are not missing, with their positions.
    pub(crate) fn known(&self) -> impl DoubleEndedIterator<Item = (usize, f64)> + Clone + '_ {
        self.values.iter().copied().enumerate().filter(|(_, value)| !value.is_nan())
    }

    pub(crate) fn is_positive(&self) -> bool {
        self.known().all(|(_, value)| value > 0.0)
    }

    /// Whether all known values are the same.
    pub(crate) fn is_constant(&self) -> bool {
        self.known().all(|(_, value)| Some(value) == self.values.first().copied())
    }

    /// The values with missing ones interpolated, or, after the last known value, equal to it.
    pub(crate) fn filled(&self) -> Vec<f64> {
        let mut filled = self.values.clone();
        let mut last = 0;
        for (at, value) in self.known() {
            let before = filled[last];
            for (step, between) in (1..).zip(&mut filled[last + 1..at.max(last + 1)]) {
                *between = before + (value - before) * f64::from(step) / (at - last) as f64;
            }
            last = at;
        }
        let value = filled[last];
        filled[last + 1..].fill(value);
        filled
    }
}

/// The mean absolute value of the known values, or 1 where it is 0. Divides by the largest first, since a sum may overflow.
fn mean_absolute(values: &[f64]) -> f64 {
    let known = || values.iter().filter(|value| value.is_finite()).map(|value| value.abs());
    let largest = known().fold(0.0, f64::max);
    if largest == 0.0 {
        return 1.0;
    }
    let mean = largest * (known().map(|value| value / largest).sum::<f64>() / known().count() as f64);
    if mean > 0.0 { mean } else { largest }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    #[test]
    fn missing_values_are_interpolated_and_the_last_is_carried_on() {
        let series = Series::from(&[9.0, 1.0, NAN, NAN, 4.0, f64::INFINITY], 1, 1, 1.0).unwrap();
        assert_eq!(series.filled(), [1.0, 2.0, 3.0, 4.0, 4.0]);
    }

    #[test]
    fn a_window_starts_at_a_known_value_and_holds_the_latest_points() {
        let mut history = vec![5.0; 3 * LONGEST];
        history[2 * LONGEST..2 * LONGEST + 10].fill(NAN);
        let series = Series::latest(&history, 24).unwrap();
        assert_eq!((series.start, series.len()), (2 * LONGEST + 10, LONGEST - 10));
        assert_eq!(Series::latest(&history, 100).unwrap().len(), 100 * MOST_SEASONS);
        assert!(Series::latest(&[NAN, NAN], 1).is_none());
    }

    #[test]
    fn values_of_any_magnitude_become_numbers_near_one() {
        for size in [f64::MAX, 1.0, f64::MIN_POSITIVE, 5e-324] {
            let series = Series::latest(&[size, -size, size], 1).unwrap();
            assert_eq!(series.values, [1.0, -1.0, 1.0], "{size}");
        }
    }
}
