//! How long a job waits after a fault of the machine.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use super::LeasePolicy;

/// The delay after the `faults`-th fault in a row: doubled with each, up to the longest, and then
/// between half and all of that, so that jobs which failed together do not come back together.
pub(super) fn delay(terms: &LeasePolicy, faults: u32) -> Duration {
    jitter(terms, faults, random_share())
}

/// Between half and all of `delay`.
pub(super) fn jittered(delay: Duration) -> Duration {
    scaled(delay, random_share())
}

fn scaled(delay: Duration, share: f64) -> Duration {
    delay.mul_f64(0.5 + 0.5 * share)
}

fn jitter(terms: &LeasePolicy, faults: u32, share: f64) -> Duration {
    let doublings = faults.saturating_sub(1).min(31);
    let full = terms.first_delay.saturating_mul(1 << doublings).min(terms.longest_delay);
    scaled(full, share)
}

/// From 0 to 1. The standard library seeds its hash maps from the system's randomness, which is
/// enough for jitter.
fn random_share() -> f64 {
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_keep_half_at_least() {
        let terms = LeasePolicy {
            first_delay: Duration::from_secs(2),
            longest_delay: Duration::from_secs(60),
            ..LeasePolicy::default()
        };
        let longest = [1, 2, 3, 5, 6, 100, u32::MAX].map(|faults| jitter(&terms, faults, 1.0).as_secs());
        assert_eq!(longest, [2, 4, 8, 32, 60, 60, 60]);
        assert_eq!(jitter(&terms, 3, 0.0), Duration::from_secs(4));
        for faults in 1..40 {
            let delay = delay(&terms, faults);
            assert!(jitter(&terms, faults, 0.0) <= delay && delay <= jitter(&terms, faults, 1.0));
        }
    }
}
