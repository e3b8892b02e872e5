//! Several trainings, and which came out best.

mod next;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::plan::{Candidate, MOST_CHILDREN, error, read_training, short, within};
use super::{Checked, Found, JobRequestKind, JobSpecKind, Names, TrainRequest};
use crate::alias::AliasName;
use crate::comparability::{self, Compared};
use crate::composite_job::{CompositeJob, Transition};
use crate::ids::DatasetId;
use crate::metric_name::MetricName;
use crate::order::{Cell, merge_patch};
use crate::resolve::{self, FieldError, fields};

/// Train every combination of variants, cells, layer norm and seeds, and rank the variants by one
/// metric on the same windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareRequest {
    /// For people; the server makes one where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, format = "name", pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// What all have in common: a training request without its `kind`.
    #[schema(value_type = TrainRequest)]
    pub base: Value,
    /// Parts of a training request, each with a `name`, merged over `base` (RFC 7396; an object whose
    /// `type` changes is replaced as a whole). Left out: the base alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>, max_items = 500)]
    pub variants: Vec<Value>,
    /// Each variant with each of these as `model.cell`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 32)]
    pub cells: Vec<Cell>,
    /// Each of those with each of these as `model.layer_norm`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 2)]
    pub layer_norm: Vec<bool>,
    /// Each of those with each of these as `training.seed`: the leaderboard shows mean and standard
    /// deviation over them. Left out: the base's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100, maximum = 18446744073709551615u64)]
    pub seeds: Vec<u64>,
    /// What ranks the variants; the lowest mean over the seeds wins.
    #[serde(default)]
    pub metric: MetricName,
    /// Given to the winner's best model when the comparison ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<AliasName>,
}

/// A comparison, with its trainings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CompareSpec {
    pub name: String,
    #[schema(value_type = Object)]
    pub base: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub variants: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<Cell>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layer_norm: Vec<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    pub metric: MetricName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<AliasName>,
    /// Variants first, seeds last.
    #[serde(skip)]
    pub(super) plan: Vec<Candidate>,
}

/// One combination, as the caller wrote it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Combination {
    /// The variant's name.
    pub(super) name: String,
    /// The seed, where the comparison gives several.
    pub(super) seed: Option<u64>,
    /// Where the caller wrote what sets the variant apart.
    pointer: String,
    /// A training request without its `kind`.
    request: Value,
}

impl CompareRequest {
    /// The number of combinations, before any is made.
    fn size(&self) -> usize {
        [self.variants.len(), self.cells.len(), self.layer_norm.len(), self.seeds.len()]
            .into_iter()
            .fold(1, |size: usize, length| size.saturating_mul(length.max(1)))
    }

    /// Every combination, variants first, seeds last: the order of the children's slots.
    pub(super) fn combinations(&self) -> Vec<Combination> {
        let mut combinations = Vec::new();
        let empty = [json!({})];
        let variants = if self.variants.is_empty() { empty.as_slice() } else { self.variants.as_slice() };
        for (at, variant) in variants.iter().enumerate() {
            for cell in options(&self.cells) {
                for norm in options(&self.layer_norm) {
                    let mut request = self.base.clone();
                    merge_patch::merge(&mut request, variant);
                    let mut names: Vec<String> = Vec::new();
                    if !self.variants.is_empty() {
                        let named = variant.get("name").and_then(Value::as_str);
                        names.push(named.map_or_else(|| format!("variant {}", at + 1), str::to_owned));
                    }
                    if let Some(cell) = cell {
                        merge_patch::merge(&mut request, &json!({"model": {"cell": cell}}));
                        names.push(cell.name().to_owned());
                    }
                    if let Some(norm) = norm {
                        merge_patch::merge(&mut request, &json!({"model": {"layer_norm": norm}}));
                        names.push(if norm { "layer norm" } else { "plain" }.to_owned());
                    }
                    let name = if names.is_empty() { "base".to_owned() } else { names.join(", ") };
                    let pointer = if self.variants.is_empty() { "/base".to_owned() } else { format!("/variants/{at}") };
                    for seed in options(&self.seeds) {
                        let mut request = request.clone();
                        if let Some(seed) = seed {
                            merge_patch::merge(&mut request, &json!({"training": {"seed": seed}}));
                        }
                        let (name, pointer) = (name.clone(), pointer.clone());
                        combinations.push(Combination { name, seed, pointer, request });
                    }
                }
            }
        }
        combinations
    }

