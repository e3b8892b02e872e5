//! The forecast of one point, read from a head's raw outputs.

use super::special::normal_quantile;
use super::{Criterion, TargetScale, negative_binomial, normal, student_t};
use gatecast_core::order::Head;
use gatecast_core::quantile_level::same_level;

/// A number of a forecast, in the scale of its head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScaledOrRaw {
    /// In the network's scale: to be brought to the data's units as its series is.
    Scaled(f64),
    /// In the data's units already.
    Count(f64),
}

/// The forecast of one point.
#[derive(Debug, Clone, PartialEq)]
pub enum PredictiveDistribution {
    Point(f64),
    /// Ascending, whatever the network gave: levels that cross are put in order, which never
    /// raises the pinball loss (Chernozhukov, Fernández-Val and Galichon 2010).
    Quantiles(Vec<f64>),
    Normal {
        mean: f64,
        scale: f64,
    },
    StudentT {
        mean: f64,
        scale: f64,
        freedom: f64,
    },
    NegativeBinomial {
        mean: f64,
        dispersion: f64,
    },
}

impl Criterion {
    /// Reads the raw outputs of one point, [`Criterion::width`] of them.
    pub fn distribution(&self, raw: &[f32], unit: TargetScale) -> PredictiveDistribution {
        let at = |place: usize| raw.get(place).copied().map_or(f64::NAN, f64::from);
        match &self.head {
            Head::Point {} => PredictiveDistribution::Point(at(0)),
            Head::Quantile { levels } => {
                let mut values: Vec<f64> = (0..levels.len()).map(at).collect();
                values.sort_by(f64::total_cmp);
                PredictiveDistribution::Quantiles(values)
            }
            Head::Normal {} => PredictiveDistribution::Normal { mean: at(0), scale: normal::scale(at(1)).0 },
            Head::StudentT {} => PredictiveDistribution::StudentT {
                mean: at(0),
                scale: normal::scale(at(1)).0,
                freedom: student_t::freedom(at(2)).0,
            },
            Head::NegativeBinomial {} => PredictiveDistribution::NegativeBinomial {
                mean: negative_binomial::mean(at(0), unit).0,
                dispersion: negative_binomial::dispersion(at(1), unit).0,
            },
        }
    }

    /// The forecast as one number: the mean of a distribution, the quantile nearest to the median.
    pub fn middle(&self, distribution: &PredictiveDistribution) -> ScaledOrRaw {
        match distribution {
            PredictiveDistribution::Point(value) => ScaledOrRaw::Scaled(*value),
            PredictiveDistribution::Quantiles(values) => {
                let middle = self
                    .levels()
                    .iter()
                    .zip(values)
                    .min_by(|(a, _), (b, _)| (**a - 0.5).abs().total_cmp(&(**b - 0.5).abs()));
                ScaledOrRaw::Scaled(middle.map_or(f64::NAN, |(_, value)| *value))
            }
            PredictiveDistribution::Normal { mean, .. } | PredictiveDistribution::StudentT { mean, .. } => {
                ScaledOrRaw::Scaled(*mean)
            }
            PredictiveDistribution::NegativeBinomial { mean, .. } => ScaledOrRaw::Count(*mean),
        }
    }

    /// The quantile of a level; `None` for a point head, and for a quantile head that was not trained at
    /// this level.
    pub fn quantile(&self, distribution: &PredictiveDistribution, level: f64) -> Option<ScaledOrRaw> {
        match distribution {
            PredictiveDistribution::Point(_) => None,
            PredictiveDistribution::Quantiles(values) => {
                let place = self.levels().iter().position(|trained| same_level(*trained, level))?;
                values.get(place).copied().map(ScaledOrRaw::Scaled)
            }
            PredictiveDistribution::Normal { mean, scale } => {
                Some(ScaledOrRaw::Scaled(mean + scale * normal_quantile(level)))
            }
            PredictiveDistribution::StudentT { mean, scale, freedom } => {
                Some(ScaledOrRaw::Scaled(mean + scale * student_t::quantile(*freedom, level)))
            }
            PredictiveDistribution::NegativeBinomial { mean, dispersion } => {
                Some(ScaledOrRaw::Count(negative_binomial::quantile(*mean, *dispersion, level)))
            }
        }
    }

    /// The levels a quantile head was trained at; empty for every other.
    pub fn levels(&self) -> &[f64] {
        match &self.head {
            Head::Quantile { levels } => levels,
            _ => &[],
        }
    }
}
