//! A quasi-Newton minimiser with limited memory (L-BFGS; Nocedal and Wright, Numerical Optimization, 2nd edition, algorithms 7.4 and
//! 7.5). The line search brackets a point that meets the weak Wolfe conditions (Lewis and Overton 2013). It compares values only
//! with `<`, so the objective may be infinite or NaN outside its domain.

/// The pairs of steps and slope changes that are kept.
const MEMORY: usize = 10;

/// The evaluations of one line search.
const TRIALS: usize = 16;

/// The largest change of a coordinate in a step: while the curvature is unknown, and later.
const FIRST_STEP: f64 = 0.3;
const LONGEST_STEP: f64 = 3.0;

/// The constants of the Wolfe conditions.
const SUFFICIENT: f64 = 1e-4;
const CURVATURE: f64 = 0.9;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) iterations: usize,
    /// Stops after two iterations in a row that each lower the objective by less.
    pub(crate) decrease: f64,
}

/// A point, the objective there, and its slope.
#[derive(Clone, Debug)]
struct Point {
    at: Vec<f64>,
    value: f64,
    slope: Vec<f64>,
}

/// Moves `at` to a local minimum and returns the objective there.
///
/// `objective` writes its slope at a point into its second argument and returns its value. The result is not finite if the first
/// point is outside the domain.
pub(crate) fn minimise(at: &mut Vec<f64>, limits: Limits, mut objective: impl FnMut(&[f64], &mut [f64]) -> f64) -> f64 {
    let size = at.len();
    let mut current = Point { at: std::mem::take(at), value: f64::INFINITY, slope: vec![0.0; size] };
    current.value = objective(&current.at, &mut current.slope);
    let (mut accepted, mut trial) = (current.clone(), current.clone());
    let mut memory = Memory::default();
    let mut direction = vec![0.0; size];
    let mut small = 0;
    for _ in 0..limits.iterations {
        memory.direct(&current.slope, &mut direction);
        if !is_descent(&direction, &current.slope) {
            memory.clear();
            memory.direct(&current.slope, &mut direction);
        }
        let largest = direction.iter().fold(0.0, |largest: f64, part| largest.max(part.abs()));
        if !current.value.is_finite() || !largest.is_finite() || largest == 0.0 {
            break;
        }
        let longest = LONGEST_STEP / largest;
        let first = if memory.is_empty() { FIRST_STEP / largest } else { longest.min(1.0) };
        if !search(&current, &direction, (first, longest), &mut objective, &mut trial, &mut accepted) {
            break;
        }
        let decrease = current.value - accepted.value;
        memory.push(&current, &accepted);
        std::mem::swap(&mut current, &mut accepted);
        small = if decrease < limits.decrease { small + 1 } else { 0 };
        if small == 2 {
            break;
        }
    }
    *at = current.at;
    current.value
}

fn is_descent(direction: &[f64], slope: &[f64]) -> bool {
    dot(direction, slope) < 0.0
}

/// Looks along `direction` from `current`, at first with the first of `steps` and never beyond the second, and writes the best
/// acceptable point into `accepted`. False if there is none.
fn search(
    current: &Point,
    direction: &[f64],
    steps: (f64, f64),
    objective: &mut impl FnMut(&[f64], &mut [f64]) -> f64,
    trial: &mut Point,
    accepted: &mut Point,
) -> bool {
    let descent = dot(direction, &current.slope);
    let (mut step, longest) = steps;
    let (mut low, mut high) = (0.0, f64::INFINITY);
    for _ in 0..TRIALS {
        for ((to, from), part) in trial.at.iter_mut().zip(&current.at).zip(direction) {
            *to = from + step * part;
        }
        trial.value = objective(&trial.at, &mut trial.slope);
        if trial.value <= current.value + SUFFICIENT * step * descent {
            let steep = dot(direction, &trial.slope) < CURVATURE * descent;
            std::mem::swap(trial, accepted);
            low = step;
            if !steep || step >= longest || high - low < 0.1 * low {
                return true;
            }
            step = if high.is_finite() { 0.5 * (low + high) } else { (2.0 * step).min(longest) };
        } else {
            high = step;
            step = low + (high - low) * if low > 0.0 { 0.5 } else { 0.3 };
        }
    }
    low > 0.0
}

