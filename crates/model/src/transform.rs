//! Transforms values before scaling and differencing, and inverts the transform.
//!
//! Each transform is monotonic, so quantiles of transformed values are quantiles of values. A point forecast of the
//! transformed value therefore corresponds to the median of the value, not its mean. Names with `level` refer to
//! transformed values.

use super::error::LearnError;
use gatecast_core::order::{Transform, TransformKind};

/// A transform of one column with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Fitted {
    #[default]
    Identity,
    Log,
    Log1p,
    BoxCox(f64),
}

impl Fitted {
    /// The transform of a spec, with the estimated λ if the spec has none.
    pub fn of(transform: Transform, estimated: Option<f64>) -> Self {
        match transform.kind {
            TransformKind::None => Self::Identity,
            TransformKind::Log => Self::Log,
            TransformKind::Log1p => Self::Log1p,
            TransformKind::BoxCox => Self::BoxCox(transform.lambda.or(estimated).unwrap_or(1.0)),
        }
    }

    /// Whether the transform accepts a value. The transformed value of an unknown value (NaN) is unknown.
    pub fn takes(self, value: f64) -> bool {
        match self {
            Self::Identity => true,
            Self::Log1p => value > -1.0 || value.is_nan(),
            Self::Log | Self::BoxCox(_) => value > 0.0 || value.is_nan(),
        }
    }

    /// A description of the values that it accepts.
    pub fn domain(self) -> &'static str {
        match self {
            Self::Identity => "any value",
            Self::Log1p => "values above -1",
            Self::Log | Self::BoxCox(_) => "values above 0",
        }
    }

    pub fn apply(self, value: f64) -> f64 {
        match self {
            Self::Identity => value,
            Self::Log | Self::BoxCox(0.0) => value.ln(),
            Self::Log1p => value.ln_1p(),
            Self::BoxCox(lambda) => (lambda * value.ln()).exp_m1() / lambda,
        }
    }

    /// Inverts the transform. Numbers below the range of the Box-Cox transform (λ greater than 0) become 0.
    pub fn undo(self, level: f64) -> f64 {
        match self {
            Self::Identity => level,
            Self::Log | Self::BoxCox(0.0) => level.exp(),
            Self::Log1p => level.exp_m1(),
            Self::BoxCox(lambda) => ((lambda * level).max(-1.0).ln_1p() / lambda).exp(),
        }
    }
}

/// The largest candidate for λ; the smallest is 0. With a λ below 0 the transform has an upper bound, and a forecast
/// at the bound would be infinite.
const LARGEST: f64 = 2.0;

/// The λ for which the spread within a season depends least on its mean (Guerrero 1993). It minimises the coefficient
/// of variation over seasons of deviation / mean^(1 − λ), averaged over series, to two decimals, as R's
/// `BoxCox.lambda` does. `None` if no series has two seasons whose values vary.
pub fn guerrero<'v>(series: impl Iterator<Item = &'v [f64]>, season: usize) -> Option<f64> {
    let seasons: Vec<Vec<(f64, f64)>> =
        series.map(|values| spreads(values, season.max(2))).filter(|seasons| seasons.len() >= 2).collect();
    if seasons.is_empty() {
        return None;
    }
    let best = |from: f64, to: f64, step: f64| {
        let count = ((to - from) / step).round() as usize;
        let candidates = (0..=count).map(|at| from + step * at as f64);
        candidates.min_by(|a, b| variation(&seasons, *a).total_cmp(&variation(&seasons, *b))).unwrap_or(1.0)
    };
    let coarse = best(0.0, LARGEST, 0.1);
    let fine = best((coarse - 0.1).max(0.0), (coarse + 0.1).min(LARGEST), 0.01);
    Some((fine * 100.0).round() / 100.0)
}

/// The deviation and the logarithm of the mean of each complete season, counted from the end.
fn spreads(values: &[f64], season: usize) -> Vec<(f64, f64)> {
    let of = |season: &[f64]| {
        let count = season.len() as f64;
        let mean = season.iter().sum::<f64>() / count;
        let variance = season.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (variance.sqrt(), mean.ln())
    };
    let whole = values.rchunks_exact(season).map(of);
    whole.filter(|(deviation, mean)| *deviation > 0.0 && mean.is_finite()).collect()
}

