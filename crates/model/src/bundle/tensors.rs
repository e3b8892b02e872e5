//! The tensors of a bundle by PyTorch's names, and the parameters that each one holds.

use std::ops::Range;

use sha2::{Digest, Sha256};

use gatecast_nn::network::{Network, Parameter, Role};

/// One tensor of a bundle.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) holds: Holds,
}

#[derive(Debug, Clone)]
pub(super) enum Holds {
    /// A range of the flat parameters.
    Weights(Range<usize>),
    /// PyTorch's second bias, which is written as zeros because Keras and this crate have only one. If another
    /// program trained it, its values are added to the bias in this range on reading.
    SecondBias(Range<usize>),
    Mean,
    Std,
    /// The keys of the scaled series: a JSON array of strings, as UTF-8 bytes.
    SeriesKeys,
}

impl Holds {
    /// The type's name in safetensors.
    pub(super) fn dtype(&self) -> &'static str {
        match self {
            Self::Weights(_) | Self::SecondBias(_) => "F32",
            Self::Mean | Self::Std => "F64",
            Self::SeriesKeys => "U8",
        }
    }
}

/// The size of a bundle's scaling.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScalingSize {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// The length of the series keys as JSON.
    pub(super) key_bytes: usize,
}

/// All tensors in file order: the widest numbers first, so that each tensor is aligned.
pub(super) fn table(network: &Network, scaling: ScalingSize) -> Vec<Tensor> {
    let ScalingSize { rows, columns, key_bytes } = scaling;
    let scaling = |name: &str, holds| Tensor { name: name.to_owned(), shape: vec![rows, columns], holds };
    let mut tensors = vec![scaling("scaling.mean", Holds::Mean), scaling("scaling.std", Holds::Std)];
    for parameter in network.parameters() {
        push_parameter(network, &parameter, &mut tensors);
    }
    tensors.push(Tensor { name: "scaling.series".to_owned(), shape: vec![key_bytes], holds: Holds::SeriesKeys });
    tensors
}

fn push_parameter(network: &Network, parameter: &Parameter, tensors: &mut Vec<Tensor>) {
    let (place, kind) = match parameter.layer {
        Some(layer) => (format!("recurrent.{layer}"), parameter.name.trim_start_matches("recurrent.")),
        None => ("head".to_owned(), parameter.name.trim_start_matches("head.")),
    };
    let kind = kind.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('.');
    // PyTorch's suffix for the half of a bidirectional layer that reads from the end.
    let (kind, way) = match kind.strip_prefix("reverse.") {
        Some(kind) => (kind, "_reverse"),
        None => (kind, ""),
    };
    let whole = parameter.range();
    if parameter.role == Role::Embedding {
        tensors.push(Tensor {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            holds: Holds::Weights(whole),
        });
        return;
    }
    let mut push = |name: String, shape: Vec<usize>, holds| tensors.push(Tensor { name, shape, holds });
    match (kind, parameter.layer) {
        ("bias", Some(_)) => {
            let rows = parameter.shape.last().copied().unwrap_or_default();
            let first = whole.start..whole.start + rows;
            let cell = network.layer_of(parameter).map(|layer| layer.cell.spec());
            push(format!("{place}.bias_ih_l0{way}"), vec![rows], Holds::Weights(first.clone()));
            // PyTorch has a second bias for every recurrent product.
            if cell.is_some_and(|cell| cell.recurrent_kernel) {
                let own = cell.is_some_and(|cell| cell.recurrent_bias);
                let second = if own { Holds::Weights(first.end..whole.end) } else { Holds::SecondBias(first) };
                push(format!("{place}.bias_hh_l0{way}"), vec![rows], second);
            }
        }
        (kind, layer) => {
            let name = match (kind, layer) {
                ("kernel", Some(_)) => format!("weight_ih_l0{way}"),
                ("kernel", None) => "weight".to_owned(),
                ("bias", None) => "bias".to_owned(),
                ("recurrent_kernel", _) => format!("weight_hh_l0{way}"),
                (norm, _) => {
                    let (norm, part) = norm.split_once('.').unwrap_or((norm, ""));
                    format!("{norm}{way}.{}", if part == "gain" { "weight" } else { "bias" })
                }
            };
            push(format!("{place}.{name}"), parameter.shape.clone(), Holds::Weights(whole));
        }
    }
}

/// The digest of the manifest's text and of every tensor's bytes, in the order of [`table`].
#[derive(Debug)]
pub(super) struct ContentDigest(Sha256);

impl ContentDigest {
    pub(super) fn new(manifest: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update((manifest.len() as u64).to_le_bytes());
        digest.update(manifest.as_bytes());
        Self(digest)
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> String {
        gatecast_files::hex(&self.0.finalize())
    }
}
