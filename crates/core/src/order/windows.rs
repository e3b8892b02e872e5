//! The windows of a request or spec: their length, and which holdout parts are requested.

use std::fmt;

use super::{DataSpec, Differencing, Missing, Part, Split};

/// A part of the data that is held out from training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldoutPart {
    Validation,
    Test,
}

impl fmt::Display for HoldoutPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

impl Split {
    /// Whether the split includes a part: a fraction above 0, or a range of times.
    pub fn has(&self, part: HoldoutPart) -> bool {
        let is_asked = |part: &Option<Part>| part.is_some_and(|part| part != Part::Fraction(0.0));
        match (self, part) {
            (Self::Time { validation, .. }, HoldoutPart::Validation) => is_asked(validation),
            (Self::Time { test, .. }, HoldoutPart::Test) => is_asked(test),
            (Self::Horizons { validation, .. }, HoldoutPart::Validation) => *validation > 0,
            (Self::Horizons { test, .. }, HoldoutPart::Test) => *test > 0,
            (Self::Series { validation, .. }, HoldoutPart::Validation) => *validation > 0.0,
            (Self::Series { test, .. }, HoldoutPart::Test) => *test > 0.0,
        }
    }
}

impl DataSpec {
    /// The number of points before a window's first one that its lags and differences need.
    pub fn lookback(&self) -> usize {
        lookback(&self.lags, self.differences())
    }

    /// [`DataSpec::lookback`] without that of the base.
    pub fn requested_lookback(&self) -> usize {
        lookback(&self.lags, self.differencing)
    }

    /// Whether short series are padded at the front with unknown points, which need a mask.
    pub fn pads(&self) -> bool {
        self.missing == Missing::Mask
    }

    /// The differencing whose bases the forecasts are distances from: the spec's own, or that of its base.
    pub fn differences(&self) -> Option<Differencing> {
        self.differencing.or_else(|| self.base.differencing(self.season))
    }
}

/// The number of points before a window's first one that lags and differences need.
fn lookback(lags: &[usize], differencing: Option<Differencing>) -> usize {
    let differences = differencing.map_or(0, |differencing| differencing.lookback());
    lags.iter().max().map_or(0, |lag| lag.saturating_sub(1)).saturating_add(differences)
}

/// The number of points in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLength {
    pub context: usize,
    pub horizon: usize,
    /// See [`DataSpec::lookback`].
    pub lookback: usize,
}

impl WindowLength {
    pub fn points(&self) -> usize {
        self.context.saturating_add(self.horizon).saturating_add(self.lookback)
    }

    /// Returns why a longest series of `longest` points contains no window, or `None` if it contains one.
    pub fn refuses(&self, longest: u64) -> Option<String> {
        let needed = self.points();
        (needed as u64 > longest).then(|| format!("{self} need series of {needed} points; the longest has {longest}"))
    }
}

impl fmt::Display for WindowLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { context, horizon, lookback } = self;
        match lookback {
            0 => write!(f, "context {context} and horizon {horizon}"),
            _ => write!(f, "context {context}, horizon {horizon} and {lookback} more points for lags and differences"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fraction_of_zero_is_no_part() {
        let has = |split: serde_json::Value| {
            let split: Split = serde_json::from_value(split).unwrap();
            [HoldoutPart::Validation, HoldoutPart::Test].map(|part| split.has(part))
        };
        assert_eq!(has(json!({"by": "time", "validation": 0.2})), [true, false]);
        assert_eq!(has(json!({"by": "time", "validation": 0, "test": {"from": "2024-01-01"}})), [false, true]);
        assert_eq!(has(json!({"by": "series", "test": 0.1})), [false, true]);
    }

    #[test]
    fn lags_and_differences_lengthen_a_window() {
        let differencing = serde_json::from_value(json!({"order": 1, "seasonal": 12})).unwrap();
        let data = DataSpec { lags: vec![2, 7], differencing: Some(differencing), ..DataSpec::of("x", 8, 2) };
        assert_eq!(data.lookback(), 6 + 13);
        let window = WindowLength { context: 8, horizon: 2, lookback: data.lookback() };
        assert_eq!(window.points(), 29);
        assert_eq!(window.refuses(29), None);
        let detail = window.refuses(28).unwrap();
        assert!(detail.starts_with("context 8, horizon 2 and 19 more points"), "{detail}");
        assert!(detail.ends_with("need series of 29 points; the longest has 28"), "{detail}");
    }
}