fn variation(series: &[Vec<(f64, f64)>], lambda: f64) -> f64 {
    let of = |seasons: &Vec<(f64, f64)>| {
        let count = seasons.len() as f64;
        let ratio = |(deviation, mean): &(f64, f64)| deviation * ((lambda - 1.0) * mean).exp();
        let mean = seasons.iter().map(ratio).sum::<f64>() / count;
        let variance = seasons.iter().map(|season| (ratio(season) - mean).powi(2)).sum::<f64>() / (count - 1.0);
        variance.sqrt() / mean
    };
    series.iter().map(of).sum::<f64>() / series.len() as f64
}

/// The transformed values of a column. The error is the first value that the transform does not accept.
pub fn levels(transform: Fitted, values: &[f64]) -> Result<Vec<f64>, f64> {
    match values.iter().find(|value| !transform.takes(**value)) {
        Some(value) => Err(*value),
        None => Ok(values.iter().map(|&value| transform.apply(value)).collect()),
    }
}

pub(super) fn outside(transform: Fitted, column: &str, value: f64) -> LearnError {
    LearnError::OutsideTransform(format!(
        "`{column}` contains {value}, but `data.transform` accepts only {}: use `log1p` for counts with zeros, or `none`",
        transform.domain()
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn transforms() -> impl Strategy<Value = Fitted> {
        prop_oneof![
            Just(Fitted::Identity),
            Just(Fitted::Log),
            Just(Fitted::Log1p),
            Just(Fitted::BoxCox(0.0)),
            (-1.0..2.0_f64).prop_map(Fitted::BoxCox),
            (-1e-9..1e-9_f64).prop_map(Fitted::BoxCox),
        ]
    }

    proptest! {
        #[test]
        fn values_go_round(transform in transforms(), exponent in -4.0..4.0_f64) {
            let value = 10.0_f64.powf(exponent);
            let back = transform.undo(transform.apply(value));
            // The least precise case: λ = 2 stores 1e−4 as −0.5 + 1e−8 / 2.
            prop_assert!((back - value).abs() < 1e-7 * value, "{value} came back as {back}");
        }

        #[test]
        fn levels_grow_with_values_and_values_with_levels(
            transform in transforms(), low in 0.01..50.0_f64, more in 0.01..50.0_f64, level in -30.0..30.0_f64,
        ) {
            prop_assert!(transform.apply(low) < transform.apply(low + more));
            prop_assert!(transform.undo(level) <= transform.undo(level + more));
            prop_assert!(!transform.undo(level).is_nan());
        }
    }

    #[test]
    fn values_outside_the_domain_are_refused() {
        assert!(!Fitted::Log.takes(0.0) && !Fitted::BoxCox(0.5).takes(-1.0) && !Fitted::Log1p.takes(-1.0));
        assert!(Fitted::Log1p.takes(0.0) && Fitted::Log.takes(f64::NAN) && Fitted::Identity.takes(-5.0));
        assert_eq!(levels(Fitted::Log, &[1.0, f64::NAN, 0.0]), Err(0.0));
        assert_eq!(Fitted::BoxCox(0.5).undo(-100.0), 0.0, "below the range of the transform");
    }

    /// Seasons whose spread grows as a power of their mean: that power determines λ.
    #[test]
    fn guerreros_lambda_stabilises_the_spread() {
        let series = |power: f64| -> Vec<f64> {
            (0..120)
                .map(|at| {
                    let level = 50.0 * 1.2_f64.powi(at / 12);
                    level + 0.1 * level.powf(power) * f64::from(at % 12 - 6)
                })
                .collect()
        };
        for (power, lambda) in [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0)] {
            let values = series(power);
            let found = guerrero([values.as_slice()].into_iter(), 12).unwrap();
            assert!((found - lambda).abs() < 0.06, "{power}: {found}");
        }
        assert_eq!(guerrero([[1.0; 24].as_slice()].into_iter(), 12), None);
        assert_eq!(guerrero(std::iter::empty(), 12), None);
    }
}
