//! Bounds of numbers.

use std::cmp::Ordering;
use std::fmt;

use super::node::{Bound, Number};

/// A number as it was written.
#[derive(Clone, Copy)]
pub(super) enum Found {
    Whole(i128),
    Fraction(f64),
}

impl Found {
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::Whole(_))
    }

    /// Describes the bound that the number violates. `hint` is the meaning of the number.
    pub(super) fn fault(self, rule: &Number, hint: Option<&str>) -> Option<String> {
        let breaks = |bound: &&Bound, past: Ordering| {
            let order = self.compare(&bound.value);
            order == Some(past) || (bound.exclusive && order == Some(Ordering::Equal))
        };
        let (words, bound) = if let Some(bound) = rule.min.as_ref().filter(|bound| breaks(bound, Ordering::Less)) {
            (if bound.exclusive { "greater than" } else { "at least" }, bound)
        } else {
            let bound = rule.max.as_ref().filter(|bound| breaks(bound, Ordering::Greater))?;
            (if bound.exclusive { "less than" } else { "at most" }, bound)
        };
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        Some(format!("must be {words} {}, found {self}{hint}", bound.value))
    }

    /// Compares integers exactly: as f64, 2^64 and 2^64 - 1 are equal.
    fn compare(self, bound: &serde_json::Number) -> Option<Ordering> {
        match (self, bound.as_i128()) {
            (Self::Whole(whole), Some(bound)) => Some(whole.cmp(&bound)),
            (Self::Whole(whole), None) => (whole as f64).partial_cmp(&bound.as_f64()?),
            (Self::Fraction(fraction), _) => fraction.partial_cmp(&bound.as_f64()?),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(whole) => whole.fmt(f),
            Self::Fraction(fraction) => write!(f, "{}", serde_json::Value::from(*fraction)),
        }
    }
}
