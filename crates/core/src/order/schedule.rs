//! Learning rate schedules.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the learning rate changes from the optimiser's `learning_rate` η. Schedules that depend on the length of the
/// training use `epochs`, or `max_steps` if that is less.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// η, constant.
    Constant {},
    /// η · factor^⌊epochs done / every⌋ (PyTorch's `StepLR`).
    Step {
        #[serde(default = "every_ten")]
        #[schema(minimum = 1, maximum = 100000)]
        every: u32,
        #[serde(default = "tenth")]
        #[schema(minimum = 1e-9, maximum = 1.0)]
        factor: f64,
    },
    /// η · factor^(epochs done), decreasing a little at every step of an epoch.
    Exponential {
        #[serde(default = "exponential_factor")]
        #[schema(minimum = 1e-9, maximum = 1.0)]
        factor: f64,
    },
    /// Loshchilov and Hutter 2017, without restarts: linear warm-up from 0 to η, then half a cosine down to
    /// `alpha · η`.
    Cosine {
        #[serde(default)]
        #[schema(minimum = 0.0, maximum = 100_000.0)]
        warmup_epochs: f64,
        #[serde(default)]
        #[schema(minimum = 0.0, maximum = 1.0)]
        alpha: f64,
    },
    /// Smith and Topin 2018: from η / div_factor up to η over the first `pct_start` of all steps, then down to η /
    /// (div_factor · final_div_factor), each following half a cosine.
    OneCycle {
        #[serde(default = "pct_start")]
        #[schema(minimum = 0.0, maximum = 1.0)]
        pct_start: f64,
        #[serde(default = "div_factor")]
        #[schema(minimum = 1.0, maximum = 1e9)]
        div_factor: f64,
        #[serde(default = "final_div_factor")]
        #[schema(minimum = 1.0, maximum = 1e12)]
        final_div_factor: f64,
    },
    /// Multiplies the rate by `factor` when the validation loss (the training loss if there is none) has not
    /// decreased by more than `min_delta` for `patience` epochs. The next `cooldown` epochs are not counted.
    ReduceOnPlateau {
        #[serde(default = "tenth")]
        #[schema(minimum = 1e-9, maximum = 0.999_999_9)]
        factor: f64,
        #[serde(default = "patience")]
        #[schema(minimum = 1, maximum = 100000)]
        patience: u32,
        #[serde(default = "min_delta")]
        #[schema(minimum = 0.0, maximum = 1e12)]
        min_delta: f64,
        #[serde(default)]
        #[schema(minimum = 0, maximum = 100000)]
        cooldown: u32,
        #[serde(default)]
        #[schema(minimum = 0.0, maximum = 10.0)]
        min_lr: f64,
    },
}

impl Schedule {
    /// One cycle with its default shape.
    pub fn one_cycle() -> Self {
        Self::OneCycle { pct_start: pct_start(), div_factor: div_factor(), final_div_factor: final_div_factor() }
    }

    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Constant {})
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant {}
    }
}

fn every_ten() -> u32 {
    10
}
fn tenth() -> f64 {
    0.1
}
fn exponential_factor() -> f64 {
    0.95
}
fn pct_start() -> f64 {
    0.3
}
fn div_factor() -> f64 {
    25.0
}
fn final_div_factor() -> f64 {
    1e4
}
fn patience() -> u32 {
    10
}
fn min_delta() -> f64 {
    1e-4
}
