//! The frequency of one series, from the steps between its times.
//!
//! Steps are counted, not the times kept; so the memory is bounded, and a gap of a thousand years
//! costs what a gap of an hour does. The rule, to be explained in a sentence: a series has a
//! frequency if its most common step makes up half of all its steps or more and every step is a
//! whole number of it; the grid steps in between are its gaps.

use super::times::civil;
use gatecast_core::frequency::Frequency;

const DAY: i64 = 86_400_000_000;
/// The number of different steps that are counted. A series with more has no regular step.
const MOST_STEPS: usize = 1_024;
/// Occurrences of each step of which the place is kept, and gaps named of a series.
const FIRST: usize = 3;

/// The frequency of a series, if it has one, and where its grid has no point.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Grid {
    pub(super) frequency: Option<Frequency>,
    /// Grid steps without a point.
    pub(super) gaps: u64,
    /// The first runs of them: the time of the point before, and the number of steps.
    pub(super) first_gaps: Vec<(i64, u64)>,
}

/// The steps of one series so far.
#[derive(Debug, Default)]
pub(super) struct Steps {
    last: Option<i64>,
    fixed: Counts,
    months: Counts,
    /// Some step was not a whole number of calendar months.
    off_months: bool,
}

/// One step between two points.
#[derive(Debug, Clone, Copy)]
struct Step {
    step: i64,
    count: u64,
    /// The times it began at, of the first occurrences.
    first: [i64; FIRST],
}

/// The step of an even grid, with its gaps as [`Grid`] has them.
struct EvenStep {
    step: i64,
    gaps: u64,
    first_gaps: Vec<(i64, u64)>,
}

impl EvenStep {
    fn grid(self, frequency: Frequency) -> Grid {
        Grid { frequency: Some(frequency), gaps: self.gaps, first_gaps: self.first_gaps }
    }
}

/// The number of occurrences of each step, in order of first appearance.
#[derive(Debug, Default)]
struct Counts {
    steps: Vec<Step>,
    /// The position of the step that came last.
    newest: usize,
    overflowed: bool,
    /// The greatest common divisor of all steps, also of those not counted; 0 without any.
    divisor: i64,
    /// Their sum and number.
    length: i64,
    total: u64,
}

impl Counts {
    fn add(&mut self, from: i64, step: i64) {
        self.divisor = if self.divisor == step { step } else { greatest_common_divisor(self.divisor, step) };
        self.length = self.length.saturating_add(step);
        self.total += 1;
        let newest = self.steps.get(self.newest).filter(|newest| newest.step == step).map(|_| self.newest);
        match newest.or_else(|| self.steps.iter().position(|known| known.step == step)) {
            Some(at) => {
                self.newest = at;
                if let Some(known) = self.steps.get_mut(at) {
                    let place = usize::try_from(known.count).ok().and_then(|count| known.first.get_mut(count));
                    if let Some(place) = place {
                        *place = from;
                    }
                    known.count += 1;
                }
            }
            None if self.steps.len() < MOST_STEPS => {
                self.newest = self.steps.len();
                self.steps.push(Step { step, count: 1, first: [from; FIRST] });
            }
            None => self.overflowed = true,
        }
    }

    /// The even step, the number of grid steps left out and the first of them, by the rule of this
    /// module.
    fn even(&self) -> Option<EvenStep> {
        let even = self.steps.iter().max_by_key(|known| (known.count, std::cmp::Reverse(known.step)))?;
        if self.overflowed || even.count * 2 < self.total || self.divisor % even.step != 0 {
            return None;
        }
        self.on_grid(even.step)
    }

    /// The gaps in a grid of the given step, if all steps are whole numbers of it.
    fn on_grid(&self, step: i64) -> Option<EvenStep> {
        if self.divisor % step != 0 {
            return None;
        }
        let skipped = |other: &Step| (other.step / step - 1) as u64;
        let longer = self.steps.iter().filter(|other| skipped(other) > 0);
        let mut first: Vec<(i64, u64)> = longer
            .flat_map(|other| other.first.iter().take(other.count as usize).map(|&from| (from, skipped(other))))
            .collect();
        first.sort_unstable();
        first.truncate(FIRST);
        let steps = u64::try_from(self.length / step).unwrap_or(0);
        Some(EvenStep { step, gaps: steps.saturating_sub(self.total), first_gaps: first })
    }
}

pub(super) fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.abs()
}

impl Steps {
    /// Takes the next times of the series, each later than all before.
    pub(super) fn extend(&mut self, times: &[i64]) {
        for &time in times {
            if let Some(last) = self.last {
                let step = time - last;
                self.fixed.add(last, step);
                if !self.off_months {
                    match months_between(last, time) {
                        Some(months) => self.months.add(last, months),
                        None => self.off_months = true,
                    }
                }
            }
            self.last = Some(time);
        }
    }

    /// The frequency and the gaps. Months win where both would do: the first of February and the
    /// first of March are a month apart rather than four weeks.
    pub(super) fn finish(&self) -> Grid {
        let months = if self.off_months { None } else { self.months.even() };
        let months = months.and_then(|even| {
            let step = u32::try_from(even.step).ok()?;
            Some(even.grid(Frequency::Months(step)))
        });
        let fixed = || {
            let even = self.fixed.even()?;
            let step = even.step;
            Some(even.grid(Frequency::Fixed(step)))
        };
        months.or_else(fixed).unwrap_or_default()
    }
}

