//! Trainings with values drawn from ranges, of which the best is kept.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::TrainSpec;
use crate::alias::AliasName;
use crate::metric_name::MetricName;

/// Train with values drawn from ranges and keep the best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchOrder {
    /// For people; the server makes one where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 200)))]
    pub name: Option<String>,
    /// What all trials have in common: a training order without its `kind`.
    #[schema(value_type = TrainSpec)]
    #[garde(skip)]
    pub base: Value,
    /// What is drawn, each by itself.
    #[garde(length(min = 1, max = 50), dive)]
    pub ranges: Vec<Range>,
    #[serde(default)]
    #[garde(dive)]
    pub method: Method,
    #[serde(default)]
    #[garde(dive)]
    pub budget: Budget,
    /// The same seed, ranges and base give the same trials.
    #[serde(default)]
    #[garde(skip)]
    pub seed: u64,
    /// What ranks the trials; the lowest wins.
    #[serde(default)]
    #[garde(skip)]
    pub metric: MetricName,
    /// Given to the best trial's model when the search ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub alias: Option<AliasName>,
    /// The values of each trial, in the order of `ranges`. The server draws them: what is sent is
    /// not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Vec<Object>>, read_only)]
    #[garde(skip)]
    pub trials: Vec<Vec<Value>>,
    /// Epochs of each rung, the last those of the base. The server's, as `trials` are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(read_only)]
    #[garde(skip)]
    pub rungs: Vec<u32>,
}

/// One value that is drawn: exactly one of the kinds is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Where it stands in the training order: a JSON pointer such as
    /// `/training/optimizer/learning_rate`.
    #[garde(length(min = 2, max = 200))]
    pub path: String,
    /// Between two numbers, all alike likely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub uniform: Option<[f64; 2]>,
    /// Between two numbers above zero, each order of magnitude alike likely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub log_uniform: Option<[f64; 2]>,
    /// A whole number, both ends included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub integer: Option<[i64; 2]>,
    /// One of these, whatever they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    #[garde(inner(length(min = 1, max = 1000)))]
    pub choice: Option<Vec<Value>>,
}

/// What a range draws from, once it is known to be sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Draw<'r> {
    Uniform(f64, f64),
    LogUniform(f64, f64),
    Integer(i64, i64),
    Choice(&'r [Value]),
}

/// Which trials go how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Validate, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// Every trial trains all epochs (Bergstra and Bengio 2012).
    #[default]
    Random,
    /// All trials train few epochs, the best share of them `factor` times as many, and so on up to
    /// the base's: hopeless ones cost little (Jamieson and Talwalkar 2016).
    SuccessiveHalving {
        /// Epochs of the first rung.
        #[serde(default = "min_epochs")]
        #[garde(range(min = 1, max = 100_000))]
        min_epochs: u32,
        /// One in so many goes on.
        #[serde(default = "factor")]
        #[garde(range(min = 2, max = 10))]
        factor: u32,
    },
}

fn min_epochs() -> u32 {
    1
}
fn factor() -> u32 {
    3
}

/// When the search ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    #[garde(range(min = 1, max = 500))]
    pub trials: u32,
    /// From the first training's start; what runs then is cancelled, and what has ended is ranked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(range(min = 1.0, max = 31_536_000.0)))]
    pub seconds: Option<f64>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { trials: 20, seconds: None }
    }
}

impl Range {
    /// What it draws from, or what is wrong with it.
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

impl SearchOrder {
    /// Epochs of each rung for a base of so many.
    pub fn rungs_for(&self, epochs: u32) -> Vec<u32> {
        match self.method {
            Method::Random => vec![epochs],
            Method::SuccessiveHalving { min_epochs, factor } => {
                let mut rungs = Vec::new();
                let mut next = min_epochs;
                while next < epochs {
                    rungs.push(next);
                    next = next.saturating_mul(factor.max(2));
                }
                rungs.push(epochs);
                rungs
            }
        }
    }

    /// How many of so many trials go on to the next rung.
    pub fn survivors(&self, trials: usize) -> usize {
        match self.method {
            Method::Random => trials,
            Method::SuccessiveHalving { factor, .. } => trials.div_ceil(factor.max(2) as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rungs_rise_to_the_bases_epochs() {
        let order = |method: Value| -> SearchOrder {
            serde_json::from_value(json!({"base": {}, "ranges": [], "method": method})).unwrap()
        };
        let halving = order(json!({"type": "successive_halving", "min_epochs": 2}));
        assert_eq!(halving.rungs_for(20), [2, 6, 18, 20]);
        assert_eq!((halving.rungs_for(2), halving.rungs_for(1)), (vec![2], vec![1]));
        assert_eq!((halving.survivors(10), halving.survivors(1)), (4, 1));
        assert_eq!(order(json!({"type": "random"})).rungs_for(20), [20]);
    }

    #[test]
    fn a_range_is_of_one_sound_kind() {
        let range = |rest: Value| -> Range {
            let mut range = json!({"path": "/x"});
            super::super::merge_patch::merge(&mut range, &rest);
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
