//! Reads a bundle from a file and checks it completely.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::tensors::{ContentDigest, Holds, ScalingSize, Tensor, table};
use super::{Bundle, BundleError, network};
use crate::features;
use crate::scaling::Scaler;
use gatecast_core::model::{BUNDLE_FORMAT, Encodings, Manifest, StaticScale};
use gatecast_core::order::DataSpec;
use gatecast_core::resolve::MAX_PARAMETERS;
use gatecast_files::safetensors::{Header, HeaderError, TensorEntry, read_header, shorten};

/// Reads a bundle and checks that all its parts are consistent.
pub fn read(path: &Path) -> Result<Bundle, BundleError> {
    let mut file = File::open(path)?;
    let (header, data_begins) = read_header(&mut file)?;
    let text = header.metadata.get("gatecast").ok_or_else(|| {
        BundleError::Manifest("the metadata has no key `gatecast`: this is not a Gatecast model".to_owned())
    })?;
    let manifest = read_manifest(text)?;
    let network = network(&manifest);
    let rows = match manifest.order.data.scaling.has_rows() {
        true => usize::try_from(manifest.series).unwrap_or(usize::MAX),
        false => 1,
    };
    // A misspelt digest key would otherwise be read as a missing digest.
    if let Some(unknown) = header.metadata.keys().find(|key| !KNOWN_METADATA.contains(&key.as_str())) {
        return Err(HeaderError::Json(format!("unknown metadata key `{}`", shorten(unknown))).into());
    }
    let key_bytes = header.tensors.get("scaling.series").and_then(|entry| entry.shape.first()).copied();
    let key_bytes = key_bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default();
    let tensors = table(&network, ScalingSize { rows, columns: manifest.inputs.len(), key_bytes });
    check_names(&header, &tensors)?;

    // From here on, every size is backed by bytes in the file.
    let mut digest = ContentDigest::new(text);
    let mut parameters = vec![0.0; network.parameter_count()];
    let (mut mean, mut std, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for tensor in &tensors {
        let bytes = read_tensor(&mut file, data_begins, &header, tensor)?;
        digest.add(&bytes);
        match &tensor.holds {
            Holds::Weights(range) => {
                for (to, number) in parameters[range.clone()].iter_mut().zip(singles(&bytes)) {
                    *to = number;
                }
            }
            Holds::SecondBias(range) => {
                for (to, number) in parameters[range.clone()].iter_mut().zip(singles(&bytes)) {
                    // Not `+= 0`, which would turn −0 into 0.
                    if number != 0.0 {
                        *to += number;
                    }
                }
            }
            Holds::Mean => mean = doubles(&bytes),
            Holds::Std => std = doubles(&bytes),
            Holds::SeriesKeys => keys = bytes,
        }
        if let Holds::Weights(range) | Holds::SecondBias(range) = &tensor.holds
            && !parameters[range.clone()].iter().all(|number| number.is_finite())
        {
            return Err(BundleError::NotFinite(tensor.name.clone()));
        }
    }
    if header.metadata.get("gatecast.sha256").is_some_and(|expected| *expected != digest.finish()) {
        return Err(BundleError::Digest);
    }
    let keys: Vec<String> = serde_json::from_slice(&keys)
        .map_err(|_| BundleError::Manifest("`scaling.series` is not a JSON array of strings".to_owned()))?;
    let scaler = Scaler::new(manifest.order.data.scaling, manifest.inputs.clone(), keys, mean, std)?;
    Ok(Bundle { manifest, network, parameters, scaler })
}

/// The metadata keys that are allowed. Other safetensors writers add `format`.
const KNOWN_METADATA: [&str; 3] = ["gatecast", "gatecast.sha256", "format"];

fn read_manifest(text: &str) -> Result<Manifest, BundleError> {
    let wrong = |detail: String| BundleError::Manifest(detail);
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| wrong("it is not JSON".to_owned()))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(found) if found > u64::from(BUNDLE_FORMAT) => {
            return Err(BundleError::Newer { found, newest: BUNDLE_FORMAT });
        }
        Some(found) if found == u64::from(BUNDLE_FORMAT) => {}
        _ => return Err(wrong(format!("`format` must be {BUNDLE_FORMAT}"))),
    }
    // Parses the text again, because a `Value` silently drops duplicate fields.
    let manifest: Manifest = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text))
        .map_err(|error| wrong(format!("`{}` cannot be read", shorten(&error.path().to_string()))))?;
    check_manifest(&manifest).map_err(wrong)?;
    Ok(manifest)
}

