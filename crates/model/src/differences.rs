//! Differences of levels: what a network may read and forecast in their place.
//!
//! With B the step back, the difference is d = (1 − B)^order (1 − B^season) y. What the network
//! forecasts is measured from the **base**: what a point would be if all differences from here on
//! were 0. For `order` 1 the base is the last known level; for a season, the last known level of the
//! same place in the season; for both, that level moved by what the season before last lacked. One
//! point ahead the distance from the base is the difference itself; further ahead, nothing is summed
//! up over forecasts, so errors do not add up and a quantile of the distance is a quantile of the
//! level.

use gatecast_core::order::{DifferencedInputs, Differencing};

/// The levels that a point's expected level is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Differences {
    /// (points back, weight): y − d.
    terms: Vec<(usize, f64)>,
    lookback: usize,
    season: Option<usize>,
    inputs: DifferencedInputs,
}

impl Differences {
    pub fn new(order: Differencing) -> Self {
        // The polynomial in B, by its coefficients.
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

    /// Points before a point that its difference reads.
    pub fn lookback(&self) -> usize {
        self.lookback
    }

    pub fn season(&self) -> Option<usize> {
        self.season
    }

    /// Whether the network reads levels, though it forecasts differences.
    pub fn reads_levels(&self) -> bool {
        self.inputs == DifferencedInputs::Values
    }

    /// The difference at each level; NaN where it reaches back before the first, or to one unknown.
    pub fn of(&self, levels: &[f64]) -> Vec<f64> {
        let at = |(point, level): (usize, &f64)| {
            if point < self.lookback {
                return f64::NAN;
            }
            level - self.terms.iter().map(|&(lag, weight)| weight * levels[point - lag]).sum::<f64>()
        };
        levels.iter().enumerate().map(at).collect()
    }

    /// The bases of the points that follow the known levels (at least [`Differences::lookback`] of
    /// them), over what `bases` held; NaN where one stands on a level that is unknown.
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
    fn differences_are_those_worked_out_by_hand() {
        let levels = [1.0, 4.0, 9.0, 16.0, 25.0, 36.0];
        let of = |order, seasonal| differences(order, seasonal).of(&levels);
        assert_eq!(of(1, None)[1..], [3.0, 5.0, 7.0, 9.0, 11.0]);
        assert_eq!(of(2, None)[2..], [2.0, 2.0, 2.0, 2.0]);
        assert_eq!(of(0, Some(3))[3..], [15.0, 21.0, 27.0]);
        assert_eq!(of(1, Some(3))[4..], [6.0, 6.0]);
        assert!(of(1, Some(3))[..4].iter().all(|value| value.is_nan()));
    }

    #[test]
    fn bases_go_on_as_if_nothing_changed() {
        let known = [10.0, 20.0, 30.0, 14.0, 26.0, 33.0];
        assert_eq!(bases(&differences(1, None), &known, 3), [33.0, 33.0, 33.0]);
        assert_eq!(bases(&differences(2, None), &known, 3), [40.0, 47.0, 54.0]);
        assert_eq!(bases(&differences(0, Some(3)), &known, 5), [14.0, 26.0, 33.0, 14.0, 26.0]);
        // The last point stood 3 above the one a season before, so every later one does.
        assert_eq!(bases(&differences(1, Some(3)), &known, 5), [17.0, 29.0, 36.0, 20.0, 32.0]);
    }

    proptest! {
        /// Adding the differences back to their bases, one point after another, gives the levels.
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

        /// Far ahead the bases are the levels of a series whose differences are all 0.
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
