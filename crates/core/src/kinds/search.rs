//! Trainings with values drawn from ranges, of which the best is kept.

mod draw;
mod next;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::plan::{Candidate, error, read_training, short, within};
use super::{Checked, Found, JobRequestKind, JobSpecKind, Names, TrainRequest};
use crate::alias::AliasName;
use crate::comparability::{self, Compared};
use crate::composite_job::{CompositeJob, Transition};
use crate::ids::DatasetId;
use crate::metric_name::MetricName;
use crate::order::merge_patch;
use crate::resolve::{self, FieldError, fields};

pub use draw::{Draw, Range};

/// Train with values drawn from ranges and keep the best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// For people; the server makes one where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, format = "name", pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// What all trials have in common: a training request without its `kind`.
    #[schema(value_type = TrainRequest)]
    pub base: Value,
    /// What is drawn, each by itself.
    #[schema(min_items = 1, max_items = 50)]
    pub ranges: Vec<Range>,
    #[serde(default, deserialize_with = "crate::order::string_or_struct::object")]
    pub method: Method,
    #[serde(default)]
    pub budget: Budget,
    /// The same seed, ranges and base give the same trials.
    #[serde(default)]
    #[schema(maximum = 18446744073709551615u64)]
    pub seed: u64,
    /// What ranks the trials; the lowest wins.
    #[serde(default)]
    pub metric: MetricName,
    /// Given to the best trial's model when the search ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<AliasName>,
}

/// A search, with the trials that were drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchSpec {
    pub name: String,
    #[schema(value_type = Object)]
    pub base: Value,
    pub ranges: Vec<Range>,
    pub method: Method,
    pub budget: Budget,
    pub seed: u64,
    pub metric: MetricName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<AliasName>,
    /// The values of each trial, in the order of `ranges`; not part of a request.
    #[schema(value_type = Vec<Vec<Value>>, read_only)]
    pub trials: Vec<Vec<Value>>,
    /// Epochs of each rung, the last those of the base; not part of a request.
    #[schema(read_only)]
    pub rungs: Vec<u32>,
    /// The first rung of each trial.
    #[serde(skip)]
    pub(super) plan: Vec<Candidate>,
}

/// Which trials go how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
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
        #[schema(minimum = 1, maximum = 100_000)]
        min_epochs: u32,
        /// One in this many goes on.
        #[serde(default = "factor")]
        #[schema(minimum = 2, maximum = 10)]
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    #[schema(minimum = 1, maximum = 500)]
    pub trials: u32,
    /// From the first training's start; what runs then is cancelled, and what has ended is ranked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 31_536_000)]
    pub seconds: Option<f64>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { trials: 20, seconds: None }
    }
}

