//! The learning rate of each step: a function of the request, the step and the epochs so far.
//!
//! No state is carried from step to step. Reductions on a plateau are derived from the history, as early stopping is,
//! so a resumed training continues with the rate that an uninterrupted one would have.

use std::f64::consts::PI;

use gatecast_core::order::{Schedule, TrainingSpec};

/// The learning rates of one training.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    schedule: Schedule,
    steps_per_epoch: u64,
    /// The number of steps of the whole training.
    total: u64,
}

impl Rates {
    pub fn new(training: &TrainingSpec, windows: u64) -> Self {
        let steps_per_epoch = windows.div_ceil(training.batch_size.max(1) as u64).max(1);
        let of_epochs = steps_per_epoch.saturating_mul(u64::from(training.epochs));
        let total = training.max_steps.map_or(of_epochs, |most| most.min(of_epochs));
        Self { schedule: training.schedule, steps_per_epoch, total }
    }

    pub fn steps_per_epoch(&self) -> u64 {
        self.steps_per_epoch
    }

    /// The number of steps of the whole training, unless it ends early.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The number of epochs of the whole training, which may be fractional.
    pub fn epochs(&self) -> f64 {
        self.total as f64 / self.steps_per_epoch as f64
    }

    /// The base rate of an epoch, after epochs with these losses: the requested rate after reductions on plateaus
    /// (Keras's `ReduceLROnPlateau`).
    pub fn base(&self, learning_rate: f64, losses: impl Iterator<Item = f64>) -> f64 {
        let Schedule::ReduceOnPlateau { factor, patience, min_delta, cooldown, min_lr } = self.schedule else {
            return learning_rate;
        };
        let (mut rate, mut best) = (learning_rate, f64::INFINITY);
        let (mut waited, mut resting) = (0, 0);
        for loss in losses {
            if resting > 0 {
                (resting, waited) = (resting - 1, 0);
            }
            if loss < best - min_delta {
                (best, waited) = (loss, 0);
            } else if resting == 0 {
                waited += 1;
                if waited >= patience && rate > min_lr {
                    rate = (rate * factor).max(min_lr);
                    (resting, waited) = (cooldown, 0);
                }
            }
        }
        rate
    }

    /// The rate of a step, given the number of steps before it.
    pub fn at(&self, base: f64, step: u64) -> f64 {
        let epochs = step as f64 / self.steps_per_epoch as f64;
        match self.schedule {
            Schedule::Constant {} | Schedule::ReduceOnPlateau { .. } => base,
            Schedule::Step { every, factor } => {
                let times = step / self.steps_per_epoch / u64::from(every.max(1));
                base * factor.powf(times as f64)
            }
            Schedule::Exponential { factor } => base * factor.powf(epochs),
            Schedule::Cosine { warmup_epochs, alpha } => {
                let warmup = (warmup_epochs * self.steps_per_epoch as f64).round();
                let step = step as f64;
                if step < warmup {
                    return base * step / warmup;
                }
                let left = (self.total as f64 - warmup).max(1.0);
                let share = ((step - warmup) / left).min(1.0);
                base * (alpha + (1.0 - alpha) * 0.5 * (1.0 + (PI * share).cos()))
            }
            Schedule::OneCycle { pct_start, div_factor, final_div_factor } => {
                let (first, last) = (base / div_factor, base / div_factor / final_div_factor);
                let (step, end) = (step as f64, self.total as f64 - 1.0);
                // As in PyTorch, the peak is at the last step of the rising phase.
                let top = pct_start * self.total as f64 - 1.0;
                if step <= top && top > 0.0 {
                    return half_cosine(first, base, step / top);
                }
                let top = top.max(0.0);
                half_cosine(base, last, ((step - top) / (end - top).max(1.0)).min(1.0))
            }
        }
    }
}

