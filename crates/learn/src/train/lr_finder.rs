//! Learning-rate finder: the range test of Smith 2017, "Cyclical learning rates for training neural networks".
//!
//! It trains a copy of the initial weights and raises the learning rate by a constant factor per batch. The
//! smoothed loss falls, and rises once the rate is too high. The result is a tenth of the rate with the
//! lowest loss: there the loss still falls fast, with a margin before it diverges. The random numbers for
//! batches and dropout are separate from the training's, so the same spec always yields the same rate.

use super::Trainer;
use crate::checkpoint;
use crate::history::HistoryFile;
use crate::progress::{EventSink, Interrupted, emit};
use crate::training_state::TrainingState;
use gatecast_core::model::FoundRate;
use gatecast_core::order::Rate;
use gatecast_core::trainer::TrainerEvent;
use gatecast_model::error::LearnError;
use gatecast_nn::random::{Purpose, Random};

const LOWEST: f64 = 1e-6;
const HIGHEST: f64 = 10.0;
/// 20 per decade.
const STEPS: u32 = 141;
/// The smoothing factor: the weight of the previous mean.
const SMOOTH: f64 = 0.9;
/// The test ends once the smoothed loss exceeds its lowest value by this factor times the fall from the first
/// to the lowest.
const RISEN: f64 = 4.0;
/// The resulting rate, as a fraction of the rate with the lowest loss.
const BELOW_LOWEST: f64 = 0.1;

impl Trainer<'_> {
    /// Finds the learning rate if the spec asks for it and it has not been found yet.
    pub(super) fn find_rate(
        &mut self,
        state: &mut TrainingState,
        history: &HistoryFile,
        sink: &mut EventSink<'_>,
    ) -> Result<(), Interrupted> {
        let training = &self.task.order.training;
        if training.optimizer.learning_rate() != Rate::Find || state.found.is_some() {
            return Ok(());
        }
        let found = self.range_test(TrainingState::new(state.parameters.clone(), training))?;
        state.found = Some(found);
        checkpoint::write(&self.task.checkpoint, &self.identity, state, &history.mark())?;
        let detail = format!(
            "learning rate {:.3e}: in {} steps from {:.0e} to {:.1e} the loss was lowest at {:.3e}, and a tenth of that is taken",
            found.learning_rate, found.steps, found.tried_from, found.tried_to, found.lowest_loss_at
        );
        emit(sink, TrainerEvent::Info { code: "learning_rate_found".to_owned(), detail })
    }

    /// `state` is a copy that is discarded afterwards.
    fn range_test(&mut self, mut state: TrainingState) -> Result<FoundRate, LearnError> {
        let training = &self.task.order.training;
        let (seed, batch_size) = (training.seed, training.batch_size.max(1));
        let growth = (HIGHEST / LOWEST).powf(1.0 / f64::from(STEPS - 1));
        let mut smoothed = Smoothed::default();
        let (mut step, mut tried_to) = (0, LOWEST);
        'test: for pass in 0.. {
            let mut order: Vec<u32> = (0..).take(self.permutation.len()).collect();
            Random::new(seed, Purpose::RangeTest, pass).shuffle(&mut order);
            for numbers in order.chunks(batch_size) {
                let rate = LOWEST * growth.powi(step);
                // Counts down from the maximum, a range that no training reaches.
                let loss = self.compute(&state.parameters, numbers, u64::MAX - step as u64)?;
                if !loss.is_finite() || !self.norms.add(&self.gradient).is_finite() || !smoothed.add(rate, loss) {
                    break 'test;
                }
                tried_to = rate;
                self.move_weights(&mut state, rate);
                step += 1;
                if step >= STEPS as i32 {
                    break 'test;
                }
            }
        }
        let Some(lowest_loss_at) = smoothed.lowest_at() else {
            return Err(LearnError::Diverged(
                "no learning rate could be found, for the first loss was not finite: try `data.scaling` set to `standard`".to_owned(),
            ));
        };
        let learning_rate = lowest_loss_at * BELOW_LOWEST;
        Ok(FoundRate { learning_rate, lowest_loss_at, tried_from: LOWEST, tried_to, steps: step as u32 })
    }
}

/// An exponential moving average of the losses, and the rate at which it was lowest.
#[derive(Debug, Default)]
struct Smoothed {
    sum: f64,
    weight: f64,
    first: f64,
    lowest: Option<(f64, f64)>,
}

impl Smoothed {
    /// Adds a loss. Returns whether the test should continue.
    fn add(&mut self, rate: f64, loss: f64) -> bool {
        self.sum = SMOOTH * self.sum + (1.0 - SMOOTH) * loss;
        self.weight = SMOOTH * self.weight + (1.0 - SMOOTH);
        let mean = self.sum / self.weight;
        match self.lowest {
            None => (self.first, self.lowest) = (mean, Some((mean, rate))),
            Some((lowest, _)) if mean < lowest => self.lowest = Some((mean, rate)),
            Some((lowest, _)) => {
                let fallen = (self.first - lowest).max(0.1 * self.first.abs());
                return mean - lowest < RISEN * fallen;
            }
        }
        true
    }

    fn lowest_at(&self) -> Option<f64> {
        self.lowest.map(|(_, rate)| rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_smoothed_loss_is_found_and_a_steep_rise_ends_the_test() {
        let mut smoothed = Smoothed::default();
        let loss = |step: i32| (f64::from(step) - 60.0).powi(2) / 3600.0 + 0.1;
        let steps = (0..200).take_while(|&step| smoothed.add(f64::from(step), loss(step))).count();
        let lowest = smoothed.lowest_at().unwrap();
        // The mean lags by about nine steps.
        assert!((60.0..72.0).contains(&lowest), "{lowest}");
        assert!((120..199).contains(&steps), "{steps}");
    }
}