    /// Names and seeds tell trainings apart.
    fn check_unique(&self, combinations: &[Combination]) -> Result<(), Vec<FieldError>> {
        let mut seen = BTreeSet::new();
        let Some(twice) = combinations.iter().find(|one| !seen.insert((&one.name, one.seed))) else { return Ok(()) };
        let pointer = match (self.variants.is_empty(), self.seeds.len()) {
            (false, _) => &twice.pointer,
            (true, 2..) => "/seeds",
            (true, _) => "",
        };
        Err(error(pointer, format!("`{}` is listed twice with the same seed", twice.name)))
    }
}

/// Each item of a list, or nothing once.
fn options<T: Copy>(list: &[T]) -> Vec<Option<T>> {
    if list.is_empty() { vec![None] } else { list.iter().copied().map(Some).collect() }
}

/// A comparison whose combinations are each valid by themselves.
#[derive(Debug, Clone)]
pub struct CheckedCompare {
    request: CompareRequest,
    dataset: DatasetId,
    /// In the order of the slots.
    candidates: Vec<CheckedCandidate>,
}

#[derive(Debug, Clone)]
struct CheckedCandidate {
    name: String,
    seed: Option<u64>,
    pointer: String,
    request: TrainRequest,
}

impl JobRequestKind for CompareRequest {
    type Checked = CheckedCompare;

    fn check(self) -> Result<CheckedCompare, Vec<FieldError>> {
        let request = fields::check(self)?;
        let base = read_training(&request.base, "/base")?;
        if let Some(at) = request.variants.iter().position(|variant| !variant.is_object()) {
            return Err(error(format!("/variants/{at}"), "expected an object: a part of a training request"));
        }
        if request.size() > MOST_CHILDREN {
            let detail =
                format!("the comparison has {} trainings; at most {MOST_CHILDREN} are allowed", request.size());
            return Err(error("", detail));
        }
        let combinations = request.combinations();
        request.check_unique(&combinations)?;
        let (mut candidates, mut errors) = (Vec::with_capacity(combinations.len()), Vec::new());
        for Combination { name, seed, pointer, request } in combinations {
            match read_training(&request, &pointer) {
                Ok(request) => candidates.push(CheckedCandidate { name, seed, pointer, request }),
                Err(found) => errors.extend(found),
            }
        }
        distinct(errors)?;
        Ok(CheckedCompare { request, dataset: base.dataset, candidates })
    }
}

impl Checked for CheckedCompare {
    type Spec = CompareSpec;

    fn names(&self) -> Names<'_> {
        Names { dataset: Some(("/base/dataset", self.dataset)), model: None }
    }

    fn resolve(self, found: &Found<'_>) -> Result<CompareSpec, Vec<FieldError>> {
        let (request, dataset) = (self.request, found.dataset);
        let seed = self.candidates.first().and_then(|first| first.seed);
        let variants = self.candidates.iter().filter(|candidate| candidate.seed == seed).count();
        let name = request.name.unwrap_or_else(|| short(format!("{}: comparison of {variants}", dataset.name)));
        let (mut names, mut compared, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for mut candidate in self.candidates {
            let seed = candidate.seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
            candidate.request.name = Some(short(format!("{name}: {}{seed}", candidate.name)));
            match resolve::train(candidate.request, &dataset.name, &dataset.profile) {
                Ok(train) => {
                    names.push((candidate.name, candidate.seed));
                    compared.push(Compared { pointer: candidate.pointer, train });
                }
                Err(found) => errors.extend(within(&candidate.pointer, found)),
            }
        }
        errors.extend(comparability::check(&compared, &request.metric));
        distinct(errors)?;
        let candidate = |((name, seed), Compared { train, .. })| Candidate { name, seed, train: Some(train) };
        let plan = names.into_iter().zip(compared).map(candidate).collect();
        Ok(CompareSpec {
            name,
            base: request.base,
            variants: request.variants,
            cells: request.cells,
            layer_norm: request.layer_norm,
            seeds: request.seeds,
            metric: request.metric,
            alias: request.alias,
            plan,
        })
    }
}

