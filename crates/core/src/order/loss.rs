//! The training loss.

use serde::de::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::string_or_struct::{Forms, deserialize_forms, tagged};

/// The loss, a mean over known points. Written as a string (`mae`) or as an object (`{"type": "huber", "delta": 2}`),
/// and written back in the shortest form.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(into = "LossForm")]
pub enum Loss {
    /// Mean squared error.
    Mse,
    /// Mean absolute error.
    Mae,
    /// Quadratic up to `delta` in the network's scale, linear beyond.
    Huber { delta: f64 },
    /// Symmetric mean absolute percentage error, in the data's units.
    Smape,
    /// Mean absolute error divided by the series' seasonal naive error, in the data's units.
    Mase,
    /// The pinball loss of a quantile head.
    Quantile,
    /// The negative log-likelihood of a distribution head.
    Nll,
}

impl Loss {
    pub fn name(self) -> &'static str {
        match self {
            Self::Mse => "mse",
            Self::Mae => "mae",
            Self::Huber { .. } => "huber",
            Self::Smape => "smape",
            Self::Mase => "mase",
            Self::Quantile => "quantile",
            Self::Nll => "nll",
        }
    }
}

/// The two ways to write a loss.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum LossForm {
    Word(LossWord),
    Object(LossObject),
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LossWord {
    Mse,
    Mae,
    Huber,
    Smape,
    Mase,
    Quantile,
    Nll,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum LossObject {
    Mse {},
    Mae {},
    Huber {
        /// In the network's scale.
        #[serde(default = "delta")]
        #[schema(minimum = 1e-6, maximum = 1e6)]
        delta: f64,
    },
    Smape {},
    Mase {},
    Quantile {},
    Nll {},
}

/// The default of Keras and PyTorch.
fn delta() -> f64 {
    1.0
}

impl From<Loss> for LossForm {
    fn from(loss: Loss) -> Self {
        Self::Word(match loss {
            Loss::Mse => LossWord::Mse,
            Loss::Mae => LossWord::Mae,
            Loss::Huber { delta: 1.0 } => LossWord::Huber,
            Loss::Huber { delta } => return Self::Object(LossObject::Huber { delta }),
            Loss::Smape => LossWord::Smape,
            Loss::Mase => LossWord::Mase,
            Loss::Quantile => LossWord::Quantile,
            Loss::Nll => LossWord::Nll,
        })
    }
}

deserialize_forms!(Loss);

impl Forms<'_> for Loss {
    const EXPECTED: &'static str = "a loss such as \"mse\", or {\"type\": \"huber\", \"delta\": 1.0}";
    type Object = LossObject;

    fn of_object<E: Error>(object: LossObject) -> Result<Self, E> {
        Ok(match object {
            LossObject::Mse {} => Self::Mse,
            LossObject::Mae {} => Self::Mae,
            LossObject::Huber { delta } => Self::Huber { delta },
            LossObject::Smape {} => Self::Smape,
            LossObject::Mase {} => Self::Mase,
            LossObject::Quantile {} => Self::Quantile,
            LossObject::Nll {} => Self::Nll,
        })
    }

    fn of_text<E: Error>(text: &str) -> Result<Self, E> {
        Self::of_object(tagged(text)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::resolve::fields;

    #[test]
    fn a_loss_is_written_in_its_shortest_form_and_read_back() {
        let cases = [
            (json!("mse"), json!("mse")),
            (json!({"type": "mae"}), json!("mae")),
            (json!({"type": "huber"}), json!("huber")),
            (json!({"type": "huber", "delta": 0.5}), json!({"type": "huber", "delta": 0.5})),
            (json!("nll"), json!("nll")),
        ];
        for (given, written) in cases {
            let loss: Loss = serde_json::from_value(given).unwrap();
            assert_eq!(serde_json::to_value(loss).unwrap(), written);
            assert_eq!(serde_json::from_value::<Loss>(written).unwrap(), loss);
        }
    }

    #[test]
    fn invalid_losses_are_rejected_with_a_reason() {
        let refused = |value: Value| serde_json::from_value::<Loss>(value).unwrap_err().to_string();
        assert!(refused(json!("msse")).contains("unknown variant `msse`"));
        assert!(refused(json!({"type": "mse", "delta": 1})).contains("unknown field `delta`"));
        assert!(refused(json!(3)).contains("a loss such as"));
        assert!(fields::check(LossForm::from(Loss::Huber { delta: 0.0 })).is_err());
    }
}
