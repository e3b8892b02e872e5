//! Random numbers that depend only on their purpose.
//!
//! Every use has a separate generator, keyed by (seed, purpose, step): ChaCha with 8 rounds, whose numbers are a
//! function of key and position. A training resumed at step 1,000 therefore draws the same numbers as an
//! uninterrupted one, and an additional draw for one purpose does not affect any other.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The purpose of the numbers. Trained models depend on the discriminants: do not change them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights. The step is the variable's index in the network.
    Initialise = 1,
    /// Assignment of series to the parts of the split.
    Split = 2,
    /// The order of an epoch's windows; the step is the epoch.
    Shuffle = 3,
    /// Dropout masks. The step is the training step.
    Dropout = 4,
    /// Recurrent dropout masks. The step is the training step.
    RecurrentDropout = 5,
    /// The order of windows in a learning rate range test. The step is the pass.
    RangeTest = 6,
    /// The values of a search's trials. The step is the trial, the place is the range.
    Search = 32,
}

/// One stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    pub fn new(seed: u64, purpose: Purpose, step: u64) -> Self {
        Self::at(seed, purpose, step, 0)
    }

    /// One of several streams for the same step.
    pub fn at(seed: u64, purpose: Purpose, step: u64, place: u64) -> Self {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(4).zip(key_words(seed, purpose, step, place)) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`, on a grid of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in `[0, 1)`, on a grid of 2⁻²⁴.
    pub fn uniform_f32(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// Uniform in `0..bound`, without bias; 0 for a bound of 0.
    ///
    /// Lemire 2019, "Fast random integer generation in an interval".
    pub fn below(&mut self, bound: u64) -> u64 {
        let threshold = bound.wrapping_neg().checked_rem(bound).unwrap_or(0);
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// Normal with mean 0 and variance 1, by Marsaglia's polar method.
    pub fn normal(&mut self) -> f64 {
        loop {
            let x = 2.0 * self.uniform() - 1.0;
            let y = 2.0 * self.uniform() - 1.0;
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }

    /// Shuffles `items` uniformly (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// The numbers `0..length` in random order.
    pub fn permutation(&mut self, length: usize) -> Vec<usize> {
        let mut items: Vec<usize> = (0..length).collect();
        self.shuffle(&mut items);
        items
    }
}

/// The ChaCha key of the stream that [`Random::at`] creates, for callers that run many streams in parallel.
pub fn key_words(seed: u64, purpose: Purpose, step: u64, place: u64) -> [u32; 8] {
    let mut words = [0; 8];
    for (pair, number) in words.chunks_exact_mut(2).zip([seed, purpose as u64, step, place]) {
        pair.copy_from_slice(&[number as u32, (number >> 32) as u32]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(seed: u64, purpose: Purpose, step: u64) -> Vec<u64> {
        let mut random = Random::new(seed, purpose, step);
        (0..4).map(|_| random.bits()).collect()
    }

    #[test]
    fn the_key_determines_the_numbers() {
        let first = draw(42, Purpose::Shuffle, 7);
        assert_eq!(first, draw(42, Purpose::Shuffle, 7));
        assert_ne!(first, draw(43, Purpose::Shuffle, 7));
        assert_ne!(first, draw(42, Purpose::Split, 7));
        assert_ne!(first, draw(42, Purpose::Shuffle, 8));
    }

    /// Stored models depend on these numbers, so this test must fail if the generator changes.
    #[test]
    fn the_numbers_of_a_key_never_change() {
        let first = [9672674645702868097, 2788422329557313252, 9202194858430994391, 15592305170362139982];
        assert_eq!(draw(42, Purpose::Initialise, 0), first);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut random = Random::new(1, Purpose::Initialise, 0);
        let count = 100_000;
        let moments = |draw: &mut dyn FnMut() -> f64| {
            let numbers: Vec<f64> = (0..count).map(|_| draw()).collect();
            let mean = numbers.iter().sum::<f64>() / f64::from(count);
            (mean, numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(count))
        };
        // Five standard errors of the mean are 0.016 and 0.0046.
        let (mean, variance) = moments(&mut || random.normal());
        assert!(mean.abs() < 0.016 && (variance - 1.0).abs() < 0.025, "normal: {mean}, {variance}");
        let (mean, variance) = moments(&mut || random.uniform());
        assert!((mean - 0.5).abs() < 0.0046 && (variance - 1.0 / 12.0).abs() < 0.002, "uniform: {mean}, {variance}");
    }

    #[test]
    fn a_permutation_holds_every_number_once() {
        let mut drawn = Random::new(3, Purpose::Shuffle, 1).permutation(1000);
        assert_ne!(drawn, (0..1000).collect::<Vec<_>>());
        drawn.sort_unstable();
        assert_eq!(drawn, (0..1000).collect::<Vec<_>>());
        assert!(Random::new(3, Purpose::Shuffle, 1).permutation(0).is_empty());
    }
}
