//! Leaderboards: the ranking of a comparison's variants or of a search's trials.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{JobId, ModelId};
use super::job::{JobError, JobStatus};
use super::metric_name::MetricName;
use super::metric_values::{Baselines, HoldoutMetrics};

/// Variants from best to worst, and the baselines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Leaderboard {
    /// The ranking metric. Lower is better.
    pub metric: MetricName,
    /// The variant of rank 1. Null if none succeeded.
    pub winner: Option<String>,
    /// The winner's model with the lowest metric.
    pub model: Option<ModelId>,
    pub rows: Vec<BoardRow>,
    /// The baselines on the same windows, from best to worst.
    pub baselines: Vec<BaselineRow>,
    /// Notes that qualify the ranking.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One variant, over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BoardRow {
    /// From 1. Null if no training of the variant succeeded.
    pub rank: Option<u32>,
    pub variant: String,
    /// The mean of the metric over the trainings that succeeded.
    pub mean: Option<f64>,
    /// The sample standard deviation (n − 1). Null for a single training.
    pub std: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// The number of trainable parameters.
    pub parameters: Option<u64>,
    /// The mean wall time of the trainings that succeeded.
    pub seconds: Option<f64>,
    /// The number of trainings without a metric.
    pub failed: u32,
    /// By seed, in the order of the request.
    pub children: Vec<BoardChild>,
}

/// One training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BoardChild {
    pub job: JobId,
    pub seed: u64,
    pub status: JobStatus,
    /// The value of the ranking metric.
    pub value: Option<f64>,
    pub model: Option<ModelId>,
    pub seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<HoldoutMetrics>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

/// A forecast by a baseline method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BaselineRow {
    /// `naive`, `seasonal_naive`, `drift`, `linear` or `theta`.
    pub name: String,
    /// The value of the ranking metric. Null if it is in the network's scale, which baselines do not have.
    pub value: Option<f64>,
    pub metrics: HoldoutMetrics,
}

/// Trials from best to worst.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchBoard {
    /// The ranking metric. Lower is better. A trial that reached a later rung ranks first.
    pub metric: MetricName,
    /// The best trial's number. Null if none succeeded.
    pub winner: Option<u32>,
    /// The best trial's model.
    pub model: Option<ModelId>,
    /// The epochs of each rung.
    pub rungs: Vec<u32>,
    /// Whether the time budget ran out before all trials ended.
    pub out_of_time: bool,
    pub trials: Vec<Trial>,
    pub baselines: Vec<BaselineRow>,
}

/// One trial: a training with one set of drawn values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trial {
    /// From 1. Null if the trial has no metric.
    pub rank: Option<u32>,
    /// From 0, in drawing order.
    pub trial: u32,
    pub drawn: Vec<Drawn>,
    /// The last rung that has a metric, from 0.
    pub rung: u32,
    /// The epochs of that rung.
    pub epochs: u32,
    pub value: Option<f64>,
    /// The trial's training in that rung.
    pub job: JobId,
    /// The trial's trainings in all rungs.
    pub jobs: Vec<JobId>,
    pub model: Option<ModelId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// The status of the trial's last training.
    pub status: JobStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Drawn {
    pub path: String,
    #[schema(value_type = Value)]
    pub value: serde_json::Value,
}

impl SearchBoard {
    /// Ranks trials: by the last rung reached, then by value, then by number.
    pub fn new(
        metric: MetricName,
        rungs: Vec<u32>,
        mut trials: Vec<Trial>,
        baselines: Option<Baselines>,
        out_of_time: bool,
    ) -> Self {
        let reached = |trial: &Trial| trial.value.map(|_| trial.rung);
        trials.sort_by(|a, b| {
            reached(b).cmp(&reached(a)).then(or_last(a.value).total_cmp(&or_last(b.value))).then(a.trial.cmp(&b.trial))
        });
        for (trial, rank) in trials.iter_mut().zip(1..) {
            trial.rank = trial.value.map(|_| rank);
        }
        let best = trials.first().filter(|trial| trial.rank.is_some());
        let (winner, model) = (best.map(|trial| trial.trial), best.and_then(|trial| trial.model));
        let baselines = baseline_rows(&metric, baselines);
        Self { metric, winner, model, rungs, out_of_time, trials, baselines }
    }
}

