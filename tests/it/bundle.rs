//! Model files: their contents, reproducible bytes, and the errors for files that are not valid
//! models.

use std::path::Path;
use std::sync::LazyLock;

use gatecast_core::ids::DatasetId;
use gatecast_core::metric_values::FinalMetrics;
use gatecast_core::model::{Encodings, Manifest, TrainedOn};
use gatecast_core::order::{Cell, Covariates, DataSpec, ModelSpec, Output, Scaling, Split, TrainSpec, TrainingSpec};
use gatecast_model::bundle::{Bundle, network, read, write};
use gatecast_model::scaling::Scaler;
use gatecast_nn::initialise;
use gatecast_nn::network::Role;
use proptest::prelude::*;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

/// Two layers over one target and one past covariate, for two series.
fn sample(cell: Cell, layer_norm: bool) -> Bundle {
    model(cell, layer_norm, &["load"], &["temperature"])
}

/// Two layers over the given columns that read 6 hours and forecast 3, with the scaling of two
/// series.
pub(crate) fn model(cell: Cell, layer_norm: bool, targets: &[&str], past: &[&str]) -> Bundle {
    let inputs = [targets, past].concat();
    let text = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<String>>();
    let order = TrainSpec {
        name: "A small one".to_owned(),
        dataset: DatasetId::new(),
        data: DataSpec {
            targets: text(targets),
            covariates: Covariates { past: text(past), ..Covariates::default() },
            context: 6,
            horizon: 3,
            season: 2,
            split: Split::default(),
            scaling: Scaling::STANDARD,
            ..DataSpec::of("x", 1, 1)
        },
        model: ModelSpec {
            cell,
            layer_norm,
            layers: vec![4.into(), 3.into()],
            output: Output::EveryStep,
            ..ModelSpec::default()
        },
        training: TrainingSpec::default(),
    };
    let mut manifest = Manifest {
        format: 1,
        version: "0.1.0".to_owned(),
        trained_on: TrainedOn { dataset: order.dataset, name: "grid".to_owned(), revision: 1, sha256: "00".repeat(32) },
        inputs: text(&inputs),
        encodings: Encodings::default(),
        targets: text(targets),
        context: 6,
        horizon: 3,
        season: 2,
        order,
        frequency: Some("PT1H".parse().unwrap()),
        series: 2,
        parameters: 0,
        engine: "libtorch".to_owned(),
        device: "cpu".to_owned(),
        threads: 1,
        epochs: 20,
        best_epoch: 17,
        stopped_by: None,
        found_rate: None,
        refit: None,
        finetuned_from: None,
        metrics: FinalMetrics::default(),
    };
    let network = network(&manifest);
    manifest.parameters = network.parameter_count() as u64;
    let mut parameters = initialise(&network, 7);
    // No parameter keeps its initial value, so that a swapped or missing tensor is detected.
    parameters.iter_mut().enumerate().for_each(|(at, x)| *x += at as f32 / 1000.0);
    let scaler = Scaler::new(
        Scaling::STANDARD,
        manifest.inputs.clone(),
        text(&["Süd \"1\"", "north"]),
        [100.5, 20.0, 1e9, -3.0][..2 * inputs.len()].to_vec(),
        [10.0, 5.0, 2e8, 0.5][..2 * inputs.len()].to_vec(),
    );
    Bundle { manifest, network, parameters, scaler: scaler.unwrap() }
}

