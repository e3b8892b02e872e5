//! The errors of stored documents.

/// A stored document that this program cannot read. Only the job or model that it belongs to is affected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Written by a newer program.
    #[error("it has version {found}, and this program reads up to version {newest}: use the newer program")]
    Newer { found: u64, newest: u64 },
    /// Not valid JSON, or does not fit its type.
    #[error("it cannot be read: {0}")]
    Damaged(String),
}