impl Method {
    /// Epochs of each rung, up to those of the base.
    fn rungs(self, epochs: u32) -> Vec<u32> {
        match self {
            Self::Random => vec![epochs],
            Self::SuccessiveHalving { min_epochs, factor } => {
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

    /// The number of trials that go on to the next rung.
    fn survivors(self, trials: usize) -> usize {
        match self {
            Self::Random => trials,
            Self::SuccessiveHalving { factor, .. } => trials.div_ceil(factor.max(2) as usize),
        }
    }
}

/// A search whose trials are drawn and each valid by themselves.
#[derive(Debug, Clone)]
pub struct CheckedSearch {
    request: SearchRequest,
    dataset: DatasetId,
    rungs: Vec<u32>,
    trials: Vec<(Vec<Value>, TrainRequest)>,
}

/// All trials have the same base: where one of them is invalid, a range made it so.
const RANGES: &str = "/ranges";

impl JobRequestKind for SearchRequest {
    type Checked = CheckedSearch;

    fn check(self) -> Result<CheckedSearch, Vec<FieldError>> {
        let request = fields::check(self)?;
        let base = read_training(&request.base, "/base")?;
        let draws = draw::all(&request.ranges)?;
        let rungs = request.method.rungs(base.training.epochs);
        let mut trials = Vec::new();
        for number in 0..request.budget.trials {
            let values = draw::trial(&draws, request.seed, number);
            let mut whole = request.base.clone();
            for (at, (range, value)) in request.ranges.iter().zip(&values).enumerate() {
                if !merge_patch::put(&mut whole, &range.path, value.clone()) {
                    return Err(error(format!("{RANGES}/{at}/path"), "leads to no field of a training request"));
                }
            }
            let read = fields::read(&whole).map_err(|errors| blame(&request.ranges, errors));
            let mut trial: TrainRequest = read?;
            if let Some(&epochs) = rungs.first() {
                trial.training.epochs = epochs;
            }
            trials.push((values, trial));
        }
        Ok(CheckedSearch { request, dataset: base.dataset, rungs, trials })
    }
}

/// The errors of a trial, at the ranges that caused them.
fn blame(ranges: &[Range], errors: Vec<FieldError>) -> Vec<FieldError> {
    let placed = |error: FieldError| {
        let cause = ranges
            .iter()
            .position(|range| error.pointer.starts_with(&range.path) || range.path.starts_with(&error.pointer));
        let pointer = cause.map_or(RANGES.to_owned(), |at| format!("{RANGES}/{at}"));
        FieldError::new(pointer, format!("{}: {}", error.pointer, error.detail))
    };
    errors.into_iter().map(placed).collect()
}

impl Checked for CheckedSearch {
    type Spec = SearchSpec;

    fn names(&self) -> Names<'_> {
        Names { dataset: Some(("/base/dataset", self.dataset)), model: None }
    }

    fn resolve(self, found: &Found<'_>) -> Result<SearchSpec, Vec<FieldError>> {
        let (request, dataset) = (self.request, found.dataset);
        let name = request.name.unwrap_or_else(|| short(format!("{}: search", dataset.name)));
        let (mut compared, mut trials) = (Vec::new(), Vec::new());
        for (number, (values, mut trial)) in self.trials.into_iter().enumerate() {
            trial.name = Some(short(format!("{name}: trial {number}")));
            let train =
                resolve::train(trial, &dataset.name, &dataset.profile).map_err(|errors| within(RANGES, errors))?;
            compared.push(Compared { pointer: RANGES.to_owned(), train });
            trials.push(values);
        }
        let errors = comparability::check(&compared, &request.metric);
        if !errors.is_empty() {
            return Err(errors);
        }
        let candidate = |(number, Compared { train, .. })| Candidate {
            name: format!("trial {number}"),
            seed: None,
            train: Some(train),
        };
        let plan = compared.into_iter().enumerate().map(candidate).collect();
        Ok(SearchSpec {
            name,
            base: request.base,
            ranges: request.ranges,
            method: request.method,
            budget: request.budget,
            seed: request.seed,
            metric: request.metric,
            alias: request.alias,
            trials,
            rungs: self.rungs,
            plan,
        })
    }
}

impl JobSpecKind for SearchSpec {
    fn name(&self) -> &str {
        &self.name
    }

    fn plan(&self) -> &[Candidate] {
        &self.plan
    }

    fn set_plan(&mut self, plan: Vec<Candidate>) {
        self.plan = plan;
    }

    fn next(&self, composite: &CompositeJob, transition: &mut Transition) {
        next::next(self, composite, transition);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rungs_rise_to_the_bases_epochs() {
        let method = |method: Value| -> Method { serde_json::from_value(method).unwrap() };
        let halving = method(json!({"type": "successive_halving", "min_epochs": 2}));
        assert_eq!(halving.rungs(20), [2, 6, 18, 20]);
        assert_eq!((halving.rungs(2), halving.rungs(1)), (vec![2], vec![1]));
        assert_eq!((halving.survivors(10), halving.survivors(1)), (4, 1));
        assert_eq!(method(json!({"type": "random"})).rungs(20), [20]);
    }

    #[test]
    fn every_trial_is_checked_whoever_asks() {
        let check = |ranges: Value| {
            let base = json!({"dataset": "01920000-0000-7000-8000-000000000000"});
            let request: SearchRequest = serde_json::from_value(json!({"base": base, "ranges": ranges})).unwrap();
            request.check().map_err(|errors| errors[0].pointer.clone())
        };
        let rate = json!({"path": "/training/epochs", "integer": [1, 3]});
        assert_eq!(check(json!([rate])).unwrap().trials.len(), 20);
        assert_eq!(check(json!([rate, {"path": "/training/epochs", "integer": [0, 0]}])).unwrap_err(), "/ranges/0");
        assert_eq!(check(json!([rate, {"path": "/model/celll", "choice": ["gru"]}])).unwrap_err(), "/ranges/1");
        assert_eq!(check(json!([{"path": "/dataset/x", "choice": [1]}])).unwrap_err(), "/ranges/0/path");
        assert_eq!(check(json!([rate, {"path": "/x"}])).unwrap_err(), "/ranges/1");
    }
}
