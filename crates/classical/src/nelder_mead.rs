//! The simplex method of Nelder and Mead (1965) within bounds, for objectives of a few variables without a slope. A point outside the
//! bounds is moved to them.

/// What is searched for: bounds, where to start, and when to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<const N: usize> {
    pub(crate) low: [f64; N],
    pub(crate) high: [f64; N],
    /// The size of the first simplex.
    pub(crate) step: f64,
    pub(crate) evaluations: usize,
    /// Stops when the objective differs by less over the simplex.
    pub(crate) tolerance: f64,
}

/// The best point found from `start`, and the objective there. NaN counts as the largest value.
pub(crate) fn minimise<const N: usize>(
    start: [f64; N],
    within: &Bounds<N>,
    mut objective: impl FnMut(&[f64; N]) -> f64,
) -> ([f64; N], f64) {
    let mut evaluations = 0;
    let mut evaluate = |mut at: [f64; N]| {
        for ((part, low), high) in at.iter_mut().zip(within.low).zip(within.high) {
            *part = part.clamp(low, high);
        }
        evaluations += 1;
        let value = objective(&at);
        (at, if value.is_nan() { f64::INFINITY } else { value }, evaluations)
    };
    let mut corners = Vec::with_capacity(N + 1);
    let mut used = 0;
    for corner in 0..=N {
        let mut at = start;
        if let Some(part) = corner.checked_sub(1).and_then(|axis| at.get_mut(axis)) {
            *part += within.step;
        }
        let (at, value, count) = evaluate(at);
        used = count;
        corners.push((at, value));
    }
    while used < within.evaluations {
        corners.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (best, second, worst) = (corners[0].1, corners[N - 1].1, corners[N]);
        if worst.1 - best < within.tolerance {
            break;
        }
        let centre: [f64; N] =
            std::array::from_fn(|axis| corners[..N].iter().map(|(at, _)| at[axis]).sum::<f64>() / N as f64);
        // The point on the line from the worst corner through the centre: −1 is the worst corner, 1 its reflection.
        let mut along = |times: f64| evaluate(std::array::from_fn(|i| centre[i] + times * (centre[i] - worst.0[i])));
        let reflected = along(1.0);
        used = reflected.2;
        let replaced = if reflected.1 < best {
            let expanded = along(2.0);
            used = expanded.2;
            Some(if expanded.1 < reflected.1 { expanded } else { reflected })
        } else if reflected.1 < second {
            Some(reflected)
        } else {
            let (times, limit) = if reflected.1 < worst.1 { (0.5, reflected.1) } else { (-0.5, worst.1) };
            let contracted = along(times);
            used = contracted.2;
            (contracted.1 < limit).then_some(contracted)
        };
        if let Some((at, value, _)) = replaced {
            corners[N] = (at, value);
            continue;
        }
        let first = corners[0].0;
        for corner in &mut corners[1..] {
            let (at, value, count) = evaluate(std::array::from_fn(|axis| 0.5 * (first[axis] + corner.0[axis])));
            used = count;
            *corner = (at, value);
        }
    }
    corners.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((start, f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_is_found_inside_and_at_a_bound() {
        let within = Bounds { low: [-2.0, -2.0], high: [2.0, 0.5], step: 0.1, evaluations: 300, tolerance: 1e-12 };
        let bowl = |at: &[f64; 2]| (at[0] - 1.0).powi(2) + 3.0 * (at[1] - at[0]).powi(2);
        // With the second variable held to 0.5, the sum is least where 2 (x − 1) + 6 (x − 0.5) = 0.
        let (at, _) = minimise([-1.0, -1.0], &within, bowl);
        assert!((at[0] - 0.625).abs() < 1e-4 && (at[1] - 0.5).abs() < 1e-9, "{at:?}");
        let (at, value) = minimise([-1.0, -1.0], &Bounds { high: [2.0, 2.0], ..within }, bowl);
        assert!(value < 1e-9 && (at[0] - 1.0).abs() < 1e-4, "{at:?}");
    }
}
