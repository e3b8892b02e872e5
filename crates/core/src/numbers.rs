//! The range of numbers that a network can read.

/// The error message for a number that [`exceeds_f32`].
pub const OUTSIDE_F32: &str = "is outside the range of 32-bit floats";

/// Whether a number is outside the range of 32-bit floats, which networks compute with. False for an unknown value
/// (NaN).
pub fn exceeds_f32(value: f64) -> bool {
    value.abs() > f64::from(f32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_ends_at_the_largest_32_bit_float() {
        assert!(!exceeds_f32(f64::from(f32::MAX)) && !exceeds_f32(f64::from(f32::MIN)) && !exceeds_f32(f64::NAN));
        assert!(exceeds_f32(3.5e38) && exceeds_f32(-3.5e38) && exceeds_f32(f64::INFINITY));
    }
}
