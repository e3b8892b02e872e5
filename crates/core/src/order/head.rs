//! The network's output per forecast point: a number, quantiles or a distribution.

use serde::de::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::loss::Loss;
use super::string_or_struct::{self, Forms, tagged};
use crate::quantile_level::DISTRIBUTION_LEVELS;

/// The head: one number, several quantiles or a distribution per point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Head {
    /// One number.
    Point {},
    /// One number per level, trained with the pinball loss.
    Quantile {
        /// Ascending, between 0 and 1. The 80 % interval is between the levels 0.1 and 0.9.
        #[serde(default = "levels")]
        #[schema(min_items = 1, max_items = 32, minimum = 0.001, maximum = 0.999)]
        #[schema(extensions(("x-hint" = json!("a quantile level is a share of the values from 0 to 1, such as 0.9"))))]
        levels: Vec<f64>,
    },
    /// A normal distribution: mean and scale.
    Normal {},
    /// Student's t: mean, scale and degrees of freedom (above 2), for heavy tails.
    StudentT {},
    /// A negative binomial distribution, for counts: mean and dispersion, in the data's units.
    NegativeBinomial {},
}

/// The two ways to write a head, for the OpenAPI document.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum HeadForm {
    Word(HeadWord),
    Object(Head),
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum HeadWord {
    Point,
    Quantile,
    Normal,
    StudentT,
    NegativeBinomial,
}

fn levels() -> Vec<f64> {
    vec![0.1, 0.5, 0.9]
}

impl Default for Head {
    fn default() -> Self {
        Self::Point {}
    }
}

impl Head {
    /// The number of network outputs per point.
    pub fn width(&self) -> usize {
        match self {
            Self::Point {} => 1,
            Self::Quantile { levels } => levels.len(),
            Self::Normal {} | Self::NegativeBinomial {} => 2,
            Self::StudentT {} => 3,
        }
    }

    /// The default loss.
    pub fn default_loss(&self) -> Loss {
        match self {
            Self::Point {} => Loss::Mae,
            Self::Quantile { .. } => Loss::Quantile,
            Self::Normal {} | Self::StudentT {} | Self::NegativeBinomial {} => Loss::Nll,
        }
    }

    /// The levels of the quantiles by which its forecasts are evaluated, ascending: the head's own levels, or
    /// [`DISTRIBUTION_LEVELS`] for a distribution. Empty for a point head.
    pub fn evaluated_levels(&self) -> &[f64] {
        match self {
            Self::Point {} => &[],
            Self::Quantile { levels } => levels,
            Self::Normal {} | Self::StudentT {} | Self::NegativeBinomial {} => &DISTRIBUTION_LEVELS,
        }
    }

    /// Whether its forecasts have quantiles.
    pub fn is_probabilistic(&self) -> bool {
        *self != Self::Point {}
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Point {} => "point",
            Self::Quantile { .. } => "quantile",
            Self::Normal {} => "normal",
            Self::StudentT {} => "student_t",
            Self::NegativeBinomial {} => "negative_binomial",
        }
    }

    /// Returns why the head cannot be trained with a loss.
    pub fn refuses(&self, loss: Loss) -> Option<String> {
        // No `_` arm returns `None`: each new loss must be allowed explicitly.
        match (self, loss) {
            (Self::Point {}, Loss::Mse | Loss::Mae | Loss::Huber { .. } | Loss::Smape | Loss::Mase)
            | (Self::Quantile { .. }, Loss::Quantile)
            | (Self::Normal {} | Self::StudentT {} | Self::NegativeBinomial {}, Loss::Nll) => None,
            (Self::Point {}, Loss::Quantile) => {
                Some("needs the levels of a quantile head: set /model/head to {\"type\": \"quantile\"}".to_owned())
            }
            (Self::Point {}, Loss::Nll) => {
                Some("needs a distribution: set /model/head to `normal`, `student_t` or `negative_binomial`".to_owned())
            }
            (Self::Quantile { .. } | Self::Normal {} | Self::StudentT {} | Self::NegativeBinomial {}, _) => {
                let (name, own) = (self.name(), self.default_loss().name());
                Some(format!("a {name} head learns by its own loss, `{own}`: leave `loss` out"))
            }
        }
    }
}

/// Reads a string (`"normal"`) or an object.
pub(super) fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Head, D::Error> {
    struct AnyForm(Head);

    impl Forms<'_> for AnyForm {
        const EXPECTED: &'static str = "a head such as {\"type\": \"quantile\", \"levels\": [0.1, 0.5, 0.9]}";
        type Object = Head;

        fn of_object<E: Error>(head: Head) -> Result<Self, E> {
            Ok(Self(head))
        }

        fn of_text<E: Error>(text: &str) -> Result<Self, E> {
            tagged(text).map(Self)
        }
    }

    string_or_struct::read(from).map(|AnyForm(head)| head)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::ModelSpec;
    use super::*;
    use crate::resolve::{FieldError, fields};

    fn model(head: Value) -> Result<ModelSpec, String> {
        let model: ModelSpec = serde_json::from_value(json!({"head": head})).map_err(|error| error.to_string())?;
        let dotted = |error: FieldError| format!("{}: {}", error.pointer.replace('/', "."), error.detail);
        fields::check(model).map_err(|errors| errors.into_iter().map(dotted).collect())
    }

    #[test]
    fn a_head_is_a_string_or_an_object() {
        assert_eq!(model(json!("student_t")).unwrap().head, Head::StudentT {});
        assert_eq!(model(json!({"type": "normal"})).unwrap().head, Head::Normal {});
        let quantile = model(json!({"type": "quantile", "levels": [0.25, 0.75]})).unwrap();
        assert_eq!(quantile.head, Head::Quantile { levels: vec![0.25, 0.75] });
        assert_eq!(model(json!("quantile")).unwrap().head.width(), 3);
    }

    #[test]
    fn a_point_head_is_not_serialised() {
        let model: ModelSpec = serde_json::from_value(json!({})).unwrap();
        assert_eq!(model.head, Head::Point {});
        assert!(serde_json::to_value(&model).unwrap().get("head").is_none());
    }

    #[test]
    fn invalid_heads_are_rejected_with_a_reason() {
        assert!(model(json!("poisson")).unwrap_err().contains("unknown variant `poisson`"));
        assert!(model(json!({"type": "normal", "levels": [0.5]})).unwrap_err().contains("unknown field `levels`"));
        for levels in [json!([]), json!([0.0]), json!([1.0])] {
            let refused = model(json!({"type": "quantile", "levels": levels})).unwrap_err();
            assert!(refused.contains("head.levels"), "{refused}");
        }
    }

    #[test]
    fn each_head_accepts_only_its_losses() {
        let point = [Loss::Mse, Loss::Mae, Loss::Huber { delta: 1.0 }, Loss::Smape, Loss::Mase];
        assert!(point.iter().all(|&loss| Head::Point {}.refuses(loss).is_none()));
        assert!(Head::Point {}.refuses(Loss::Nll).is_some());
        assert!(Head::Point {}.refuses(Loss::Quantile).is_some());
        for head in [Head::Quantile { levels: vec![0.5] }, Head::Normal {}, Head::NegativeBinomial {}] {
            assert!(head.refuses(head.default_loss()).is_none());
            assert!(head.refuses(Loss::Mse).unwrap().contains(head.name()));
        }
        assert!(Head::Normal {}.refuses(Loss::Quantile).is_some());
    }
}
