//! How numbers are scaled for the network.

use serde::de::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::string_or_struct::{Forms, deserialize_forms, named};

/// How numbers are scaled for the network. The scaling is fitted on the training part alone and stored in the model.
///
/// Written as a string (`standard`, `robust`, `standard_global`, …) or as an object
/// (`{"type": "robust", "per": "window"}`), and written back in the shortest form, so that equal requests are stored
/// as equal bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(into = "ScalingForm")]
pub struct Scaling {
    pub kind: ScalingKind,
    /// `series` if nothing is scaled.
    pub per: ScalingScope,
}

/// The statistics used: scaled = (value − offset) / factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScalingKind {
    /// No scaling.
    None,
    /// Subtract the mean, divide by the standard deviation.
    #[default]
    Standard,
    /// Subtract the mean. With `transform: log`, this divides by the geometric mean.
    Center,
    /// Map the minimum to 0 and the maximum to 1.
    Minmax,
    /// Subtract the median, divide by the interquartile range.
    Robust,
    /// Divide by the mean absolute value.
    Mean,
}

/// The points that the scaling is fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScalingScope {
    /// Each series by its own training points. A series that is too short for a training window, or not known from
    /// training, is scaled by its context.
    #[default]
    Series,
    /// All series together, by the training points of all.
    Global,
    /// Each window by its own context, so that known and new series are treated the same.
    Window,
}

/// The two ways to write a scaling.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum ScalingForm {
    Word(ScalingWord),
    Object(ScalingObject),
}

/// Each is per series, except for `standard_global`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ScalingWord {
    None,
    Standard,
    StandardGlobal,
    Center,
    Minmax,
    Robust,
    Mean,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScalingObject {
    #[serde(rename = "type")]
    pub kind: ScalingKind,
    #[serde(default)]
    pub per: ScalingScope,
}

impl Scaling {
    pub const NONE: Self = Self::new(ScalingKind::None, ScalingScope::Series);
    pub const STANDARD: Self = Self::new(ScalingKind::Standard, ScalingScope::Series);
    pub const STANDARD_GLOBAL: Self = Self::new(ScalingKind::Standard, ScalingScope::Global);

    pub const fn new(kind: ScalingKind, per: ScalingScope) -> Self {
        match kind {
            ScalingKind::None => Self { kind, per: ScalingScope::Series },
            _ => Self { kind, per },
        }
    }

    /// Whether the fitted scaling has a row per series.
    pub fn has_rows(self) -> bool {
        self.kind != ScalingKind::None && self.per == ScalingScope::Series
    }
}

impl From<Scaling> for ScalingForm {
    fn from(Scaling { kind, per }: Scaling) -> Self {
        let word = match (kind, per) {
            (ScalingKind::None, _) => ScalingWord::None,
            (ScalingKind::Standard, ScalingScope::Global) => ScalingWord::StandardGlobal,
            (kind, ScalingScope::Global | ScalingScope::Window) => return Self::Object(ScalingObject { kind, per }),
            (ScalingKind::Standard, ScalingScope::Series) => ScalingWord::Standard,
            (ScalingKind::Center, ScalingScope::Series) => ScalingWord::Center,
            (ScalingKind::Minmax, ScalingScope::Series) => ScalingWord::Minmax,
            (ScalingKind::Robust, ScalingScope::Series) => ScalingWord::Robust,
            (ScalingKind::Mean, ScalingScope::Series) => ScalingWord::Mean,
        };
        Self::Word(word)
    }
}

impl From<ScalingWord> for Scaling {
    fn from(word: ScalingWord) -> Self {
        let per_series = |kind| Self::new(kind, ScalingScope::Series);
        match word {
            ScalingWord::None => Self::NONE,
            ScalingWord::Standard => Self::STANDARD,
            ScalingWord::StandardGlobal => Self::STANDARD_GLOBAL,
            ScalingWord::Center => per_series(ScalingKind::Center),
            ScalingWord::Minmax => per_series(ScalingKind::Minmax),
            ScalingWord::Robust => per_series(ScalingKind::Robust),
            ScalingWord::Mean => per_series(ScalingKind::Mean),
        }
    }
}

deserialize_forms!(Scaling);

impl Forms<'_> for Scaling {
    const EXPECTED: &'static str = "a scaling such as \"standard\", or {\"type\": \"mean\", \"per\": \"window\"}";
    type Object = ScalingObject;

    fn of_object<E: Error>(object: ScalingObject) -> Result<Self, E> {
        Ok(Self::new(object.kind, object.per))
    }

    fn of_text<E: Error>(text: &str) -> Result<Self, E> {
        named::<ScalingWord, E>(text).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Scaling {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_scaling_is_written_in_its_shortest_form_and_read_back() {
        let cases = [
            (json!("none"), json!("none")),
            (json!("standard"), json!("standard")),
            (json!("standard_global"), json!("standard_global")),
            (json!({"type": "standard", "per": "global"}), json!("standard_global")),
            (json!({"type": "robust"}), json!("robust")),
            (json!({"type": "none", "per": "window"}), json!("none")),
            (json!({"type": "mean", "per": "window"}), json!({"type": "mean", "per": "window"})),
        ];
        for (given, written) in cases {
            let scaling = read(given.clone());
            assert_eq!(serde_json::to_value(scaling).unwrap(), written, "{given}");
            assert_eq!(read(written), scaling);
        }
    }

    #[test]
    fn invalid_scalings_are_rejected_with_a_reason() {
        let refused = |value: Value| serde_json::from_value::<Scaling>(value).unwrap_err().to_string();
        assert!(refused(json!("stadnard")).contains("unknown variant `stadnard`"));
        assert!(refused(json!({"type": "standard", "for": "window"})).contains("unknown field `for`"));
        assert!(refused(json!({"per": "window"})).contains("missing field `type`"));
        assert!(refused(json!(3)).contains("a scaling such as"));
    }
}
