//! The fuzz targets' checks as property tests on valid inputs with random damage. The fuzzer itself needs a nightly toolchain.

#[path = "../../fuzz/bodies.rs"]
mod bodies;

use std::sync::LazyLock;

use gatecast_core::order::Cell;
use gatecast_data::{Encoding, UploadOptions, ingest};
use proptest::prelude::*;

/// Uploads of each format and layout.
const UPLOADS: [&str; 5] = [
    "time,series,load,kind\n2020-01-01,a,1.5,x\n2020-01-02,a,,y\n2020-01-01,b,3e5,x\n",
    "date;north;south\r\n01/02/2020;1,5;2\r\n02/02/2020;3;\"4\"\r\n",
    "north,1,2,3,4\nsouth,5,6,7,8\n",
    r#"[{"time": "2020-01-01T00:00:00Z", "load": 1}, {"time": "2020-01-02T00:00:00Z", "load": null}]"#,
    "{\"time\": 1577836800, \"load\": 1}\n{\"time\": 1577923200, \"load\": 2.5}\n",
];
/// Tokens that often break parsers.
const TOKENS: [&str; 24] = [
    "\0",
    "\n",
    "\r\n",
    ",",
    ";",
    "\t",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    "null",
    "1e999",
    "-0",
    "NaN",
    "9999-12-31",
    "\u{feff}",
    "\u{fffd}",
    "é",
    "2020-02-30",
    "99999999999999999999",
    " ",
];
/// Job requests of each kind, with many fields.
const JOBS: [&str; 5] = [
    r#"{"kind": "train", "dataset": "01a2079d-6bd4-709b-8896-10d3748cdb4d", "data": {"targets": ["x"], "context": 8, "horizon": 2,
        "scaling": {"type": "standard", "per": "series"}, "lags": [2, 7]}, "model": {"cell": "lstm", "layers": [8, {"units": 4}]},
        "training": {"epochs": 3, "optimizer": {"type": "adam", "learning_rate": 0.01}, "early_stopping": {"patience": 2}}}"#,
    r#"{"kind": "compare", "base": {"dataset": "01a2079d-6bd4-709b-8896-10d3748cdb4d"}, "cells": ["lstm", "gru"],
        "seeds": [1, 2], "variants": [{"model": {"layers": [4]}}]}"#,
    r#"{"kind": "search", "base": {"dataset": "01a2079d-6bd4-709b-8896-10d3748cdb4d", "training": {"optimizer": {"type": "adam"}}},
        "method": {"type": "random"}, "budget": {"trials": 4}, "ranges": [{"path": "/training/optimizer/learning_rate", "log_uniform": [0.0001, 0.1]}]}"#,
    r#"{"kind": "finetune", "model": "@best", "dataset": "01a2079d-6bd4-709b-8896-10d3748cdb4d", "training": {"epochs": 2}}"#,
    r#"{"kind": "backtest", "model": "@best", "dataset": "01a2079d-6bd4-709b-8896-10d3748cdb4d", "folds": 3, "until": "2020-01-01"}"#,
];

/// One change to a text or file.
#[derive(Debug, Clone)]
enum Damage {
    Put(prop::sample::Index, &'static str),
    Cut(prop::sample::Index, usize),
    Double(prop::sample::Index, usize),
    Flip(prop::sample::Index, u8),
    End(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => (at(), prop::sample::select(&TOKENS[..])).prop_map(|(at, token)| Damage::Put(at, token)),
        2 => (at(), 1..40usize).prop_map(|(at, length)| Damage::Cut(at, length)),
        2 => (at(), 1..200usize).prop_map(|(at, length)| Damage::Double(at, length)),
        3 => (at(), 1..=255u8).prop_map(|(at, mask)| Damage::Flip(at, mask)),
        1 => at().prop_map(Damage::End),
    ]
}

fn damaged(bytes: &[u8], changes: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        let length = bytes.len();
        if length == 0 {
            break;
        }
        match change {
            Damage::Put(at, token) => drop(bytes.splice(at.index(length)..at.index(length), token.bytes())),
            Damage::Cut(at, count) => drop(bytes.drain(at.index(length)..(at.index(length) + count).min(length))),
            Damage::Double(at, count) => {
                let range = at.index(length)..(at.index(length) + count).min(length);
                let copy = bytes[range.clone()].to_vec();
                bytes.splice(range.start..range.start, copy);
            }
            Damage::Flip(at, mask) => bytes[at.index(length)] ^= mask,
            Damage::End(at) => bytes.truncate(at.index(length)),
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<Damage>> {
    prop::collection::vec(damage(), 0..6)
}

/// A Parquet file as written for a stored upload.
static PARQUET: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let found = ingest(UPLOADS[0].as_bytes(), Encoding::Identity, &UploadOptions::default(), folder.path()).unwrap();
    std::fs::read(found.points).unwrap()
});

static MODEL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let model = crate::bundle::model(Cell::Gru, true, &["load"], &["temperature"]);
    gatecast_model::bundle::write(&path, &model).unwrap();
    std::fs::read(path).unwrap()
});

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn the_undamaged_inputs_are_accepted() {
    for upload in UPLOADS {
        bodies::upload(upload.as_bytes());
    }
    bodies::parquet(&PARQUET);
    bodies::safetensors(&MODEL);
    for job in JOBS {
        bodies::job_request(job.as_bytes());
    }
    // If all inputs were refused, the properties would hold trivially.
    let accepted = JOBS.iter().filter(|job| gatecast::http::check_job(job.as_bytes()).is_ok()).count();
    assert_eq!(accepted, JOBS.len(), "{:?}", JOBS.map(|job| gatecast::http::check_job(job.as_bytes())));
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn an_upload_is_stored_whole_or_refused(at in 0..UPLOADS.len(), changes in changes()) {
        bodies::upload(&damaged(UPLOADS[at].as_bytes(), &changes));
    }

    #[test]
    fn a_parquet_upload_is_stored_whole_or_refused(changes in changes()) {
        bodies::parquet(&damaged(&PARQUET, &changes));
    }

    #[test]
    fn a_model_is_read_whole_or_refused(changes in changes()) {
        bodies::safetensors(&damaged(&MODEL, &changes));
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn a_job_request_is_accepted_or_a_problem_says_why(at in 0..JOBS.len(), changes in changes()) {
        bodies::job_request(&damaged(JOBS[at].as_bytes(), &changes));
    }
}
