//! Series that end before the others.

use super::times::civil;
use crate::interner::Interner;
use gatecast_core::frequency::Frequency;

/// Series named in the warning.
const NAMED: usize = 3;
const DAY: i64 = 86_400_000_000;

/// The ends of all series that have a step.
#[derive(Debug, Default)]
pub(super) struct SeriesEnds {
    ends: Vec<(i64, u32, Step)>,
    latest: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Time(Frequency),
    /// Numbered steps of this size.
    Number(i64),
}

impl Step {
    /// Whole steps from one time to a later one.
    fn between(self, from: i64, to: i64) -> i64 {
        match self {
            Self::Time(Frequency::Fixed(step)) | Self::Number(step) => (to - from) / step.max(1),
            Self::Time(Frequency::Months(months)) => {
                let ((from_year, from_month, from_day), (to_year, to_month, to_day)) =
                    (civil(from.div_euclid(DAY)), civil(to.div_euclid(DAY)));
                let ends_month = civil(to.div_euclid(DAY) + 1).2 == 1;
                let whole = (to_year - from_year) * 12 + i64::from(to_month) - i64::from(from_month);
                (whole - i64::from(to_day < from_day && !ends_month)) / i64::from(months.max(1))
            }
        }
    }
}

impl SeriesEnds {
    /// Takes the last time of a series with a value.
    pub(super) fn add(&mut self, series: u32, end: i64, step: Step) {
        self.ends.push((end, series, step));
        self.latest = self.latest.max(Some(end));
    }

    /// What to say of the series that end a step or more before the latest end; `None` without such series.
    pub(super) fn warning(&self, keys: &Interner) -> Option<String> {
        let latest = self.latest?;
        let early = || {
            let behind = |(end, series, step): &(i64, u32, Step)| (*series, step.between(*end, latest));
            self.ends.iter().map(behind).filter(|(_, behind)| *behind > 0)
        };
        let (count, most) = (early().count(), early().map(|(_, behind)| behind).max()?);
        let named = early().take(NAMED).map(|(series, behind)| {
            format!("`{}` by {behind} {}", keys.text(series), if behind == 1 { "step" } else { "steps" })
        });
        let named: Vec<String> = named.collect();
        let which = if count == 1 { "series ends" } else { "series end" };
        let mut detail = format!("{count} {which} before the latest end of all series: {}", named.join(", "));
        if count > NAMED {
            detail.push_str(&format!(", … (at most {most} steps)"));
        }
        Some(detail)
    }
}
