//! How well a head says how sure it is: quantiles and intervals against what came.

use super::prepare::Prepared;
use super::windows::WindowView;
use gatecast_core::metric_values::Coverage;
use gatecast_model::target_transform::Origin;
use gatecast_model::{in_units, pinball};
use gatecast_nn::loss::{Criterion, PredictiveDistribution, ScaledOrRaw, TargetScale, same_level};

/// The levels that a distribution is judged at: the middle, and the ends of the intervals of 80
/// and 95 per cent.
const LEVELS: [f64; 5] = [0.025, 0.1, 0.5, 0.9, 0.975];

/// One target's way to the data's units within a window.
pub fn unit(prepared: &Prepared, view: &WindowView<'_>, target: usize) -> TargetScale {
    let (term, factor) = view.scale.column(target);
    TargetScale { factor, term, seasonal: prepared.seasonal_errors[view.window.series * prepared.targets + target] }
}

/// Sums over points, by level.
#[derive(Debug, Default)]
pub struct IntervalMetrics {
    /// Ascending; empty for heads of one number.
    levels: Vec<f64>,
    /// The mean pinball loss over the levels, summed over points, in the data's units.
    pinball: f64,
    points: u64,
    intervals: Vec<Interval>,
    quantiles: Vec<f64>,
}

#[derive(Debug)]
struct Interval {
    /// Per cent.
    level: f64,
    /// Places of its ends among the levels.
    ends: (usize, usize),
    within: u64,
}

impl IntervalMetrics {
    pub fn of(criterion: &Criterion) -> Self {
        let levels = match criterion.levels() {
            [] if criterion.head().is_probabilistic() => LEVELS.to_vec(),
            trained => trained.to_vec(),
        };
        let pairs = levels.iter().enumerate().filter(|(_, level)| **level < 0.5);
        let intervals = pairs.filter_map(|(lower, &level)| {
            let upper = levels.iter().position(|&other| same_level(other, 1.0 - level))?;
            // 100 (1 − 2 · 0.1) is a bit off 80.
            let level = (1e6 * 100.0 * (1.0 - 2.0 * level)).round() / 1e6;
            Some(Interval { level, ends: (lower, upper), within: 0 })
        });
        Self { intervals: intervals.collect(), levels, ..Self::default() }
    }

    /// One point so many ahead: what was said, and its value in the data's units.
    pub fn add(
        &mut self,
        criterion: &Criterion,
        distribution: &PredictiveDistribution,
        (origin, ahead): (&Origin<'_>, usize),
        value: f64,
    ) {
        if self.levels.is_empty() || value.is_nan() {
            return;
        }
        self.quantiles.clear();
        for &level in &self.levels {
            let amount = criterion.quantile(distribution, level).unwrap_or(ScaledOrRaw::Count(f64::NAN));
            self.quantiles.push(in_units(origin, ahead, amount));
        }
        let losses = self.levels.iter().zip(&self.quantiles).map(|(&level, &quantile)| pinball(level, quantile, value));
        self.pinball += losses.sum::<f64>() / self.levels.len() as f64;
        self.points += 1;
        for interval in &mut self.intervals {
            let (lower, upper) = interval.ends;
            let within = self.quantiles[lower] <= value && value <= self.quantiles[upper];
            interval.within += u64::from(within);
        }
    }

    /// The mean pinball loss; `None` for heads of one number.
    pub fn pinball(&self) -> Option<f64> {
        (self.points > 0).then(|| self.pinball / self.points as f64)
    }

    /// The share of values within each interval, the narrowest first.
    pub fn coverage(&self) -> Vec<Coverage> {
        let of = |interval: &Interval| Coverage {
            level: interval.level,
            share: interval.within as f64 / self.points.max(1) as f64,
        };
        self.intervals.iter().rev().filter(|_| self.points > 0).map(of).collect()
    }
}
