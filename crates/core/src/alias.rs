//! Aliases: names that refer to models.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::ModelId;
use super::schema::text_schema;

/// A movable name for a model. `@name` is accepted wherever a model id is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AliasName(String);

text_schema!(
    AliasName,
    "AliasName",
    "best-rail",
    "alias",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
    "1 to 64 letters, digits, `-`, `_` and `.`, a letter or digit first."
);

/// The text is not a valid alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a name for a model: expected 1 to 64 letters, digits, `-`, `_` and `.`, a letter or digit first")]
pub struct InvalidAlias;

impl AliasName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AliasName {
    type Err = InvalidAlias;
    fn from_str(text: &str) -> Result<Self, InvalidAlias> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if first && text.len() <= 64 && text.bytes().all(plain) { Ok(Self(text.to_owned())) } else { Err(InvalidAlias) }
    }
}

impl TryFrom<String> for AliasName {
    type Error = InvalidAlias;
    fn try_from(text: String) -> Result<Self, InvalidAlias> {
        text.parse()
    }
}

impl From<AliasName> for String {
    fn from(name: AliasName) -> String {
        name.0
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An alias and the model that it currently refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Alias {
    pub name: AliasName,
    pub model: ModelId,
    /// When the alias was last set.
    pub updated_at: jiff::Timestamp,
}

/// A model, given by its id or by `@` and an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ModelRef {
    Id(ModelId),
    Alias(AliasName),
}

text_schema!(
    ModelRef,
    "ModelRef",
    "@best-rail",
    "model-reference",
    r"^(@[A-Za-z0-9][A-Za-z0-9._-]{0,63}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$",
    "A model's id, or `@` and its alias."
);

/// The text is neither a model id nor `@` and an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("names no model: expected an id such as 0192d3b4-5f6a-7c81-9e2f-0a1b2c3d4e5f, or `@` and an alias")]
pub struct InvalidModelRef;

impl FromStr for ModelRef {
    type Err = InvalidModelRef;
    fn from_str(text: &str) -> Result<Self, InvalidModelRef> {
        match text.strip_prefix('@') {
            Some(alias) => alias.parse().map(Self::Alias).map_err(|_| InvalidModelRef),
            None => text.parse().map(Self::Id).map_err(|_| InvalidModelRef),
        }
    }
}

impl TryFrom<String> for ModelRef {
    type Error = InvalidModelRef;
    fn try_from(text: String) -> Result<Self, InvalidModelRef> {
        text.parse()
    }
}

impl From<ModelRef> for String {
    fn from(model: ModelRef) -> String {
        model.to_string()
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Alias(name) => write!(f, "@{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alias_names_and_model_refs_are_parsed() {
        let id = ModelId::new();
        assert_eq!(id.to_string().parse(), Ok(ModelRef::Id(id)));
        assert_eq!("@best.rail-2".parse::<ModelRef>().map(String::from), Ok("@best.rail-2".to_owned()));
        for wrong in ["", "@", "@-x", "@a b", "@a/b", "best", "@é", &format!("@{}", "x".repeat(65))] {
            assert_eq!(wrong.parse::<ModelRef>(), Err(InvalidModelRef), "{wrong}");
        }
    }
}
