//! Computes (offset, scale) from the points of a column, with scaled = (value − offset) / scale.

use gatecast_core::order::ScalingKind;

/// The offset and scale of some points. Unknown points (NaN) are ignored. A scale that would be 0, because all values
/// are equal or none is known, is 1.
pub(super) fn of(kind: ScalingKind, values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let values = values.filter(|value| !value.is_nan());
    match kind {
        ScalingKind::None => (0.0, 1.0),
        ScalingKind::Standard => mean_and_std(values),
        ScalingKind::Center => (mean_and_std(values).0, 1.0),
        ScalingKind::Minmax => {
            let (low, high) = bounds(values);
            if low < high { (low, high - low) } else { alike(low) }
        }
        ScalingKind::Robust => median_and_quartiles(values),
        ScalingKind::Mean => (0.0, above_zero(mean(values.map(f64::abs)))),
    }
}

/// The offset and scale of one window's context. If its values are all equal, their magnitude is a better scale than
/// 1 for the values that follow.
pub(super) fn of_window(kind: ScalingKind, values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let (low, high) = bounds(values.clone().filter(|value| !value.is_nan()));
    let (offset, scale) = of(kind, values);
    match kind {
        ScalingKind::Standard | ScalingKind::Minmax | ScalingKind::Robust if low == high => {
            (offset, above_zero(low.abs()))
        }
        _ => (offset, scale),
    }
}

/// The mean and the standard deviation (divided by the count), in two passes. The values themselves are tested for
/// equality, because the rounding of their mean would look like a deviation.
fn mean_and_std(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let (low, high) = bounds(values.clone());
    if low >= high {
        return alike(low);
    }
    let (mean, count) = (mean(values.clone()), values.clone().count() as f64);
    let std = (values.map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    // Differences so small that their squares underflow to 0.
    (mean, above_zero(std))
}

/// The median and the interquartile range, both linearly interpolated (NumPy's default). If more than half of the
/// values are equal, the range can be 0, and the standard deviation replaces it.
fn median_and_quartiles(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let mut sorted: Vec<f64> = values.clone().collect();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return (0.0, 1.0) };
    let quantile = |share: f64| {
        let place = share * last as f64;
        let below = place.floor() as usize;
        let (from, to) = (sorted[below], sorted[(below + 1).min(last)]);
        from + (to - from) * (place - below as f64)
    };
    let distance = quantile(0.75) - quantile(0.25);
    (quantile(0.5), if distance > 0.0 { distance } else { mean_and_std(values).1 })
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean) = (0.0, 0.0);
    for value in values {
        count += 1.0;
        mean += (value - mean) / count;
    }
    mean
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

/// The offset and scale of values that all equal `value`, or of no values (`value` is then infinite).
fn alike(value: f64) -> (f64, f64) {
    (if value.is_finite() { value } else { 0.0 }, 1.0)
}

fn above_zero(scale: f64) -> f64 {
    if scale > 0.0 && scale.is_finite() { scale } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_values(kind: ScalingKind, values: &[f64]) -> (f64, f64) {
        of(kind, values.iter().copied())
    }

    #[test]
    fn each_kind_computes_its_offset_and_scale() {
        let values = [3.0, 1.0, f64::NAN, 2.0, -6.0];
        assert_eq!(of_values(ScalingKind::None, &values), (0.0, 1.0));
        assert_eq!(of_values(ScalingKind::Standard, &values), (0.0, (50.0_f64 / 4.0).sqrt()));
        assert_eq!(of_values(ScalingKind::Center, &[1.0, 3.0]), (2.0, 1.0));
        assert_eq!(of_values(ScalingKind::Minmax, &values), (-6.0, 9.0));
        // numpy.percentile([-6, 1, 2, 3], [25, 50, 75]) is [-0.75, 1.5, 2.25].
        assert_eq!(of_values(ScalingKind::Robust, &values), (1.5, 3.0));
        assert_eq!(of_values(ScalingKind::Mean, &values), (0.0, 3.0));
    }

    #[test]
    fn no_scale_is_zero() {
        let kinds = [ScalingKind::Standard, ScalingKind::Minmax, ScalingKind::Robust, ScalingKind::Mean];
        for kind in kinds {
            assert_eq!(of_values(kind, &[f64::NAN]), (0.0, 1.0), "{kind:?}");
            assert_eq!(of_values(kind, &[0.0, 0.0]).1, 1.0, "{kind:?}");
        }
        let spike = of_values(ScalingKind::Robust, &[0.0, 0.0, 0.0, 0.0, 0.0, 4.0]);
        assert!((spike.1 - (80.0_f64 / 36.0).sqrt()).abs() < 1e-12, "the deviation replaces the range: {spike:?}");
        assert_eq!(of_values(ScalingKind::Standard, &vec![0.1; 1_000]), (0.1, 1.0), "its mean rounds");
        assert_eq!(of_window(ScalingKind::Standard, [-5.0, -5.0].into_iter()), (-5.0, 5.0));
        assert_eq!(of_window(ScalingKind::Minmax, [0.0, 0.0].into_iter()), (0.0, 1.0));
    }
}
