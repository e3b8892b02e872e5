//! A model as one file: safetensors, with the manifest as JSON in its metadata.
//!
//! Tensors carry PyTorch's names, layout and gate order, so that the plain cells load into
//! `torch.nn` modules as they are. The same bundle gives the same bytes: tensors and keys stand in
//! one order. A file is written beside its place, synced and renamed, so that a reader finds a
//! whole one or none.
//!
//! Reading trusts nothing. The header is held against the form's own rules (which parsers in use
//! bend: doubled keys, blanks before the header, shapes whose size overflows), the tensors against
//! the manifest, one by one and number by number, and all of it against a digest in the metadata.
//! A file that someone changed on purpose can lack the digest: what is checked then is that it is
//! a model, not whose. Memory is bounded by the file's size, never by what the file claims.

mod read;
mod tensors;
mod write;

use gatecast_core::model::Manifest;
use gatecast_files::safetensors::HeaderError;
use gatecast_nn::network::Network;

use super::build;
use super::features::Layout;
use super::scaling::{Scaler, ScalerError};

pub use read::read;
pub use write::{Written, write};

/// All that a forecast needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    pub manifest: Manifest,
    pub network: Network,
    /// As [`Network::parameters`] lays them out.
    pub parameters: Vec<f32>,
    pub scaler: Scaler,
}

/// A file is no bundle, or none of ours; or it could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("the bundle's file: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Header(HeaderError),
    #[error("the bundle has format {found}; this program reads formats up to {newest}")]
    Newer { found: u64, newest: u32 },
    #[error("the manifest is wrong: {0}")]
    Manifest(String),
    #[error("tensor `{0}` is missing")]
    MissingTensor(String),
    #[error("tensor `{0}` does not belong to this network")]
    UnknownTensor(String),
    #[error("tensor `{name}` holds {found} where {expected} is expected")]
    WrongDtype { name: String, found: String, expected: &'static str },
    #[error("tensor `{name}` has shape {found:?} where the manifest's network has {expected:?}")]
    WrongShape { name: String, found: Vec<u64>, expected: Vec<usize> },
    #[error("tensor `{0}` holds a number that is not finite")]
    NotFinite(String),
    #[error("the scaling is wrong: {0}")]
    Scaling(#[from] ScalerError),
    #[error("the file's contents do not give its digest: it was damaged, or changed by hand")]
    Digest,
}

impl From<HeaderError> for BundleError {
    fn from(error: HeaderError) -> Self {
        match error {
            HeaderError::Io(error) => Self::Io(error),
            error => Self::Header(error),
        }
    }
}

impl BundleError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "bundle_io",
            Self::Header(HeaderError::Io(_)) => "bundle_io",
            Self::Header(HeaderError::NotSafetensors(_)) => "not_safetensors",
            Self::Header(HeaderError::Truncated(_)) => "bundle_truncated",
            Self::Header(HeaderError::Json(_) | HeaderError::TooLong(_)) => "invalid_header",
            Self::Header(HeaderError::Offsets(_)) => "invalid_offsets",
            Self::Newer { .. } => "newer_format",
            Self::Manifest(_) => "invalid_manifest",
            Self::MissingTensor(_) => "missing_tensor",
            Self::UnknownTensor(_) => "unknown_tensor",
            Self::WrongDtype { .. } => "wrong_dtype",
            Self::WrongShape { .. } => "wrong_shape",
            Self::NotFinite(_) => "not_finite",
            Self::Scaling(_) => "invalid_scaling",
            Self::Digest => "digest_mismatch",
        }
    }
}

/// The network that a manifest describes.
pub fn network(manifest: &Manifest) -> Network {
    let points = manifest.horizon * manifest.targets.len();
    let layout = Layout::of(&manifest.order.data, &manifest.encodings);
    let mut network = build::network(&manifest.order.model, layout.width(), points);
    network.embeddings = layout.embeddings().to_vec();
    network
}
