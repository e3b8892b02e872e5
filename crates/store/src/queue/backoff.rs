//! The delay of a job after a fault of the machine.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use super::LeasePolicy;

/// The delay after the `faults`-th consecutive fault: exponential up to the maximum, with jitter between half
/// and all of it, so that jobs that failed together are not retried together.
pub(super) fn delay(terms: &LeasePolicy, faults: u32) -> Duration {
    jitter(terms, faults, random_share())
}

/// A random duration between half and all of `delay`.
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

/// A random number from 0 to 1. The standard library seeds its hash maps from the system's randomness, which
/// is enough for jitter.
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
