//! A bundle into a file.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use gatecast_files::HashingWriter;
use serde_json::{Value, json};

use super::header::TensorEntry;
use super::tensors::{ContentDigest, Holds, Tensor, table};
use super::{Bundle, BundleError};

/// What stands in the file now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub sha256: String,
    pub bytes: u64,
}

/// Writes the bundle beside `path`, syncs it and moves it there, over what was there before.
pub fn write(path: &Path, bundle: &Bundle) -> Result<Written, BundleError> {
    let keys = serde_json::to_vec(bundle.scaler.keys()).map_err(io::Error::from)?;
    let columns = bundle.scaler.columns().len();
    let rows = bundle.scaler.terms().len().checked_div(columns).unwrap_or_default();
    let tensors = table(&bundle.network, (rows, columns), keys.len());
    check(bundle)?;
    let beside = beside(path);
    let written = File::create(&beside).map_err(BundleError::from).and_then(|file| {
        let mut out = HashingWriter::new(BufWriter::new(file));
        write_header(&mut out, bundle, &tensors, &keys)?;
        for tensor in &tensors {
            out.write_all(&bytes(bundle, tensor, &keys))?;
        }
        let (file, (sha256, bytes)) = out.finish();
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&beside, path)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(Written { sha256, bytes })
    });
    if written.is_err() {
        // Best effort: the error that led here says more than one about the remains.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// No bundle leaves that could not be read back.
fn check(bundle: &Bundle) -> Result<(), BundleError> {
    let expected = bundle.network.parameter_count();
    if bundle.parameters.len() != expected {
        return Err(BundleError::Manifest(format!("{} parameters, not {expected}", bundle.parameters.len())));
    }
    let parameters = bundle.network.parameters();
    let unusable = |range: std::ops::Range<usize>| bundle.parameters[range].iter().any(|x| !x.is_finite());
    match parameters.into_iter().find(|parameter| unusable(parameter.range())) {
        Some(parameter) => Err(BundleError::NotFinite(parameter.name)),
        None => Ok(()),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

fn write_header(out: &mut impl Write, bundle: &Bundle, tensors: &[Tensor], keys: &[u8]) -> Result<(), BundleError> {
    let manifest = serde_json::to_string(&bundle.manifest).map_err(io::Error::from)?;
    let mut digest = ContentDigest::new(&manifest);
    tensors.iter().for_each(|tensor| digest.add(&bytes(bundle, tensor, keys)));
    // The entries by hand: their order is the file's, which a map would not keep.
    let metadata = [("gatecast", manifest), ("gatecast.sha256", digest.finish())];
    let metadata = metadata.map(|(key, text)| format!("{}:{}", Value::from(key), Value::from(text))).join(",");
    let mut header = format!("{{\"__metadata__\":{{{metadata}}}");
    let mut end = 0;
    for tensor in tensors {
        let begin = end;
        end += (tensor.shape.iter().product::<usize>() * tensor.holds.width()) as u64;
        let entry = TensorEntry {
            dtype: tensor.holds.dtype().to_owned(),
            shape: tensor.shape.iter().map(|&length| length as u64).collect(),
            data_offsets: [begin, end],
        };
        header.push_str(&format!(",{}:{}", Value::from(tensor.name.as_str()), json!(entry)));
    }
    header.push('}');
    // Blanks, so that the numbers behind stand aligned to eight bytes.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    Ok(())
}

/// A tensor's numbers as they stand in the file.
fn bytes<'a>(bundle: &Bundle, tensor: &Tensor, keys: &'a [u8]) -> Cow<'a, [u8]> {
    let double = |values: &[f64]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    match &tensor.holds {
        Holds::Weights(range) => {
            Cow::Owned(bundle.parameters[range.clone()].iter().flat_map(|x| x.to_le_bytes()).collect())
        }
        Holds::SecondBias(range) => Cow::Owned(vec![0; range.len() * size_of::<f32>()]),
        Holds::Mean => Cow::Owned(double(bundle.scaler.terms())),
        Holds::Std => Cow::Owned(double(bundle.scaler.factors())),
        Holds::SeriesKeys => Cow::Borrowed(keys),
    }
}
