//! A bundle from a file, checked through and through.

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

/// Reads a bundle and holds every part of it against every other.
pub fn read(path: &Path) -> Result<Bundle, BundleError> {
    let mut file = File::open(path)?;
    let (header, data_begins) = read_header(&mut file)?;
    let text = header.metadata.get("gatecast").ok_or_else(|| {
        BundleError::Manifest("the metadata have no entry `gatecast`: this is not a model of Gatecast".to_owned())
    })?;
    let manifest = read_manifest(text)?;
    let network = network(&manifest);
    let rows = match manifest.order.data.scaling.has_rows() {
        true => usize::try_from(manifest.series).unwrap_or(usize::MAX),
        false => 1,
    };
    // A misspelt digest would pass for none.
    if let Some(unknown) = header.metadata.keys().find(|key| !KNOWN_METADATA.contains(&key.as_str())) {
        return Err(HeaderError::Json(format!("unknown metadata key `{}`", shorten(unknown))).into());
    }
    let key_bytes = header.tensors.get("scaling.series").and_then(|entry| entry.shape.first()).copied();
    let key_bytes = key_bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default();
    let tensors = table(&network, ScalingSize { rows, columns: manifest.inputs.len(), key_bytes });
    check_names(&header, &tensors)?;

    // From here on every size is one that the file really has.
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
        .map_err(|_| BundleError::Manifest("`scaling.series` is not a JSON array of texts".to_owned()))?;
    let scaler = Scaler::new(manifest.order.data.scaling, manifest.inputs.clone(), keys, mean, std)?;
    Ok(Bundle { manifest, network, parameters, scaler })
}

/// What may stand in the metadata; other writers of safetensors put `format` there.
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
    // From the text once more: a value would have swallowed doubled fields.
    let manifest: Manifest = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text))
        .map_err(|error| wrong(format!("`{}` cannot be read", shorten(&error.path().to_string()))))?;
    check_manifest(&manifest).map_err(wrong)?;
    Ok(manifest)
}

/// What the manifest says in two places must be the same in both.
fn check_manifest(manifest: &Manifest) -> Result<(), String> {
    if let Some(error) = manifest.order.check_fields().first() {
        return Err(format!("`order{}` is out of its range", shorten(&error.pointer.replace('/', "."))));
    }
    if let Some(error) = manifest.order.model.validate_layers().first() {
        return Err(format!("`order{}` contradicts the rest of the model", error.pointer.replace('/', ".")));
    }
    let data = &manifest.order.data;
    if data.targets.is_empty() || manifest.targets != data.targets {
        return Err("`targets` are not those of the order".to_owned());
    }
    check_encodings(&manifest.encodings, data)?;
    if manifest.inputs != features::number_columns(data, &manifest.encodings) {
        return Err("`inputs` are not the order's targets, past and future covariates that are numbers".to_owned());
    }
    let columns = features::input_columns(data);
    if columns.iter().collect::<BTreeSet<_>>().len() < columns.len() {
        return Err("`order.data` names a column twice".to_owned());
    }
    if manifest.context != data.context || manifest.horizon != data.horizon {
        return Err("`context` or `horizon` is not the order's".to_owned());
    }
    if data.future_window > data.horizon {
        return Err("`future_window` is longer than the horizon".to_owned());
    }
    let network = network(manifest);
    if network.inputs > features::MAX_INPUTS {
        return Err(format!("the network would read {} numbers a step, more than are allowed", network.inputs));
    }
    let parameters = network.parameter_count() as u64;
    if parameters > MAX_PARAMETERS.saturating_mul(2) {
        return Err(format!("the network would have {parameters} parameters, more than are allowed"));
    }
    if parameters != manifest.parameters {
        return Err(format!("it counts {} parameters, where its network has {parameters}", manifest.parameters));
    }
    Ok(())
}

/// Every category column of the order has its categories and every static number its scale, and
/// nothing else has.
fn check_encodings(encodings: &Encodings, data: &DataSpec) -> Result<(), String> {
    let covariates = &data.covariates;
    let varying = covariates.past.iter().chain(&covariates.future);
    let mut known: BTreeSet<&str> = varying.chain(&covariates.fixed).map(String::as_str).collect();
    let of_series = encodings.categories.contains_key(features::SERIES);
    if covariates.series && !(of_series && known.insert(features::SERIES)) {
        return Err("`encodings.categories` must hold `series`, and no column of that name".to_owned());
    }
    for (name, texts) in &encodings.categories {
        if !known.contains(name.as_str()) {
            return Err(format!("`encodings.categories` holds `{}`, which is no covariate", shorten(name)));
        }
        if texts.len() > features::MAX_CATEGORIES || !texts.is_sorted_by(|a, b| a < b) {
            return Err(format!("the categories of `{}` are too many, doubled or not in order", shorten(name)));
        }
    }
    let numbers = covariates.fixed.iter().filter(|&name| !encodings.categories.contains_key(name));
    if !numbers.collect::<BTreeSet<_>>().into_iter().eq(encodings.statics.keys()) {
        return Err("`encodings.statics` are not the order's static numbers".to_owned());
    }
    if encodings.lambdas.iter().any(|(name, lambda)| {
        !data.targets.contains(name) && !covariates.past.contains(name) || !(-2.0..=2.0).contains(lambda)
    }) {
        return Err("`encodings.lambdas` holds a column that is not transformed, or a number out of range".to_owned());
    }
    let usable = |scale: &StaticScale| scale.mean.is_finite() && scale.std.is_finite() && scale.std > 0.0;
    if !encodings.statics.values().all(usable) {
        return Err("a scale in `encodings.statics` is not finite, or not above zero".to_owned());
    }
    Ok(())
}

/// Every tensor is there, of the right type and shape, and no other.
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
        return Err(HeaderError::Truncated("it shrank while it was read").into());
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