/// Checks that values which the manifest contains twice agree.
fn check_manifest(manifest: &Manifest) -> Result<(), String> {
    if let Some(error) = manifest.order.check_fields().first() {
        return Err(format!("`order{}` is out of range", shorten(&error.pointer.replace('/', "."))));
    }
    if let Some(error) = manifest.order.model.validate_layers().first() {
        return Err(format!("`order{}` contradicts the rest of the model", error.pointer.replace('/', ".")));
    }
    let data = &manifest.order.data;
    if data.targets.is_empty() || manifest.targets != data.targets {
        return Err("`targets` differ from those in `order`".to_owned());
    }
    check_encodings(&manifest.encodings, data)?;
    if manifest.inputs != features::number_columns(data, &manifest.encodings) {
        return Err("`inputs` must be the targets and the numeric past and future covariates in `order`".to_owned());
    }
    let columns = features::input_columns(data);
    if columns.iter().collect::<BTreeSet<_>>().len() < columns.len() {
        return Err("`order.data` contains a duplicate column".to_owned());
    }
    if manifest.context != data.context || manifest.horizon != data.horizon {
        return Err("`context` or `horizon` differs from `order`".to_owned());
    }
    if data.future_window > data.horizon {
        return Err("`future_window` is longer than the horizon".to_owned());
    }
    let network = network(manifest);
    if network.inputs > features::MAX_INPUTS {
        return Err(format!("the network would read {} inputs per step, which is more than the limit", network.inputs));
    }
    let parameters = network.parameter_count() as u64;
    if parameters > MAX_PARAMETERS.saturating_mul(2) {
        return Err(format!("the network would have {parameters} parameters, which is more than the limit"));
    }
    if parameters != manifest.parameters {
        return Err(format!("`parameters` is {}, but the network has {parameters}", manifest.parameters));
    }
    Ok(())
}

/// Checks that each category column of the spec has categories and each static number a scale, and that nothing else
/// has.
fn check_encodings(encodings: &Encodings, data: &DataSpec) -> Result<(), String> {
    let covariates = &data.covariates;
    let varying = covariates.past.iter().chain(&covariates.future);
    let mut known: BTreeSet<&str> = varying.chain(&covariates.fixed).map(String::as_str).collect();
    let of_series = encodings.categories.contains_key(features::SERIES);
    if covariates.series && !(of_series && known.insert(features::SERIES)) {
        return Err("`encodings.categories` must contain `series`, and no column may have that name".to_owned());
    }
    for (name, texts) in &encodings.categories {
        if !known.contains(name.as_str()) {
            return Err(format!("`encodings.categories` contains `{}`, which is not a covariate", shorten(name)));
        }
        if texts.len() > features::MAX_CATEGORIES || !texts.is_sorted_by(|a, b| a < b) {
            return Err(format!(
                "the categories of `{}` are too many, contain duplicates or are not sorted",
                shorten(name)
            ));
        }
    }
    let numbers = covariates.fixed.iter().filter(|&name| !encodings.categories.contains_key(name));
    if !numbers.collect::<BTreeSet<_>>().into_iter().eq(encodings.statics.keys()) {
        return Err("`encodings.statics` must be the static numbers in `order`".to_owned());
    }
    if encodings.lambdas.iter().any(|(name, lambda)| {
        !data.targets.contains(name) && !covariates.past.contains(name) || !(-2.0..=2.0).contains(lambda)
    }) {
        return Err("`encodings.lambdas` contains a column that is not transformed, or a number that is out of range"
            .to_owned());
    }
    let usable = |scale: &StaticScale| scale.mean.is_finite() && scale.std.is_finite() && scale.std > 0.0;
    if !encodings.statics.values().all(usable) {
        return Err("a scale in `encodings.statics` is not finite or not greater than zero".to_owned());
    }
    Ok(())
}

/// Checks that every tensor is present with the right type and shape, and that there is no other.
fn check_names(header: &Header, tensors: &[Tensor]) -> Result<(), BundleError> {
    for tensor in tensors {
        let name = || tensor.name.clone();
        let entry = header.tensors.get(&tensor.name).ok_or_else(|| BundleError::MissingTensor(name()))?;
        if entry.dtype != tensor.holds.dtype() {
            let found = shorten(&entry.dtype);
            return Err(BundleError::WrongDtype { name: name(), found, expected: tensor.holds.dtype() });
        }
        if !entry.shape.iter().copied().eq(tensor.shape.iter().map(|&length| length as u64)) {
            let found = entry.shape.iter().copied().take(8).collect();
            return Err(BundleError::WrongShape { name: name(), found, expected: tensor.shape.clone() });
        }
    }
    let known: BTreeSet<&String> = tensors.iter().map(|tensor| &tensor.name).collect();
    match header.tensors.keys().find(|name| !known.contains(name)) {
        Some(name) => Err(BundleError::UnknownTensor(shorten(name))),
        None => Ok(()),
    }
}

fn read_tensor(file: &mut File, begins: u64, header: &Header, tensor: &Tensor) -> Result<Vec<u8>, BundleError> {
    let entry = header.tensors.get(&tensor.name);
    let TensorEntry { data_offsets: [from, to], .. } =
        entry.ok_or_else(|| BundleError::MissingTensor(tensor.name.clone()))?;
    file.seek(SeekFrom::Start(begins + from))?;
    let mut bytes = Vec::new();
    file.by_ref().take(to - from).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != to - from {
        return Err(HeaderError::Truncated("it shrank while being read").into());
    }
    Ok(bytes)
}

fn singles(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers.iter().map(|&number| f32::from_le_bytes(number))
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    let (numbers, _) = bytes.as_chunks::<8>();
    numbers.iter().map(|&number| f64::from_le_bytes(number)).collect()
}
