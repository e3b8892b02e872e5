//! Differences of transformed values, which a network may read and forecast instead of the values.
//!
//! With B as the backshift operator, the difference is d = (1 − B)^order (1 − B^season) y. The network's forecast is
//! relative to the **base**: the value that a point would have if all differences from the origin on were 0. With
//! `order` 1, the base is the last known value. With a season, it is the last known value at the same position in the
//! season. With both, it is that value plus the change of the last known value over one season.
//!
//! One point ahead, the distance from the base is the difference itself. Further ahead, forecasts are not summed, so
//! errors do not accumulate, and a quantile of the distance is a quantile of the transformed value.

use gatecast_core::order::{DifferencedInputs, Differencing};

/// The earlier transformed values, with their weights, that add up to the expected value of a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Differences {
    /// (lag in points, weight) of each term of y − d.
    terms: Vec<(usize, f64)>,
    lookback: usize,
    season: Option<usize>,
    inputs: DifferencedInputs,
}

impl Differences {
    pub fn new(order: Differencing) -> Self {
        // The coefficients of the polynomial in B.
        let mut polynomial = vec![1.0];
        let factors = std::iter::repeat_n(1, order.order).chain(order.seasonal);
        for lag in factors {
            let mut next = polynomial.clone();
            next.resize(polynomial.len() + lag, 0.0);
            polynomial.iter().enumerate().for_each(|(at, coefficient)| next[at + lag] -= coefficient);
            polynomial = next;
        }
        let terms = polynomial.into_iter().enumerate().skip(1).filter(|(_, c)| *c != 0.0).map(|(lag, c)| (lag, -c));
        Self { terms: terms.collect(), lookback: order.lookback(), season: order.seasonal, inputs: order.inputs }
    }

    /// The number of earlier points that a point's difference reads.
    pub fn lookback(&self) -> usize {
        self.lookback
    }

    pub fn season(&self) -> Option<usize> {
        self.season
    }

    /// Whether the network reads transformed values although it forecasts differences.
    pub fn reads_levels(&self) -> bool {
        self.inputs == DifferencedInputs::Values
    }

    /// The difference at each point; NaN if it needs a value that is unknown or before the first.
    pub fn of(&self, levels: &[f64]) -> Vec<f64> {
        let at = |(point, level): (usize, &f64)| {
            if point < self.lookback {
                return f64::NAN;
            }
            level - self.terms.iter().map(|&(lag, weight)| weight * levels[point - lag]).sum::<f64>()
        };
        levels.iter().enumerate().map(at).collect()
    }

    /// Writes to `bases` the bases of the points after `known`, which has at least [`Differences::lookback`] values.
    /// A base is NaN if it depends on an unknown value.
    pub fn bases(&self, known: &[f64], horizon: usize, bases: &mut Vec<f64>) {
        bases.clear();
        for ahead in 0..horizon {
            let level = |lag: usize| match lag > ahead {
                true => (known.len() + ahead).checked_sub(lag).and_then(|at| known.get(at)).copied(),
                false => bases.get(ahead - lag).copied(),
            };
            let base = self.terms.iter().map(|&(lag, weight)| weight * level(lag).unwrap_or(f64::NAN)).sum();
            bases.push(base);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn differences(order: usize, seasonal: Option<usize>) -> Differences {
        Differences::new(Differencing { order, seasonal, ..Differencing::default() })
    }

    fn bases(of: &Differences, known: &[f64], horizon: usize) -> Vec<f64> {
        let mut bases = vec![7.0];
        of.bases(known, horizon, &mut bases);
        bases
    }

    #[test]
    fn differences_equal_hand_computed_values() {
        let levels = [1.0, 4.0, 9.0, 16.0, 25.0, 36.0];
        let of = |order, seasonal| differences(order, seasonal).of(&levels);
        assert_eq!(of(1, None)[1..], [3.0, 5.0, 7.0, 9.0, 11.0]);
        assert_eq!(of(2, None)[2..], [2.0, 2.0, 2.0, 2.0]);
        assert_eq!(of(0, Some(3))[3..], [15.0, 21.0, 27.0]);
        assert_eq!(of(1, Some(3))[4..], [6.0, 6.0]);
        assert!(of(1, Some(3))[..4].iter().all(|value| value.is_nan()));
    }

    #[test]
    fn bases_continue_with_zero_differences() {
        let known = [10.0, 20.0, 30.0, 14.0, 26.0, 33.0];
        assert_eq!(bases(&differences(1, None), &known, 3), [33.0, 33.0, 33.0]);
        assert_eq!(bases(&differences(2, None), &known, 3), [40.0, 47.0, 54.0]);
        assert_eq!(bases(&differences(0, Some(3)), &known, 5), [14.0, 26.0, 33.0, 14.0, 26.0]);
        // The last point is 3 above the one a season earlier, so every later base is as well.
        assert_eq!(bases(&differences(1, Some(3)), &known, 5), [17.0, 29.0, 36.0, 20.0, 32.0]);
    }

    proptest! {
        /// Adding each difference to its base, point by point, restores the values.
        #[test]
        fn a_step_ahead_the_distance_from_the_base_is_the_difference(
            levels in prop::collection::vec(-100..100_i32, 12..30), order in 0..3_usize,
            seasonal in prop::option::of(2..6_usize),
        ) {
            let levels: Vec<f64> = levels.into_iter().map(f64::from).collect();
            let of = differences(order, seasonal);
            let changes = of.of(&levels);
            for point in of.lookback()..levels.len() {
                if order + seasonal.unwrap_or(0) > 0 {
                    let base = bases(&of, &levels[..point], 1)[0];
                    prop_assert_eq!(base + changes[point], levels[point]);
                }
            }
        }

        /// Far ahead, the bases are the values of a series whose differences are all 0.
        #[test]
        fn bases_have_no_differences(
            known in prop::collection::vec(-100..100_i32, 12..30), order in 0..3_usize,
            seasonal in prop::option::of(2..6_usize), horizon in 1..15_usize,
        ) {
            prop_assume!(order > 0 || seasonal.is_some());
            let of = differences(order, seasonal);
            let mut levels: Vec<f64> = known.into_iter().map(f64::from).collect();
            let count = levels.len();
            levels.extend(bases(&of, &levels, horizon));
            prop_assert!(of.of(&levels)[count..].iter().all(|change| *change == 0.0));
        }
    }
}
