//! Dropout's masks, the same on every engine, device and thread count.
//!
//! A number is kept with probability 1 − rate and then scaled by 1 / (1 − rate), so that forecasts,
//! which drop nothing, need no scaling (Srivastava et al. 2014). The numbers of one series in one
//! layer at one training step come from a generator of their own, so a mask does not depend on how a
//! batch is split or on the masks of other series.

use super::engine::DropoutKey;
use super::random::{Purpose, Random, key_words};

/// What is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// What a layer reads, afresh at each step: `[step, feature]` of a series, the steps in the
    /// data's order, whichever way the layer reads them.
    Inputs,
    /// The state that enters a layer's recurrent products, one mask for all steps: `[unit]`.
    State,
}

/// Where a mask applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub layer: usize,
    /// The half of a bidirectional layer that reads from the end.
    pub backwards: bool,
    pub dropped: Dropped,
}

/// One series' mask: 0 where the number is dropped, else 1 / (1 − rate). `series` is its place in
/// the batch; the rate is taken in steps of 2⁻¹⁶.
pub fn mask(draw: DropoutKey, place: Place, series: usize, rate: f32, out: &mut [f32]) {
    let mut random = Random::at(draw.seed, place.purpose(), draw.step, place.stream(series));
    let (threshold, kept) = (threshold(rate), kept(rate));
    for four in out.chunks_mut(4) {
        let mut bits = random.bits();
        for number in four {
            *number = if bits as u32 & 0xffff < threshold { 0.0 } else { kept };
            bits >>= 16;
        }
    }
}

/// ChaCha's key of a series' mask. Each 16 bits of the stream, the lowest first, are a number's:
/// below the rate's [`threshold`] it is dropped.
pub fn key(draw: DropoutKey, place: Place, series: usize) -> [u32; 8] {
    key_words(draw.seed, place.purpose(), draw.step, place.stream(series))
}

pub fn threshold(rate: f32) -> u32 {
    (f64::from(rate) * 65_536.0).round() as u32
}

/// What a number that is kept is multiplied by.
pub fn kept(rate: f32) -> f32 {
    1.0 / (1.0 - rate)
}

impl Place {
    fn purpose(self) -> Purpose {
        match self.dropped {
            Dropped::Inputs => Purpose::Dropout,
            Dropped::State => Purpose::RecurrentDropout,
        }
    }

    fn stream(self, series: usize) -> u64 {
        (self.layer as u64) << 33 | u64::from(self.backwards) << 32 | series as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(step: u64, layer: usize, series: usize, rate: f32, count: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; count];
        mask(
            DropoutKey { seed: 7, step },
            Place { layer, backwards: false, dropped: Dropped::Inputs },
            series,
            rate,
            &mut out,
        );
        out
    }

    #[test]
    fn as_many_are_dropped_as_the_rate_says() {
        for rate in [0.1_f32, 0.5, 0.9] {
            let mask = draw(3, 0, 5, rate, 100_000);
            let dropped = mask.iter().filter(|&&number| number == 0.0).count() as f32 / 1e5;
            // Six standard deviations of a share of 100,000 are below 0.01.
            assert!((dropped - rate).abs() < 0.01, "{dropped} for {rate}");
            assert!(mask.iter().all(|&number| number == 0.0 || number == 1.0 / (1.0 - rate)));
        }
    }

    #[test]
    fn each_step_layer_and_series_has_its_own() {
        let first = draw(3, 0, 5, 0.5, 64);
        assert_eq!(first, draw(3, 0, 5, 0.5, 64));
        for other in [draw(4, 0, 5, 0.5, 64), draw(3, 1, 5, 0.5, 64), draw(3, 0, 6, 0.5, 64)] {
            assert_ne!(first, other);
        }
    }
}
