//! Of a safetensors file, what the supervisor needs: that it is whole, and the manifest inside.
//! The tensors are nobody's business here.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

use gatecast_core::model::Manifest;

/// The longest header safetensors allows.
const LONGEST_HEADER: u64 = 100_000_000;

#[derive(Deserialize)]
struct Header {
    #[serde(default, rename = "__metadata__")]
    metadata: HashMap<String, String>,
    #[serde(flatten)]
    tensors: HashMap<String, Tensor>,
}

#[derive(Deserialize)]
struct Tensor {
    data_offsets: (u64, u64),
}

/// The manifest in a model's file.
pub(super) fn manifest(path: &Path) -> io::Result<Manifest> {
    let header = header(path)?;
    let text = header.metadata.get("gatecast").ok_or_else(|| invalid("the model has no manifest"))?;
    serde_json::from_str(text).map_err(io::Error::from)
}

/// The file is as long as its header says.
pub(super) fn is_whole(path: &Path) -> bool {
    header(path).is_ok()
}

fn header(path: &Path) -> io::Result<Header> {
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        return Err(invalid("the header is longer than any"));
    }
    let mut text = Vec::new();
    file.by_ref().take(length).read_to_end(&mut text)?;
    let header: Header = serde_json::from_slice(&text)?;
    let end = header.tensors.values().map(|tensor| tensor.data_offsets.1).max().unwrap_or(0);
    if length.checked_add(8).and_then(|start| start.checked_add(end)) != Some(file.metadata()?.len()) {
        return Err(invalid("the file is not as long as its header says"));
    }
    Ok(header)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
