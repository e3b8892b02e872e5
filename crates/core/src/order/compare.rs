//! Several trainings, and which came out best.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Cell, TrainSpec, merge_patch};
use crate::alias::AliasName;
use crate::metric_name::MetricName;

/// The most trainings that one job may order.
pub const MOST_CHILDREN: usize = 500;

/// Train every combination of variants, cells, layer norm and seeds, and rank the variants by one
/// metric on the same windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareOrder {
    /// For people; the server makes one where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 200)))]
    pub name: Option<String>,
    /// What all have in common: a training order without its `kind`.
    #[schema(value_type = TrainSpec)]
    #[garde(skip)]
    pub base: Value,
    /// Parts of a training order, each with a `name`, merged over `base` (RFC 7396; an object whose
    /// `type` changes is replaced as a whole). Left out: the base alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    #[garde(length(max = 500))]
    pub variants: Vec<Value>,
    /// Each variant with each of these as `model.cell`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[garde(length(max = Cell::ALL.len()))]
    pub cells: Vec<Cell>,
    /// Each of those with each of these as `model.layer_norm`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[garde(length(max = 2))]
    pub layer_norm: Vec<bool>,
    /// Each of those with each of these as `training.seed`: what the spread on the board is over.
    /// Left out: the base's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[garde(length(max = 100))]
    pub seeds: Vec<u64>,
    /// What ranks the variants; the lowest mean over the seeds wins.
    #[serde(default)]
    #[garde(skip)]
    pub metric: MetricName,
    /// Given to the winner's best model when the comparison ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub alias: Option<AliasName>,
}

/// One training of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// Trainings of one variant differ in their seed alone.
    pub variant: String,
    /// The seed, where the comparison gives several.
    pub seed: Option<u64>,
    /// Where the caller wrote what sets the variant apart.
    pub pointer: String,
    /// A training order without its `kind`, as the caller wrote it.
    pub order: Value,
}

impl CompareOrder {
    /// How many trainings the order asks for, before any is made.
    pub fn size(&self) -> usize {
        let of = |length: usize| length.max(1);
        [self.variants.len(), self.cells.len(), self.layer_norm.len(), self.seeds.len()]
            .into_iter()
            .fold(1, |size: usize, length| size.saturating_mul(of(length)))
    }

    /// Every training, variants first, seeds last; their places are the children's slots.
    pub fn contenders(&self) -> Vec<Contender> {
        let mut contenders = Vec::new();
        let empty = [json!({})];
        let variants = if self.variants.is_empty() { empty.as_slice() } else { self.variants.as_slice() };
        for (at, variant) in variants.iter().enumerate() {
            for cell in options(&self.cells) {
                for norm in options(&self.layer_norm) {
                    let mut order = self.base.clone();
                    merge_patch::merge(&mut order, variant);
                    let mut names: Vec<String> = Vec::new();
                    if !self.variants.is_empty() {
                        let named = variant.get("name").and_then(Value::as_str);
                        names.push(named.map_or_else(|| format!("variant {}", at + 1), str::to_owned));
                    }
                    if let Some(cell) = cell {
                        merge_patch::merge(&mut order, &json!({"model": {"cell": cell}}));
                        names.push(cell.name().to_owned());
                    }
                    if let Some(norm) = norm {
                        merge_patch::merge(&mut order, &json!({"model": {"layer_norm": norm}}));
                        names.push(if norm { "layer norm" } else { "plain" }.to_owned());
                    }
                    let variant = if names.is_empty() { "base".to_owned() } else { names.join(", ") };
                    let pointer = if self.variants.is_empty() { "/base".to_owned() } else { format!("/variants/{at}") };
                    for seed in options(&self.seeds) {
                        let mut order = order.clone();
                        if let Some(seed) = seed {
                            merge_patch::merge(&mut order, &json!({"training": {"seed": seed}}));
                        }
                        contenders.push(Contender { variant: variant.clone(), seed, pointer: pointer.clone(), order });
                    }
                }
            }
        }
        contenders
    }
}

/// Each of a list, or nothing once.
fn options<T: Copy>(list: &[T]) -> Vec<Option<T>> {
    if list.is_empty() { vec![None] } else { list.iter().copied().map(Some).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(rest: Value) -> CompareOrder {
        let mut order = json!({"base": {"dataset": "d", "model": {"layers": [4]}}});
        merge_patch::merge(&mut order, &rest);
        serde_json::from_value(order).unwrap()
    }

    #[test]
    fn a_grid_is_every_combination_seeds_last() {
        let order = order(json!({"cells": ["lstm", "gru"], "layer_norm": [false, true], "seeds": [1, 2, 3]}));
        let contenders = order.contenders();
        assert_eq!((contenders.len(), order.size()), (12, 12));
        assert_eq!((contenders[0].variant.as_str(), contenders[0].seed), ("lstm, plain", Some(1)));
        assert_eq!((contenders[11].variant.as_str(), contenders[11].seed), ("gru, layer norm", Some(3)));
        let expected = json!({"dataset": "d", "model": {"layers": [4], "cell": "gru", "layer_norm": false},
                              "training": {"seed": 2}});
        assert_eq!(contenders[7].order, expected);
    }

    #[test]
    fn every_cell_may_be_compared() {
        let order = order(json!({"cells": Cell::ALL}));
        order.validate().unwrap();
        assert_eq!(order.contenders().len(), Cell::ALL.len());
    }

    #[test]
    fn variants_are_merged_over_the_base() {
        let order = order(json!({"variants": [{"name": "wide", "model": {"layers": [64]}}, {}], "seeds": [5]}));
        let contenders = order.contenders();
        assert_eq!(contenders[0].order["model"], json!({"layers": [64]}));
        assert_eq!(contenders[1].order["model"], json!({"layers": [4]}));
        let names: Vec<&str> = contenders.iter().map(|contender| contender.variant.as_str()).collect();
        assert_eq!(names, ["wide", "variant 2"]);
        assert_eq!(contenders[1].pointer, "/variants/1");
    }

    #[test]
    fn without_anything_to_vary_the_base_stands_alone() {
        let contenders = order(json!({})).contenders();
        assert_eq!((contenders.len(), contenders[0].variant.as_str(), contenders[0].seed), (1, "base", None));
    }
}
