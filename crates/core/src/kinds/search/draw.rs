//! Draws the values of trials when a search is created. They are part of its spec from then on.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::random::{Purpose, Random};
use crate::resolve::FieldError;

/// One value to draw. Exactly one of `uniform`, `log_uniform`, `integer` and `choice` is required.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The field of the training request to set: a JSON pointer such as `/training/optimizer/learning_rate`.
    #[schema(min_length = 2, max_length = 200)]
    pub path: String,
    /// A number between two bounds, uniformly distributed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<f64>>, min_items = 2, max_items = 2)]
    pub uniform: Option<[f64; 2]>,
    /// A number between two bounds above zero, with a uniformly distributed logarithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<f64>>, min_items = 2, max_items = 2)]
    pub log_uniform: Option<[f64; 2]>,
    /// A whole number, both bounds included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<i64>>, min_items = 2, max_items = 2, minimum = -9223372036854775808i64, maximum = 9223372036854775807i64)]
    pub integer: Option<[i64; 2]>,
    /// One of these values, of any type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Value>>, min_items = 1, max_items = 1000)]
    pub choice: Option<Vec<Value>>,
}

/// The distribution of a valid range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Draw<'r> {
    Uniform(f64, f64),
    LogUniform(f64, f64),
    Integer(i64, i64),
    Choice(&'r [Value]),
}

impl Range {
    /// Returns the distribution, or what is wrong with the range.
    pub fn draw(&self) -> Result<Draw<'_>, &'static str> {
        match (self.uniform, self.log_uniform, self.integer, self.choice.as_deref()) {
            (Some([from, to]), None, None, None) => {
                let sound = from.is_finite() && to.is_finite() && from < to;
                if sound { Ok(Draw::Uniform(from, to)) } else { Err("`uniform` runs from a number to a greater one") }
            }
            (None, Some([from, to]), None, None) => {
                let sound = from > 0.0 && to.is_finite() && from < to;
                if sound {
                    Ok(Draw::LogUniform(from, to))
                } else {
                    Err("`log_uniform` runs from a number above zero to a greater one")
                }
            }
            (None, None, Some([from, to]), None) => {
                let sound = from <= to && to.checked_sub(from).is_some();
                if sound { Ok(Draw::Integer(from, to)) } else { Err("`integer` runs from a number to a greater one") }
            }
            (None, None, None, Some(choices)) => Ok(Draw::Choice(choices)),
            _ => Err("expected exactly one of uniform, log_uniform, integer and choice"),
        }
    }
}

/// Returns the distribution of each range.
pub(super) fn all(ranges: &[Range]) -> Result<Vec<Draw<'_>>, Vec<FieldError>> {
    let (mut draws, mut errors) = (Vec::new(), Vec::new());
    for (at, range) in ranges.iter().enumerate() {
        match range.draw() {
            Ok(draw) => draws.push(draw),
            Err(reason) => errors.push(FieldError::new(format!("/ranges/{at}"), reason)),
        }
    }
    if errors.is_empty() { Ok(draws) } else { Err(errors) }
}

/// Draws the values of one trial, each from its own random stream: appending a range does not change the values of
/// the others.
pub(super) fn trial(draws: &[Draw<'_>], seed: u64, trial: u32) -> Vec<Value> {
    let one = |(at, draw): (usize, &Draw<'_>)| {
        value(*draw, &mut Random::at(seed, Purpose::Search, u64::from(trial), at as u64))
    };
    draws.iter().enumerate().map(one).collect()
}

fn value(draw: Draw<'_>, random: &mut Random) -> Value {
    match draw {
        Draw::Uniform(from, to) => json!(from + (to - from) * random.uniform()),
        Draw::LogUniform(from, to) => {
            // Rounding of the exponential may exceed a bound.
            let drawn = (from.ln() + (to.ln() - from.ln()) * random.uniform()).exp();
            json!(drawn.clamp(from, to))
        }
        Draw::Integer(from, to) => {
            let count = to.abs_diff(from).saturating_add(1);
            json!(from.saturating_add_unsigned(random.below(count)))
        }
        Draw::Choice(choices) => {
            let at = usize::try_from(random.below(choices.len() as u64)).unwrap_or_default();
            choices.get(at).cloned().unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trials(seed: u64, ranges: &Value) -> Vec<Vec<Value>> {
        let ranges: Vec<Range> = serde_json::from_value(ranges.clone()).unwrap();
        let draws = all(&ranges).unwrap();
        (0..200).map(|number| trial(&draws, seed, number)).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_trials_and_every_value_lies_in_its_range() {
        let ranges = json!([{"path": "/a", "log_uniform": [1e-4, 1e-1]}, {"path": "/b", "integer": [-2, 2]},
                            {"path": "/c", "choice": ["x", [1]]}, {"path": "/d", "uniform": [5, 6]}]);
        let first = trials(1, &ranges);
        assert_eq!(first, trials(1, &ranges));
        assert_ne!(first, trials(2, &ranges));
        let shorter = json!([ranges[0], ranges[1]]);
        assert!(trials(1, &shorter).iter().zip(&first).all(|(short, long)| short[..] == long[..2]));
        let (mut low, mut seen) = (0, std::collections::BTreeSet::new());
        for trial in &first {
            let rate = trial[0].as_f64().unwrap();
            assert!((1e-4..=1e-1).contains(&rate));
            low += i32::from(rate < 10_f64.powf(-2.5));
            seen.insert(trial[1].as_i64().unwrap());
            assert!(trial[2] == "x" || trial[2] == json!([1]));
            assert!((5.0..6.0).contains(&trial[3].as_f64().unwrap()));
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
        // Half of 200 draws are below the geometric centre, within four standard deviations.
        assert!((72..=128).contains(&low), "{low}");
    }

    #[test]
    fn a_range_needs_exactly_one_valid_kind() {
        let range = |rest: Value| -> Range {
            let mut range = json!({"path": "/x"});
            crate::order::merge_patch::merge(&mut range, &rest);
            serde_json::from_value(range).unwrap()
        };
        assert_eq!(range(json!({"integer": [3, 3]})).draw(), Ok(Draw::Integer(3, 3)));
        assert_eq!(range(json!({"log_uniform": [1e-4, 0.1]})).draw(), Ok(Draw::LogUniform(1e-4, 0.1)));
        for wrong in [
            json!({}),
            json!({"uniform": [0, 1], "integer": [0, 1]}),
            json!({"uniform": [1, 1]}),
            json!({"log_uniform": [0, 1]}),
            json!({"integer": [2, 1]}),
            json!({"integer": [i64::MIN, i64::MAX]}),
        ] {
            assert!(range(wrong.clone()).draw().is_err(), "{wrong}");
        }
    }
}