/// An error in the base is one in every combination.
fn distinct(mut errors: Vec<FieldError>) -> Result<(), Vec<FieldError>> {
    errors.sort_by(|a, b| (&a.pointer, &a.detail).cmp(&(&b.pointer, &b.detail)));
    errors.dedup();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

impl JobSpecKind for CompareSpec {
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
    use super::*;

    const DATASET: &str = "01920000-0000-7000-8000-000000000000";

    fn request(rest: &Value) -> CompareRequest {
        let mut request = json!({"base": {"dataset": DATASET, "model": {"layers": [4]}}});
        merge_patch::merge(&mut request, rest);
        serde_json::from_value(request).unwrap()
    }

    #[test]
    fn a_grid_is_every_combination_seeds_last() {
        let request = request(&json!({"cells": ["lstm", "gru"], "layer_norm": [false, true], "seeds": [1, 2, 3]}));
        let found = request.combinations();
        assert_eq!((found.len(), request.size()), (12, 12));
        assert_eq!((found[0].name.as_str(), found[0].seed), ("lstm, plain", Some(1)));
        assert_eq!((found[11].name.as_str(), found[11].seed), ("gru, layer norm", Some(3)));
        let expected = json!({"dataset": DATASET, "model": {"layers": [4], "cell": "gru", "layer_norm": false},
                              "training": {"seed": 2}});
        assert_eq!(found[7].request, expected);
    }

    #[test]
    fn every_cell_may_be_compared() {
        let request = request(&json!({"cells": Cell::ALL}));
        let request = fields::check(request).unwrap();
        assert_eq!(request.combinations().len(), Cell::ALL.len());
    }

    #[test]
    fn variants_are_merged_over_the_base() {
        let found = request(&json!({"variants": [{"name": "wide", "model": {"layers": [64]}}, {}], "seeds": [5]}));
        let found = found.combinations();
        assert_eq!(found[0].request["model"], json!({"layers": [64]}));
        assert_eq!(found[1].request["model"], json!({"layers": [4]}));
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["wide", "variant 2"]);
        assert_eq!(found[1].pointer, "/variants/1");
    }

    #[test]
    fn without_anything_to_vary_the_base_is_the_only_one() {
        let found = request(&json!({})).combinations();
        assert_eq!((found.len(), found[0].name.as_str(), found[0].seed), (1, "base", None));
    }

    #[test]
    fn every_combination_is_checked_whoever_asks() {
        let pointers = |rest: Value| -> Vec<String> {
            request(&rest).check().unwrap_err().into_iter().map(|error| error.pointer).collect()
        };
        assert_eq!(pointers(json!({"base": {"training": {"epochs": 0}}})), ["/base/training/epochs"]);
        assert_eq!(pointers(json!({"variants": [{}, {"training": {"epochs": 0}}]})), ["/variants/1/training/epochs"]);
        assert_eq!(pointers(json!({"variants": [{"modle": {}}], "seeds": [1, 2]})), ["/variants/0/modle"]);
        assert_eq!(pointers(json!({"variants": [3]})), ["/variants/0"]);
        assert_eq!(pointers(json!({"seeds": [1, 1]})), ["/seeds"]);
        let seeds: Vec<u64> = (0..100).collect();
        let many = json!({"seeds": seeds, "cells": ["lstm", "gru", "simple_rnn"], "layer_norm": [true, false]});
        assert_eq!(pointers(many), [""]);
    }
}
