//! Weight initialisers, with Keras's names.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::string_or_struct::{Forms, deserialize_forms, tagged};

/// The maximum of an initialiser's parameters.
const MOST: f64 = 1e6;

/// The distribution that a variable's initial weights are drawn from. `docs/models.md` has the equations.
///
/// In JSON, a name alone (`"he_normal"`) uses the default parameters, and an object sets them
/// (`{"type": "random_normal", "stddev": 0.01}`). Initialisers without parameters are empty struct variants, not unit
/// variants, which would silently accept any field.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Initializer {
    Zeros {},
    Ones {},
    Constant {
        #[serde(default)]
        value: f64,
    },
    RandomNormal {
        #[serde(default)]
        mean: f64,
        #[serde(default = "twentieth")]
        stddev: f64,
    },
    RandomUniform {
        #[serde(default = "minus_twentieth")]
        minval: f64,
        #[serde(default = "twentieth")]
        maxval: f64,
    },
    /// A normal distribution, truncated at two standard deviations.
    TruncatedNormal {
        #[serde(default)]
        mean: f64,
        #[serde(default = "twentieth")]
        stddev: f64,
    },
    GlorotUniform {},
    GlorotNormal {},
    HeUniform {},
    HeNormal {},
    LecunUniform {},
    LecunNormal {},
    Orthogonal {
        #[serde(default = "one")]
        gain: f64,
    },
    Identity {
        #[serde(default = "one")]
        gain: f64,
    },
}

fn twentieth() -> f64 {
    0.05
}

fn minus_twentieth() -> f64 {
    -0.05
}

fn one() -> f64 {
    1.0
}

impl Initializer {
    const NAMES: [&str; 14] = [
        "zeros",
        "ones",
        "constant",
        "random_normal",
        "random_uniform",
        "truncated_normal",
        "glorot_uniform",
        "glorot_normal",
        "he_uniform",
        "he_normal",
        "lecun_uniform",
        "lecun_normal",
        "orthogonal",
        "identity",
    ];

    /// The parameters that an initialiser has, each with its minimum.
    fn numbers(name: &str) -> &'static [(&'static str, f64)] {
        match name {
            "constant" => &[("value", -MOST)],
            "random_normal" | "truncated_normal" => &[("mean", -MOST), ("stddev", 0.0)],
            "random_uniform" => &[("minval", -MOST), ("maxval", -MOST)],
            "orthogonal" | "identity" => &[("gain", 0.0)],
            _ => &[],
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Zeros {} => "zeros",
            Self::Ones {} => "ones",
            Self::Constant { .. } => "constant",
            Self::RandomNormal { .. } => "random_normal",
            Self::RandomUniform { .. } => "random_uniform",
            Self::TruncatedNormal { .. } => "truncated_normal",
            Self::GlorotUniform {} => "glorot_uniform",
            Self::GlorotNormal {} => "glorot_normal",
            Self::HeUniform {} => "he_uniform",
            Self::HeNormal {} => "he_normal",
            Self::LecunUniform {} => "lecun_uniform",
            Self::LecunNormal {} => "lecun_normal",
            Self::Orthogonal { .. } => "orthogonal",
            Self::Identity { .. } => "identity",
        }
    }
}

impl Serialize for Initializer {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match Self::of_text::<serde::de::value::Error>(self.name()) {
            Ok(usual) if usual == *self => to.serialize_str(self.name()),
            _ => Self::serialize(self, to),
        }
    }
}

deserialize_forms!(Initializer);

/// An initialiser in its object form.
pub(super) struct InitializerObject(Initializer);

impl<'de> Deserialize<'de> for InitializerObject {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // Calls the derived inherent function for the object form, not the trait's function.
        Initializer::deserialize(from).map(Self)
    }
}

impl Forms<'_> for Initializer {
    const EXPECTED: &'static str = "a name such as \"he_normal\", or {\"type\": \"random_normal\", \"stddev\": 0.05}";
    type Object = InitializerObject;

    fn of_object<E: Error>(InitializerObject(initializer): InitializerObject) -> Result<Self, E> {
        Ok(initializer)
    }

    fn of_text<E: Error>(text: &str) -> Result<Self, E> {
        tagged(text).map(|InitializerObject(initializer)| initializer)
    }
}

impl PartialSchema for Initializer {
    fn schema() -> RefOr<Schema> {
        let words = |names: &[&str]| ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names.to_vec()));
        let mut schema = OneOfBuilder::new()
            .description(Some("How weights begin: a name of Keras's, or an object that sets its numbers."))
            .item(words(&Self::NAMES));
        for name in Self::NAMES {
            let mut object = ObjectBuilder::new().property("type", words(&[name])).required("type");
            for &(field, least) in Self::numbers(name) {
                let number = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(least)).maximum(Some(MOST));
                object = object.property(field, number);
            }
            schema = schema.item(object);
        }
        schema.into()
    }
}

impl ToSchema for Initializer {
    fn name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed("Initializer")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_initializer_name_uses_default_parameters() {
        for name in Initializer::NAMES {
            let read: Initializer = serde_json::from_value(json!(name)).unwrap();
            assert_eq!(read.name(), name);
            assert_eq!(serde_json::to_value(read).unwrap(), json!(name));
            assert_eq!(serde_json::from_value::<Initializer>(json!({"type": name})).unwrap(), read);
        }
        let normal: Initializer = serde_json::from_value(json!("truncated_normal")).unwrap();
        assert_eq!(normal, Initializer::TruncatedNormal { mean: 0.0, stddev: 0.05 });
    }

    #[test]
    fn explicit_initializer_parameters_are_kept() {
        let written = json!({"type": "random_uniform", "minval": -0.1, "maxval": 0.05});
        let read: Initializer = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), written);
    }

    #[test]
    fn invalid_initializers_are_rejected_with_a_reason() {
        for (written, reason) in [
            (json!("glorot"), "unknown variant `glorot`"),
            (json!({"type": "he_normal", "stddev": 1}), "unknown field `stddev`"),
            (json!({"type": "orthogonal", "gain": "big"}), "expected f64"),
            (json!(1), "a name such as"),
        ] {
            let error = serde_json::from_value::<Initializer>(written.clone()).unwrap_err().to_string();
            assert!(error.contains(reason), "{written}: {error}");
        }
    }
}
