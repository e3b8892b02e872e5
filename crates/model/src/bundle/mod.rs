//! A model as one file: safetensors, with the manifest as JSON in its metadata.
//!
//! Tensors have PyTorch's names, layout and gate order, so the plain cells load into `torch.nn` modules unchanged.
//! The same bundle always produces the same bytes, because tensors and keys are written in a fixed order. A file is
//! written to a temporary path, synced and renamed, so a reader finds a complete file or none.
//!
//! Reading does not trust the file. The header is checked against the rules of the format, which common parsers relax
//! (duplicate keys, whitespace before the header, shapes whose size overflows). Each tensor and each number is
//! checked against the manifest, and the whole file against a digest in the metadata. The digest is optional, so a
//! file that was edited on purpose may lack it: the checks then prove that the file is a valid model, but not where
//! it comes from. Memory is bounded by the size of the file, never by sizes that the file declares.

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

/// Everything that a forecast needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    pub manifest: Manifest,
    pub network: Network,
    /// In the layout of [`Network::parameters`].
    pub parameters: Vec<f32>,
    pub scaler: Scaler,
}

/// A bundle could not be read or written, or the file is not a valid bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("cannot read or write the bundle: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Header(HeaderError),
    #[error("the bundle has format {found}, but this program reads formats up to {newest}: upgrade the program")]
    Newer { found: u64, newest: u32 },
    #[error("the manifest is invalid: {0}")]
    Manifest(String),
    #[error("tensor `{0}` is missing")]
    MissingTensor(String),
    #[error("tensor `{0}` does not belong to the network in the manifest")]
    UnknownTensor(String),
    #[error("tensor `{name}` has type {found}, expected {expected}")]
    WrongDtype { name: String, found: String, expected: &'static str },
    #[error("tensor `{name}` has shape {found:?}, but the network in the manifest needs {expected:?}")]
    WrongShape { name: String, found: Vec<u64>, expected: Vec<usize> },
    #[error("tensor `{0}` contains a number that is not finite")]
    NotFinite(String),
    #[error("the scaling is invalid: {0}")]
    Scaling(#[from] ScalerError),
    #[error("the contents of the file do not match its digest: the file is damaged or was edited")]
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
    /// A stable code for programs.
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
