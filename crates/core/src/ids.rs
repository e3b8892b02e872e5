//! Ids: UUID v7, so that they sort by creation time. Only the server creates them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The text is not a UUID in its hyphenated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an id: expected a UUID such as 0192d3b4-5f6a-7c81-9e2f-0a1b2c3d4e5f")]
pub struct InvalidId;

/// Accepts only the hyphenated form. Braces, URNs and the 32 digits without hyphens are rejected, so that a resource
/// has one URL.
fn parse(text: &str) -> Result<Uuid, InvalidId> {
    if text.len() != uuid::fmt::Hyphenated::LENGTH {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map_err(|_| InvalidId)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, format = Uuid)]
        pub struct $name(Uuid);

        impl $name {
            /// Creates an id that is greater than every id this process created before.
            #[expect(clippy::new_without_default, reason = "a default id would differ at every call")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

id!(
    /// The id of a dataset, shared by all its revisions.
    DatasetId
);
id!(
    /// The id of a job.
    JobId
);
id!(
    /// The id of a stored model.
    ModelId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let id = JobId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in [
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
            id.uuid().simple().to_string(),
            "../etc/passwd".into(),
            "%2e%2e%2f".into(),
            String::new(),
        ] {
            assert_eq!(text.parse::<JobId>(), Err(InvalidId), "{text}");
        }
    }
}
