//! Rules of `docs/architecture.md` that the compiler does not enforce: which crate may depend on
//! which, where `unsafe` code and status codes may appear, and the maximum length of a file.

use std::path::{Path, PathBuf};

/// Each crate, and the crates of this project that it may depend on.
const CRATES: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("classical", &[]),
    ("files", &[]),
    ("blobs", &["core", "files"]),
    ("data", &["core", "files"]),
    ("nn", &["core"]),
    ("store", &["core"]),
    ("model", &["core", "files", "data", "nn"]),
    ("forecast", &["core", "data", "nn", "model"]),
    ("learn", &["core", "classical", "files", "data", "nn", "model", "forecast"]),
    ("libtorch", &["core", "nn", "learn"]),
];

/// Words that are confined to some folders, and these folders.
const CONFINED: &[(&str, &[&str])] =
    &[("sqlx::", &["crates/store"]), ("StatusCode", &["src/http"]), ("tch::", &["crates/libtorch"])];

#[test]
fn each_crate_depends_only_on_the_crates_below_it() {
    let mut faults = Vec::new();
    for (name, allowed) in CRATES {
        let manifest = std::fs::read_to_string(root().join(format!("crates/{name}/Cargo.toml"))).unwrap();
        let own = manifest.split("[dev-dependencies]").next().unwrap();
        for line in own.lines().filter_map(|line| line.strip_prefix("gatecast-")) {
            let other = line.split(['.', ' ', '=']).next().unwrap();
            if !allowed.contains(&other) {
                faults.push(format!("{name} depends on {other}"));
            }
        }
    }
    let folders = std::fs::read_dir(root().join("crates")).unwrap().count();
    assert_eq!(folders, CRATES.len(), "a crate is missing from the list");
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn sql_status_codes_and_libtorch_are_confined_to_their_crates() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        for (word, places) in CONFINED {
            let here = places.iter().any(|place| path.starts_with(place));
            if !here && code(&text).any(|line| holds(line, word)) {
                faults.push(format!("{} holds {word}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn unsafe_code_stays_in_the_fused_engine() {
    for (path, text) in sources() {
        let here = path.starts_with("crates/nn/src/engine/fused");
        assert!(here || !code(&text).any(|line| line.contains("unsafe {") || line.contains("unsafe fn")), "{path:?}");
    }
}

#[test]
fn no_source_file_has_more_than_600_lines() {
    let long = |text: &str| text.lines().count() > 600;
    let faults: Vec<_> = sources().into_iter().filter(|(_, text)| long(text)).map(|(path, _)| path).collect();
    assert!(faults.is_empty(), "files of more than 600 lines: {faults:#?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file, with its path relative to the root.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src")];
    folders.extend(std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path().join("src")));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(found.len() > 100);
    found
}

/// Whether the line contains the word as a whole word, not as the end of another one.
fn holds(line: &str, word: &str) -> bool {
    let starts = |at: usize| !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
    line.match_indices(word).any(|(at, _)| starts(at))
}

fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with("//"))
}
