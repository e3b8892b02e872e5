//! The optimisers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rate::Rate;

/// The optimiser, with Keras's definitions and defaults.
///
/// `weight_decay` is decoupled (Loshchilov and Hutter 2019): before each step, every weight, including biases and
/// gains, is reduced by `learning_rate × weight_decay` of itself, independently of the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Kingma and Ba 2015.
    Adam {
        #[serde(default = "adam_rate")]
        learning_rate: Rate,
        #[serde(default = "beta_1")]
        #[schema(minimum = 0.0, maximum = 0.999_999_9)]
        beta_1: f64,
        #[serde(default = "beta_2")]
        #[schema(minimum = 0.0, maximum = 0.999_999_9)]
        beta_2: f64,
        #[serde(default = "epsilon")]
        #[schema(minimum = 1e-16, maximum = 1.0)]
        epsilon: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        #[schema(minimum = 0.0, maximum = 1.0)]
        weight_decay: f64,
    },
    /// Loshchilov and Hutter 2019: Adam with weight decay.
    Adamw {
        #[serde(default = "adam_rate")]
        learning_rate: Rate,
        #[serde(default = "beta_1")]
        #[schema(minimum = 0.0, maximum = 0.999_999_9)]
        beta_1: f64,
        #[serde(default = "beta_2")]
        #[schema(minimum = 0.0, maximum = 0.999_999_9)]
        beta_2: f64,
        #[serde(default = "epsilon")]
        #[schema(minimum = 1e-16, maximum = 1.0)]
        epsilon: f64,
        #[serde(default = "adamw_decay")]
        #[schema(minimum = 0.0, maximum = 1.0)]
        weight_decay: f64,
    },
    /// Dozat 2016: Adam with Nesterov's momentum.
    Nadam {
        #[serde(default = "adam_rate")]
        learning_rate: Rate,
        #[serde(default = "beta_1")]
        #[schema(minimum = 0.0, maximum = 0.999_999_9)]
        beta_1: f64,
        #[serde(default = "beta_2")]
        #[schema(minimum = 0.0, maximum = 0.999_999_9)]
        beta_2: f64,
        #[serde(default = "epsilon")]
        #[schema(minimum = 1e-16, maximum = 1.0)]
        epsilon: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        #[schema(minimum = 0.0, maximum = 1.0)]
        weight_decay: f64,
    },
    /// Hinton 2012: the gradient divided by the square root of its running mean square.
    Rmsprop {
        #[serde(default = "adam_rate")]
        learning_rate: Rate,
        #[serde(default = "rho")]
        #[schema(minimum = 0.0, maximum = 0.999_999_9)]
        rho: f64,
        #[serde(default)]
        #[schema(minimum = 0.0, maximum = 0.999_999_9)]
        momentum: f64,
        #[serde(default = "epsilon")]
        #[schema(minimum = 1e-16, maximum = 1.0)]
        epsilon: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        #[schema(minimum = 0.0, maximum = 1.0)]
        weight_decay: f64,
    },
    /// Stochastic gradient descent.
    Sgd {
        #[serde(default = "sgd_rate")]
        learning_rate: Rate,
        #[serde(default)]
        #[schema(minimum = 0.0, maximum = 0.999_999_9)]
        momentum: f64,
        #[serde(default)]
        nesterov: bool,
        #[serde(default, skip_serializing_if = "is_zero")]
        #[schema(minimum = 0.0, maximum = 1.0)]
        weight_decay: f64,
    },
}

impl Optimizer {
    /// Adam with a learning rate and defaults for the rest.
    pub fn adam(learning_rate: f64) -> Self {
        let learning_rate = Rate::Fixed(learning_rate);
        Self::Adam { learning_rate, beta_1: beta_1(), beta_2: beta_2(), epsilon: epsilon(), weight_decay: 0.0 }
    }

    pub fn learning_rate(&self) -> Rate {
        match *self {
            Self::Adam { learning_rate, .. }
            | Self::Adamw { learning_rate, .. }
            | Self::Nadam { learning_rate, .. }
            | Self::Rmsprop { learning_rate, .. }
            | Self::Sgd { learning_rate, .. } => learning_rate,
        }
    }

    pub fn weight_decay(&self) -> f64 {
        match *self {
            Self::Adam { weight_decay, .. }
            | Self::Adamw { weight_decay, .. }
            | Self::Nadam { weight_decay, .. }
            | Self::Rmsprop { weight_decay, .. }
            | Self::Sgd { weight_decay, .. } => weight_decay,
        }
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::adam(0.001)
    }
}

fn adam_rate() -> Rate {
    Rate::Fixed(0.001)
}
fn sgd_rate() -> Rate {
    Rate::Fixed(0.01)
}
fn rho() -> f64 {
    0.9
}
fn beta_1() -> f64 {
    0.9
}
fn beta_2() -> f64 {
    0.999
}
fn epsilon() -> f64 {
    1e-7
}
fn adamw_decay() -> f64 {
    0.004
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes by reference")]
fn is_zero(decay: &f64) -> bool {
    *decay == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Optimizer, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn defaults_match_keras_and_old_specs_keep_their_bytes() {
        assert_eq!(read(r#"{"type": "adam"}"#).unwrap(), Optimizer::default());
        let written = serde_json::to_string(&Optimizer::default()).unwrap();
        assert_eq!(written, r#"{"type":"adam","learning_rate":0.001,"beta_1":0.9,"beta_2":0.999,"epsilon":1e-7}"#);
        let adamw = read(r#"{"type": "adamw", "learning_rate": "find"}"#).unwrap();
        assert_eq!((adamw.learning_rate(), adamw.weight_decay()), (Rate::Find, 0.004));
        assert!(read(r#"{"type": "sgd", "weight_decay": 0.1, "beta_1": 0.9}"#).is_err());
    }
}