fn cells() -> impl Iterator<Item = (Cell, bool)> {
    Cell::ALL.into_iter().flat_map(|cell| [(cell, false), (cell, true)])
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_written_bundle_is_read_back_unchanged() {
    let folder = folder();
    for (cell, layer_norm) in cells() {
        let bundle = sample(cell, layer_norm);
        let path = folder.path().join("model.safetensors");
        let written = write(&path, &bundle).unwrap();
        assert_eq!(read(&path).unwrap(), bundle, "{cell:?} {layer_norm}");
        assert_eq!(written.bytes, std::fs::metadata(&path).unwrap().len());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside");
    }
}

#[test]
fn the_same_bundle_gives_the_same_bytes() {
    let folder = folder();
    let bundle = sample(Cell::Lstm, true);
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    assert_eq!(write(&one, &bundle).unwrap(), write(&two, &bundle).unwrap());
    assert_eq!(std::fs::read(one).unwrap(), std::fs::read(two).unwrap());
}

#[test]
fn tensors_have_pytorchs_names_and_layout() {
    let folder = folder();
    let path = folder.path().join("model");
    for (cell, gates, reads_state) in
        [(Cell::SimpleRnn, 1, true), (Cell::Gru, 3, true), (Cell::Lstm, 4, true), (Cell::MinGru, 2, false)]
    {
        let bundle = sample(cell, false);
        write(&path, &bundle).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let shape = |name: &str| tensors.tensor(name).unwrap().shape().to_vec();
        for (layer, inputs, units) in [(0, 2, 4), (1, 4, 3)] {
            assert_eq!(shape(&format!("recurrent.{layer}.weight_ih_l0")), [gates * units, inputs]);
            assert_eq!(shape(&format!("recurrent.{layer}.bias_ih_l0")), [gates * units]);
            if reads_state {
                assert_eq!(shape(&format!("recurrent.{layer}.weight_hh_l0")), [gates * units, units]);
                assert_eq!(shape(&format!("recurrent.{layer}.bias_hh_l0")), [gates * units]);
            }
        }
        assert_eq!(shape("head.weight"), [3, 3]);
        assert_eq!(shape("head.bias"), [3]);
        assert_eq!(shape("scaling.mean"), [2, 2]);
        assert_eq!(tensors.tensor("scaling.std").unwrap().dtype(), Dtype::F64);
        assert_eq!(tensors.len(), if reads_state { 4 } else { 2 } * 2 + 2 + 3);
        if reads_state {
            let second = tensors.tensor("recurrent.0.bias_hh_l0").unwrap();
            let zeros = second.data().iter().all(|&byte| byte == 0);
            assert_eq!(zeros, cell != Cell::Gru, "only the GRU has a second bias");
        }
        let head = tensors.tensor("head.bias").unwrap().data().to_vec();
        let last: Vec<u8> =
            bundle.parameters[bundle.parameters.len() - 3..].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(head, last);
    }
}

#[test]
fn bidirectional_and_mixed_layers_are_read_back_unchanged() {
    let folder = folder();
    let path = folder.path().join("model");
    let mut bundle = sample(Cell::Lstm, true);
    let model = json!({"cell": "lstm", "layer_norm": true, "output": "last_step", "bidirectional": true,
        "layers": [4, {"units": 3, "cell": "gru", "layer_norm": false, "dropout": 0.25}], "dilations": [1, 2]});
    bundle.manifest.order.model = serde_json::from_value(model).unwrap();
    bundle.network = network(&bundle.manifest);
    bundle.parameters = initialise(&bundle.network, 7);
    bundle.manifest.parameters = bundle.parameters.len() as u64;
    write(&path, &bundle).unwrap();
    assert_eq!(read(&path).unwrap(), bundle);
    let bytes = std::fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| tensors.tensor(name).unwrap().shape().to_vec();
    assert_eq!(shape("recurrent.0.weight_ih_l0_reverse"), [16, 2]);
    assert_eq!(shape("recurrent.0.cell_norm_reverse.bias"), [4]);
    assert_eq!(shape("recurrent.1.weight_ih_l0"), [9, 8]);
    assert_eq!(shape("recurrent.1.weight_hh_l0_reverse"), [9, 3]);
    assert_eq!(shape("recurrent.1.bias_hh_l0_reverse"), [9]);
    assert_eq!(shape("head.weight"), [3, 6]);
}

#[test]
fn a_network_that_is_not_finite_is_never_written() {
    let folder = folder();
    let mut bundle = sample(Cell::Gru, false);
    bundle.parameters[10] = f32::NAN;
    let error = write(&folder.path().join("model"), &bundle).unwrap_err();
    assert_eq!(error.code(), "not_finite");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A parsed file: its header, and the bytes after it.
struct Parts {
    header: Value,
    data: Vec<u8>,
}

impl Parts {
    fn of(bundle: &Bundle) -> Self {
        let folder = folder();
        let path = folder.path().join("model");
        write(&path, bundle).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        Self { header, data: bytes[8 + length..].to_vec() }
    }

    fn bytes(&self) -> Vec<u8> {
        assemble(&self.header.to_string(), &self.data)
    }

    /// Changes the manifest and removes the digest, as for a deliberate change.
    fn manifest(&mut self, change: impl FnOnce(&mut Value)) -> &mut Self {
        let metadata = self.header["__metadata__"].as_object_mut().unwrap();
        metadata.remove("gatecast.sha256");
        let mut manifest: Value = serde_json::from_str(metadata["gatecast"].as_str().unwrap()).unwrap();
        change(&mut manifest);
        metadata["gatecast"] = manifest.to_string().into();
        self
    }

    fn undigested(&mut self) -> &mut Self {
        self.manifest(|_| {})
    }

    fn rename(&mut self, from: &str, to: &str) {
        let tensors = self.header.as_object_mut().unwrap();
        let entry = tensors.remove(from).unwrap();
        tensors.insert(to.to_owned(), entry);
    }

    /// The offset of a tensor's first byte.
    fn begin(&self, name: &str) -> usize {
        self.header[name]["data_offsets"][0].as_u64().unwrap() as usize
    }
}

fn assemble(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn read_bytes(bytes: &[u8]) -> Result<Bundle, gatecast_model::bundle::BundleError> {
    let folder = folder();
    let path = folder.path().join("upload");
    std::fs::write(&path, bytes).unwrap();
    read(&path)
}

#[track_caller]
fn refused(bytes: &[u8], code: &str, detail: &str) {
    let error = read_bytes(bytes).expect_err(code);
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(detail), "`{error}` does not say `{detail}`");
}

fn parts() -> Parts {
    Parts::of(&sample(Cell::Lstm, false))
}

#[test]
fn other_file_formats_are_recognised_by_their_first_bytes() {
    refused(b"PK\x03\x04\x14\x00\x00\x08archive/data.pkl", "not_safetensors", "zip");
    refused(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94", "not_safetensors", "pickle");
    refused(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "not_safetensors", "pickle");
    refused(b"\x89HDF\r\n\x1a\n\x00\x00\x00\x00", "not_safetensors", "HDF5");
    refused(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00\x00", "not_safetensors", "gzip");
    refused(b"", "bundle_truncated", "eight bytes");
    refused(b"{}", "bundle_truncated", "eight bytes");
    refused(b"time,value\n2020-01-01,5\n", "invalid_header", "the limit is");
}

#[test]
fn malformed_headers_are_refused() {
    let good = parts();
    let text = good.header.to_string();
    refused(&[&u64::MAX.to_le_bytes()[..], b"{}"].concat(), "invalid_header", "18446744073709551615");
    refused(&[&(1u64 << 24).to_le_bytes()[..], b"{}"].concat(), "bundle_truncated", "longer than the file");
    refused(&assemble(&format!(" {text}"), &good.data), "invalid_header", "start with `{`");
    refused(&assemble(&text[..text.len() - 1], &good.data), "invalid_header", "ends early");
    refused(&assemble(&format!("{text}x"), &good.data), "invalid_header", "not JSON");
    refused(&assemble("{\"\u{0}", b""), "invalid_header", "");
    refused(&[&3u64.to_le_bytes()[..], b"{\xff}"].concat(), "invalid_header", "UTF-8");
    refused(&assemble(&format!("{{\"a\":{}", "[".repeat(250_000)), b""), "invalid_header", "");
    refused(
        &assemble("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", b"0000"),
        "invalid_header",
        "",
    );

    let twice = text.replacen("{", "{\"head.bias\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},", 1);
    refused(&assemble(&twice, &good.data), "invalid_header", "duplicate key `head.bias`");
    let twice = text.replacen("\"__metadata__\":{", "\"__metadata__\":{\"gatecast\":\"{}\",", 1);
    refused(&assemble(&twice, &good.data), "invalid_header", "duplicate key `gatecast`");
    let twice = text.replacen("{", "{\"__metadata__\":{},", 1);
    refused(&assemble(&twice, &good.data), "invalid_header", "duplicate key `__metadata__`");
}

#[test]
fn tensors_must_fill_the_file_without_gaps_or_overlaps() {
    let last = "scaling.series";
    let with = |change: &dyn Fn(&mut Parts)| {
        let mut parts = parts();
        parts.undigested();
        change(&mut parts);
        parts.bytes()
    };
    let offsets = |parts: &mut Parts, name: &str, by: [i64; 2]| {
        for (at, by) in by.into_iter().enumerate() {
            let place = &mut parts.header[name]["data_offsets"][at];
            *place = (place.as_i64().unwrap() + by).into();
        }
    };
    refused(&with(&|p| p.data.push(0)), "invalid_offsets", "1 bytes follow");
    refused(&with(&|p| p.data.truncate(100)), "invalid_offsets", "past the end");
    refused(&with(&|p| (offsets(p, last, [4, 4]), p.data.extend([0; 4])).1), "invalid_offsets", "after a gap");
    refused(&with(&|p| offsets(p, last, [-4, -4])), "invalid_offsets", "overlaps");
    refused(&with(&|p| offsets(p, last, [0, -1])), "invalid_offsets", "do not match its shape");
    let shape = |shape: Value| with(&move |p| p.header["head.bias"]["shape"] = shape.clone());
    refused(&shape(json!([u64::MAX, u64::MAX])), "invalid_offsets", "do not match its shape");
    refused(&shape(json!([1u64 << 32, 1u64 << 32])), "invalid_offsets", "do not match its shape");
    refused(&with(&|p| p.header["head.bias"]["data_offsets"] = json!([8, 4])), "invalid_offsets", "");
    refused(&with(&|p| p.header["head.bias"]["dtype"] = "F4096".into()), "invalid_offsets", "");
}

#[test]
fn tensors_must_match_the_manifests_network() {
    let with = |change: &dyn Fn(&mut Parts)| {
        let mut parts = parts();
        parts.undigested();
        change(&mut parts);
        parts.bytes()
    };
    refused(&with(&|p| p.rename("head.bias", "head.offset")), "missing_tensor", "`head.bias`");
    refused(&with(&|p| p.rename("scaling.mean", "scaling.average")), "missing_tensor", "`scaling.mean`");
    let extra = |p: &mut Parts| {
        let end = p.data.len();
        p.header["optimizer.m"] = json!({"dtype": "U8", "shape": [1], "data_offsets": [end, end + 1]});
        p.data.push(0);
    };
    refused(&with(&extra), "unknown_tensor", "`optimizer.m`");
    refused(
        &with(&|p| p.header["head.bias"]["dtype"] = "I32".into()),
        "wrong_dtype",
        "`head.bias` has type I32, expected F32",
    );
    refused(&with(&|p| p.header["head.bias"]["shape"] = json!([1, 3])), "wrong_shape", "[1, 3]");
    let number = |name: &'static str, bytes: &'static [u8]| {
        with(&move |p| {
            let begin = p.begin(name);
            p.data[begin..begin + bytes.len()].copy_from_slice(bytes);
        })
    };
    const NAN: [u8; 4] = f32::NAN.to_le_bytes();
    const INFINITY: [u8; 4] = f32::INFINITY.to_le_bytes();
    refused(&number("recurrent.1.weight_hh_l0", &NAN), "not_finite", "`recurrent.1.weight_hh_l0`");
    refused(&number("recurrent.0.bias_hh_l0", &INFINITY), "not_finite", "`recurrent.0.bias_hh_l0`");
    const NO_DEVIATION: [u8; 8] = 0f64.to_le_bytes();
    refused(&number("scaling.std", &NO_DEVIATION), "invalid_scaling", "scale");
    refused(&number("scaling.series", b"?"), "invalid_manifest", "`scaling.series`");
}

#[test]
fn a_manifest_that_contradicts_itself_or_the_tensors_is_refused() {
    let with = |change: &dyn Fn(&mut Value)| parts().manifest(change).bytes();
    refused(&with(&|m| m["format"] = json!(2)), "newer_format", "format 2");
    refused(&with(&|m| m["format"] = json!(u64::MAX)), "newer_format", "formats up to 1");
    refused(&with(&|m| m["format"] = json!(0)), "invalid_manifest", "`format`");
    refused(&with(&|m| m["format"] = json!("1")), "invalid_manifest", "`format`");
    refused(&with(&|m| *m = json!([])), "invalid_manifest", "`format`");
    refused(&with(&|m| m["order"]["model"]["cell"] = json!("transformer")), "invalid_manifest", "order.model.cell");
    refused(&with(&|m| m["order"]["model"]["cell"] = json!("gru")), "invalid_manifest", "parameters");
    refused(&with(&|m| m["order"]["model"]["layer_norm"] = json!(true)), "invalid_manifest", "parameters");
    refused(&with(&|m| m["order"]["model"]["layers"] = json!([4, 4])), "invalid_manifest", "parameters");
    refused(&with(&|m| m["order"]["model"]["layers"] = json!([u64::MAX])), "invalid_manifest", "order.model.layers");
    refused(
        &with(&|m| m["order"]["model"]["layers"] = json!(vec![8192; 32])),
        "invalid_manifest",
        "more than the limit",
    );
    refused(&with(&|m| m["order"]["model"]["layers"] = json!([])), "invalid_manifest", "order.model.layers");
    refused(&with(&|m| m["order"]["model"]["bidirectional"] = json!(true)), "invalid_manifest", "model.bidirectional");
    refused(&with(&|m| m["order"]["training"]["epochs"] = json!(0)), "invalid_manifest", "order.training.epochs");
    refused(&with(&|m| m["horizon"] = json!(4)), "invalid_manifest", "`horizon`");
    refused(&with(&|m| m["context"] = json!(0)), "invalid_manifest", "`context`");
    refused(&with(&|m| m["inputs"] = json!(["load"])), "invalid_manifest", "`inputs`");
    refused(&with(&|m| m["targets"] = json!([])), "invalid_manifest", "`targets`");
    refused(&with(&|m| m["series"] = json!(3)), "wrong_shape", "`scaling.mean`");
    refused(&with(&|m| m["series"] = json!(u64::MAX)), "wrong_shape", "`scaling.mean`");
    refused(&with(&|m| m["parameters"] = json!(5)), "invalid_manifest", "`parameters` is 5");

    let mut without = parts();
    without.header["__metadata__"] = json!({"format": "pt"});
    refused(&without.bytes(), "invalid_manifest", "`gatecast`");
    let mut text = parts();
    text.header["__metadata__"]["gatecast"] = "{\"format\": 1".into();
    refused(&text.bytes(), "invalid_manifest", "not JSON");
    let mut changed = parts();
    let manifest = changed.header["__metadata__"]["gatecast"].as_str().unwrap().replace("A small one", "A large one");
    changed.header["__metadata__"]["gatecast"] = manifest.into();
    refused(&changed.bytes(), "digest_mismatch", "digest");
    let mut misspelt = parts();
    let digest = misspelt.header["__metadata__"].as_object_mut().unwrap().remove("gatecast.sha256").unwrap();
    misspelt.header["__metadata__"]["gatecast.sha255"] = digest;
    refused(&misspelt.bytes(), "invalid_header", "`gatecast.sha255`");
}

#[test]
fn pytorchs_second_bias_is_added_on_import() {
    let bundle = sample(Cell::Lstm, false);
    let mut parts = Parts::of(&bundle);
    parts.undigested();
    let begin = parts.begin("recurrent.0.bias_hh_l0");
    parts.data[begin..begin + 4].copy_from_slice(&0.5f32.to_le_bytes());
    let read = read_bytes(&parts.bytes()).unwrap();
    let layout = bundle.network.parameters();
    let bias = layout.iter().find(|parameter| parameter.role == Role::Bias).unwrap();
    assert_eq!(read.parameters[bias.offset], bundle.parameters[bias.offset] + 0.5);
    assert_eq!(read.parameters[bias.offset + 1..], bundle.parameters[bias.offset + 1..]);
}

#[test]
fn a_missing_file_is_an_io_error() {
    assert_eq!(read(Path::new("/nowhere/at/all")).unwrap_err().code(), "bundle_io");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// However the bytes are damaged, reading returns an error or the model that was written.
    #[test]
    fn a_damaged_bundle_is_never_loaded(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..=255), 1..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        static WRITTEN: LazyLock<(Bundle, Vec<u8>)> = LazyLock::new(|| {
            let bundle = sample(Cell::Gru, true);
            let bytes = Parts::of(&bundle).bytes();
            (bundle, bytes)
        });
        let (bundle, mut bytes) = WRITTEN.clone();
        for (at, mask) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(read) = read_bytes(&bytes) {
            prop_assert_eq!(read, bundle);
        }
    }
}