impl Steps {
    /// The gaps in a grid of the given frequency, or `None` if a time is not on it.
    pub(super) fn on_grid(&self, frequency: Frequency) -> Option<Grid> {
        let even = match frequency {
            Frequency::Fixed(step) => self.fixed.on_grid(step),
            Frequency::Months(_) if self.off_months => None,
            Frequency::Months(months) => self.months.on_grid(i64::from(months)),
        };
        even.map(|even| even.grid(frequency))
    }
}

/// Whole calendar months from one time to a later one: the same day and clock, or both the last
/// day of their month.
fn months_between(from: i64, to: i64) -> Option<i64> {
    // The cheap test first: no month is shorter, and most steps are.
    if to - from < 28 * DAY || from.rem_euclid(DAY) != to.rem_euclid(DAY) {
        return None;
    }
    let (from, to) = (from.div_euclid(DAY), to.div_euclid(DAY));
    let ((from_year, from_month, from_day), (to_year, to_month, to_day)) = (civil(from), civil(to));
    let ends_month = |day: i64| civil(day + 1).2 == 1;
    let months = (to_year - from_year) * 12 + i64::from(to_month) - i64::from(from_month);
    (months > 0 && (from_day == to_day || ends_month(from) && ends_month(to))).then_some(months)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(times: &[&str]) -> (Option<String>, u64) {
        let mut steps = Steps::default();
        for time in times {
            let time = if time.len() == 10 { format!("{time}T00:00:00Z") } else { (*time).to_owned() };
            steps.extend(&[time.parse::<jiff::Timestamp>().unwrap().as_microsecond()]);
        }
        let Grid { frequency, gaps, .. } = steps.finish();
        (frequency.map(|frequency| frequency.to_string()), gaps)
    }

    #[test]
    fn the_most_common_step_is_the_frequency() {
        let some = |text: &str, gaps| (Some(text.to_owned()), gaps);
        assert_eq!(found(&[]), (None, 0));
        assert_eq!(found(&["2001-01-01"]), (None, 0));
        assert_eq!(found(&["2001-01-01", "2001-01-02", "2001-01-03"]), some("P1D", 0));
        assert_eq!(found(&["2001-01-01", "2001-01-02", "2001-01-05", "2001-01-06"]), some("P1D", 2));
        assert_eq!(found(&["2001-01-01", "2001-02-01", "2001-03-01", "2001-05-01"]), some("P1M", 1));
        assert_eq!(found(&["2001-01-31", "2001-02-28", "2001-03-31", "2001-04-30"]), some("P1M", 0));
        assert_eq!(found(&["2001-03-31", "2001-06-30", "2001-09-30", "2001-12-31"]), some("P3M", 0));
        assert_eq!(found(&["2000-01-01", "2001-01-01", "2002-01-01"]), some("P1Y", 0));
        assert_eq!(found(&["2001-01-01", "2001-01-29", "2001-02-26", "2001-03-26"]), some("P28D", 0));
        assert_eq!(found(&["2001-01-01T00:00:00Z", "2001-01-01T00:30:00Z", "2001-01-01T01:00:00Z"]), some("PT30M", 0));
    }

    #[test]
    fn uneven_steps_are_no_frequency() {
        assert_eq!(found(&["2001-01-01", "2001-01-03", "2001-01-06", "2001-01-10"]), (None, 0));
        assert_eq!(
            found(&["2001-01-01T00:00:00Z", "2001-01-01T01:00:00Z", "2001-01-01T02:00:00Z", "2001-01-01T02:20:00Z"]),
            (None, 0)
        );
    }

    #[test]
    fn a_given_frequency_counts_the_steps_between() {
        let day = |day: i64| day * DAY;
        let mut steps = Steps::default();
        steps.extend(&[0, 2, 5, 9].map(day));
        assert_eq!(steps.finish().frequency, None);
        let grid = steps.on_grid(Frequency::Fixed(DAY)).unwrap();
        assert_eq!((grid.gaps, grid.first_gaps), (6, vec![(0, 1), (2 * DAY, 2), (5 * DAY, 3)]));
        assert_eq!(steps.on_grid(Frequency::Fixed(2 * DAY)), None);
        assert_eq!(steps.on_grid(Frequency::Months(1)), None);
        let mut months = Steps::default();
        // The first of January, of March and of April 1970.
        months.extend(&[0, 59, 90].map(day));
        assert_eq!(months.on_grid(Frequency::Months(1)).unwrap().gaps, 1);
        assert_eq!(months.on_grid(Frequency::Months(2)), None);
    }

    #[test]
    fn a_gap_of_ages_is_counted_not_filled() {
        let (frequency, gaps) = found(&["1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z", "9999-12-30T00:00:00Z"]);
        assert_eq!(frequency.as_deref(), Some("PT1S"));
        assert_eq!(gaps, 253_402_128_000 - 2);
    }

    #[test]
    fn the_first_gaps_are_told_in_order() {
        let mut steps = Steps::default();
        let days = [0, 1, 3, 4, 5, 9, 10, 12, 14, 15, 16, 17, 18];
        steps.extend(&days.map(|day| day * DAY));
        assert_eq!(steps.finish().first_gaps, [(DAY, 1), (5 * DAY, 3), (10 * DAY, 1)]);
        assert_eq!(steps.finish().gaps, 6);
    }
}