/// Interpolates between two rates; `share` is the fraction of the way.
fn half_cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) / 2.0 * (1.0 + (PI * share).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten steps per epoch, ten epochs.
    fn rates(schedule: &str) -> Rates {
        let schedule = serde_json::from_str(schedule).unwrap();
        let training = TrainingSpec { epochs: 10, batch_size: 8, schedule, ..TrainingSpec::default() };
        Rates::new(&training, 77)
    }

    fn near(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 1e-12 * expected.abs().max(1e-3), "{got} is not {expected}");
    }

    #[test]
    fn steps_and_exponentials_fall_by_epochs() {
        let constant = rates(r#"{"type": "constant"}"#);
        assert_eq!((constant.total(), constant.at(0.1, 0), constant.at(0.1, 99)), (100, 0.1, 0.1));
        let step = rates(r#"{"type": "step", "every": 3, "factor": 0.5}"#);
        for (at, expected) in [(0, 1.0), (29, 1.0), (30, 0.5), (59, 0.5), (60, 0.25), (99, 0.125)] {
            near(step.at(1.0, at), expected);
        }
        let exponential = rates(r#"{"type": "exponential", "factor": 0.9}"#);
        near(exponential.at(0.2, 10), 0.2 * 0.9);
        near(exponential.at(0.2, 25), 0.2 * 0.9_f64.powf(2.5));
    }

    /// Keras: `CosineDecay(0, decay_steps=80, alpha=0.1, warmup_target=0.4, warmup_steps=20)`.
    #[test]
    fn a_cosine_warms_up_and_ends_at_alpha() {
        let cosine = rates(r#"{"type": "cosine", "warmup_epochs": 2, "alpha": 0.1}"#);
        near(cosine.at(0.4, 0), 0.0);
        near(cosine.at(0.4, 5), 0.1);
        near(cosine.at(0.4, 20), 0.4);
        near(cosine.at(0.4, 60), 0.4 * (0.1 + 0.9 * 0.5));
        near(cosine.at(0.4, 40), 0.4 * (0.1 + 0.9 * 0.5 * (1.0 + (PI / 4.0).cos())));
        near(cosine.at(0.4, 100), 0.04);
        let cold = rates(r#"{"type": "cosine"}"#);
        near(cold.at(0.4, 0), 0.4);
    }

    /// PyTorch: `OneCycleLR(max_lr=1, total_steps=100)`: 1/25 at first, 1 at step 29, 4e-6 at the end.
    #[test]
    fn one_cycle_rises_and_falls_as_in_pytorch() {
        let cycle = rates(r#"{"type": "one_cycle"}"#);
        near(cycle.at(1.0, 0), 0.04);
        near(cycle.at(1.0, 29), 1.0);
        near(cycle.at(1.0, 99), 4e-6);
        near(cycle.at(1.0, 64), (1.0 + 4e-6) / 2.0);
        let all: Vec<f64> = (0..100).map(|step| cycle.at(1.0, step)).collect();
        assert!(all[..30].is_sorted() && all[29..].iter().rev().is_sorted());
        // With no rising phase, the rate only falls.
        let falling = rates(r#"{"type": "one_cycle", "pct_start": 0}"#);
        near(falling.at(1.0, 0), 1.0);
        near(falling.at(1.0, 99), 4e-6);
    }

    #[test]
    fn max_steps_shortens_the_schedule() {
        let schedule = Schedule::Cosine { warmup_epochs: 0.0, alpha: 0.0 };
        let training = TrainingSpec { epochs: 10, max_steps: Some(20), schedule, ..TrainingSpec::default() };
        let rates = Rates::new(&training, 320);
        near(rates.at(1.0, 10), 0.5);
        near(rates.at(1.0, 20), 0.0);
    }

    #[test]
    fn plateaus_reduce_as_in_keras() {
        let plateau = rates(
            r#"{"type": "reduce_on_plateau", "factor": 0.5, "patience": 2, "min_delta": 0.1, "cooldown": 2, "min_lr": 0.3}"#,
        );
        let after = |losses: &[f64]| plateau.base(1.0, losses.iter().copied());
        assert_eq!(after(&[]), 1.0);
        assert_eq!(after(&[1.0, 0.95]), 1.0, "one epoch without improvement");
        assert_eq!(after(&[1.0, 0.95, 0.91]), 0.5, "a fall below `min_delta` does not count");
        assert_eq!(after(&[1.0, 0.95, 0.5, 0.5]), 1.0, "an improvement resets the count");
        // The first epoch after a reduction is in the cooldown. The cooldown ends at the start of the second, which
        // counts.
        assert_eq!(after(&[1.0, 1.0, 1.0, 1.0, 1.0]), 0.5);
        assert_eq!(after(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0]), 0.3, "no lower than `min_lr`");
        assert_eq!(after(&[1.0; 30]), 0.3);
    }
}
