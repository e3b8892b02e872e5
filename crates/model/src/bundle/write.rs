//! Writes a bundle to a file.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use gatecast_files::safetensors::header_bytes;
use gatecast_files::{HashingWriter, atomic_write};

use super::tensors::{ContentDigest, Holds, ScalingSize, Tensor, table};
use super::{Bundle, BundleError};

/// The hash and length of the file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub sha256: String,
    pub bytes: u64,
}

/// Writes the bundle to `path` and replaces an existing file. A reader finds the old file or the complete new one.
pub fn write(path: &Path, bundle: &Bundle) -> Result<Written, BundleError> {
    check(bundle)?;
    let keys = serde_json::to_vec(bundle.scaler.keys()).map_err(io::Error::from)?;
    let columns = bundle.scaler.columns().len();
    let rows = bundle.scaler.offsets().len().checked_div(columns).unwrap_or_default();
    let tensors = table(&bundle.network, ScalingSize { rows, columns, key_bytes: keys.len() });
    let header = header(bundle, &tensors, &keys)?;
    let mut written = Written { sha256: String::new(), bytes: 0 };
    atomic_write::replace(path, |path| {
        let mut out = HashingWriter::new(BufWriter::new(File::create(path)?));
        out.write_all(&header)?;
        for tensor in &tensors {
            out.write_all(&bytes(bundle, tensor, &keys))?;
        }
        let (mut file, (sha256, bytes)) = out.finish();
        written = Written { sha256, bytes };
        file.flush()
    })?;
    Ok(written)
}

/// Checks that the bundle can be read back. The length of the header is checked where the header is built.
fn check(bundle: &Bundle) -> Result<(), BundleError> {
    let expected = bundle.network.parameter_count();
    if bundle.parameters.len() != expected {
        return Err(BundleError::Manifest(format!(
            "it has {} parameters, expected {expected}",
            bundle.parameters.len()
        )));
    }
    let parameters = bundle.network.parameters();
    let unusable = |range: std::ops::Range<usize>| bundle.parameters[range].iter().any(|x| !x.is_finite());
    match parameters.into_iter().find(|parameter| unusable(parameter.range())) {
        Some(parameter) => Err(BundleError::NotFinite(parameter.name)),
        None => Ok(()),
    }
}

/// The header, which is the start of the file.
fn header(bundle: &Bundle, tensors: &[Tensor], keys: &[u8]) -> Result<Vec<u8>, BundleError> {
    let manifest = serde_json::to_string(&bundle.manifest).map_err(io::Error::from)?;
    let mut digest = ContentDigest::new(&manifest);
    tensors.iter().for_each(|tensor| digest.add(&bytes(bundle, tensor, keys)));
    let digest = digest.finish();
    let entries = tensors.iter().map(|tensor| {
        let shape = tensor.shape.iter().map(|&length| length as u64).collect();
        (tensor.name.as_str(), tensor.holds.dtype(), shape)
    });
    Ok(header_bytes(&[("gatecast", &manifest), ("gatecast.sha256", &digest)], entries)?)
}

/// The bytes of a tensor as stored in the file.
fn bytes<'a>(bundle: &Bundle, tensor: &Tensor, keys: &'a [u8]) -> Cow<'a, [u8]> {
    let double = |values: &[f64]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    match &tensor.holds {
        Holds::Weights(range) => {
            Cow::Owned(bundle.parameters[range.clone()].iter().flat_map(|x| x.to_le_bytes()).collect())
        }
        Holds::SecondBias(range) => Cow::Owned(vec![0; range.len() * size_of::<f32>()]),
        Holds::Mean => Cow::Owned(double(bundle.scaler.offsets())),
        Holds::Std => Cow::Owned(double(bundle.scaler.scales())),
        Holds::SeriesKeys => Cow::Borrowed(keys),
    }
}