/// The latest steps and the changes of the slope over them, oldest first.
#[derive(Default)]
struct Memory {
    pairs: Vec<Pair>,
}

struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// One over the product of both.
    inverse: f64,
    coefficient: f64,
}

impl Memory {
    fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn clear(&mut self) {
        self.pairs.clear();
    }

    fn push(&mut self, from: &Point, to: &Point) {
        let mut pair = if self.pairs.len() == MEMORY {
            self.pairs.remove(0)
        } else {
            Pair { step: Vec::new(), change: Vec::new(), inverse: 0.0, coefficient: 0.0 }
        };
        let fill = |into: &mut Vec<f64>, to: &[f64], from: &[f64]| {
            into.clear();
            into.extend(to.iter().zip(from).map(|(to, from)| to - from));
        };
        fill(&mut pair.step, &to.at, &from.at);
        fill(&mut pair.change, &to.slope, &from.slope);
        let product = dot(&pair.step, &pair.change);
        // Without positive curvature along the step, the pair tells nothing of a minimum.
        if product > 1e-12 * dot(&pair.change, &pair.change) {
            pair.inverse = 1.0 / product;
            self.pairs.push(pair);
        }
    }

    /// The direction of descent: minus the inverse curvature times `slope`.
    fn direct(&mut self, slope: &[f64], direction: &mut [f64]) {
        direction.iter_mut().zip(slope).for_each(|(part, slope)| *part = -slope);
        for pair in self.pairs.iter_mut().rev() {
            pair.coefficient = pair.inverse * dot(&pair.step, direction);
            add(direction, -pair.coefficient, &pair.change);
        }
        if let Some(last) = self.pairs.last() {
            let scale = 1.0 / (last.inverse * dot(&last.change, &last.change));
            direction.iter_mut().for_each(|part| *part *= scale);
        }
        for pair in &self.pairs {
            let correction = pair.coefficient - pair.inverse * dot(&pair.change, direction);
            add(direction, correction, &pair.step);
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], times: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += times * what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_valley_of_rosenbrock_is_followed_to_its_end() {
        let rosenbrock = |at: &[f64], slope: &mut [f64]| {
            let (x, y) = (at[0], at[1]);
            slope[0] = -400.0 * x * (y - x * x) - 2.0 * (1.0 - x);
            slope[1] = 200.0 * (y - x * x);
            100.0 * (y - x * x).powi(2) + (1.0 - x).powi(2)
        };
        let mut at = vec![-1.2, 1.0];
        let value = minimise(&mut at, Limits { iterations: 200, decrease: 1e-14 }, rosenbrock);
        assert!(value < 1e-10 && (at[0] - 1.0).abs() < 1e-4 && (at[1] - 1.0).abs() < 1e-4, "{value} {at:?}");
    }

    #[test]
    fn a_point_outside_the_domain_is_stepped_back_from() {
        // The minimum of x − ln x is at 1; there is nothing below 0.
        let barrier = |at: &[f64], slope: &mut [f64]| {
            slope[0] = 1.0 - 1.0 / at[0];
            if at[0] > 0.0 { at[0] - at[0].ln() } else { f64::NAN }
        };
        let mut at = vec![0.01];
        minimise(&mut at, Limits { iterations: 100, decrease: 1e-12 }, barrier);
        assert!((at[0] - 1.0).abs() < 1e-5, "{at:?}");
        assert!(minimise(&mut vec![-1.0], Limits { iterations: 9, decrease: 1e-9 }, barrier).is_nan());
    }
}