fn baseline_rows(metric: &MetricName, baselines: Option<Baselines>) -> Vec<BaselineRow> {
    let named = baselines.map(|baselines| baselines.named()).unwrap_or_default().into_iter();
    let row = |(name, metrics): (&str, HoldoutMetrics)| BaselineRow {
        name: name.to_owned(),
        value: metric.of(&metrics),
        metrics,
    };
    let mut rows: Vec<BaselineRow> = named.map(row).collect();
    rows.sort_by(|a, b| or_last(a.value).total_cmp(&or_last(b.value)));
    rows
}

impl Leaderboard {
    /// Ranks variants, given as their trainings in the order of the request. Ties are won by the earlier variant, so
    /// the board does not depend on which training ended first.
    pub fn new(metric: MetricName, variants: Vec<(String, Vec<BoardChild>)>, baselines: Option<Baselines>) -> Self {
        let mut rows: Vec<BoardRow> =
            variants.into_iter().map(|(variant, children)| BoardRow::new(variant, children)).collect();
        rows.sort_by(|a, b| or_last(a.mean).total_cmp(&or_last(b.mean)));
        for (row, rank) in rows.iter_mut().zip(1..) {
            row.rank = row.mean.map(|_| rank);
        }
        let winner = rows.first().filter(|row| row.rank.is_some());
        let model = winner.and_then(|row| {
            let kept = row.children.iter().filter(|child| child.model.is_some() && child.value.is_some());
            kept.min_by(|a, b| or_last(a.value).total_cmp(&or_last(b.value)))?.model
        });
        let winner = winner.map(|row| row.variant.clone());
        let baselines = baseline_rows(&metric, baselines);
        Self { metric, winner, model, rows, baselines, notes: Vec::new() }
    }
}

impl BoardRow {
    fn new(variant: String, children: Vec<BoardChild>) -> Self {
        let values: Vec<f64> = children.iter().filter_map(|child| child.value).collect();
        let ended = children.iter().filter(|child| child.value.is_some());
        let seconds: Vec<f64> = ended.filter_map(|child| child.seconds).collect();
        Self {
            rank: None,
            variant,
            mean: mean(&values),
            std: deviation(&values),
            min: values.iter().copied().reduce(f64::min),
            max: values.iter().copied().reduce(f64::max),
            parameters: children.iter().find_map(|child| child.parameters),
            seconds: mean(&seconds),
            failed: u32::try_from(children.len() - values.len()).unwrap_or(u32::MAX),
            children,
        }
    }
}

fn or_last(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::INFINITY)
}

pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(seed: u64, value: Option<f64>) -> BoardChild {
        let status = if value.is_some() { JobStatus::Succeeded } else { JobStatus::Failed };
        BoardChild {
            job: JobId::new(),
            seed,
            status,
            value,
            model: value.map(|_| ModelId::new()),
            seconds: Some(2.0),
            parameters: Some(10),
            metrics: None,
            error: None,
        }
    }

    #[test]
    fn the_lowest_mean_wins_and_its_best_seed_gives_the_model() {
        let variants = vec![
            ("steady".to_owned(), vec![child(1, Some(3.0)), child(2, Some(3.0))]),
            ("lucky".to_owned(), vec![child(1, Some(1.0)), child(2, Some(9.0))]),
            ("best".to_owned(), vec![child(1, Some(3.0)), child(2, Some(2.0)), child(3, None)]),
            ("broken".to_owned(), vec![child(1, None)]),
        ];
        let model = variants[2].1[1].model;
        let board = Leaderboard::new(MetricName::default(), variants, None);
        assert_eq!((board.winner.as_deref(), board.model), (Some("best"), model));
        let ranks: Vec<_> = board.rows.iter().map(|row| (row.rank, row.variant.as_str(), row.mean)).collect();
        let expected = [
            (Some(1), "best", Some(2.5)),
            (Some(2), "steady", Some(3.0)),
            (Some(3), "lucky", Some(5.0)),
            (None, "broken", None),
        ];
        assert_eq!(ranks, expected);
        let best = &board.rows[0];
        assert_eq!((best.min, best.max, best.std, best.failed), (Some(2.0), Some(3.0), Some(0.5_f64.sqrt()), 1));
        assert_eq!(board.rows[3].std, None);
    }

    #[test]
    fn equal_variants_keep_the_order_of_the_request() {
        let variants =
            ["a", "b", "c"].map(|name| (name.to_owned(), vec![child(1, Some(1.0))])).into_iter().collect::<Vec<_>>();
        let board = Leaderboard::new(MetricName::default(), variants, None);
        assert_eq!(board.rows.iter().map(|row| row.variant.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
