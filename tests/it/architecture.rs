//! Who may know whom: the layers as `docs/architecture.md` draws them.

use std::path::{Path, PathBuf};

/// Each layer, and the layers it may name.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("store", &["domain"]),
    ("blobs", &["domain"]),
    ("data", &["domain"]),
    ("nn", &["domain"]),
    ("learn", &["data", "nn", "domain"]),
    ("forecast", &["nn", "learn", "data", "blobs", "store", "domain"]),
    ("backtest", &["forecast", "learn", "data", "domain"]),
    ("jobs", &["store", "blobs", "domain"]),
    ("config", &[]),
    ("telemetry", &["config"]),
    ("health", &[]),
    ("service", &["domain", "store", "blobs", "data", "nn"]),
    ("http", &["domain", "store", "blobs", "data", "forecast", "jobs", "config", "service"]),
];

/// Words that belong to one place, and the places that may hold them.
const CONFINED: &[(&str, &[&str])] =
    &[("tch::", &["nn"]), ("torch_sys::", &["nn"]), ("sqlx::", &["store"]), ("StatusCode", &["http"])];

#[test]
fn every_layer_names_only_the_layers_below_it() {
    let mut faults = Vec::new();
    for (path, layer, text) in sources() {
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else { continue };
        for named in named_layers(&text) {
            if named != layer && LAYERS.iter().any(|(name, _)| *name == named) && !allowed.contains(&named.as_str()) {
                faults.push(format!("{} names {named}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn tensors_sql_and_statuses_stay_in_their_layers() {
    let mut faults = Vec::new();
    for (path, layer, text) in sources() {
        for (word, places) in CONFINED {
            if !places.contains(&layer.as_str()) && code(&text).any(|line| holds(line, word)) {
                faults.push(format!("{} holds {word}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn unsafe_code_stays_in_the_fused_engine() {
    for (path, _, text) in sources() {
        let here = path.to_string_lossy().contains("nn/engine/fused");
        assert!(here || !code(&text).any(|line| line.contains("unsafe {") || line.contains("unsafe fn")), "{path:?}");
    }
}

#[test]
fn no_file_tells_two_stories() {
    let long = |text: &str| text.lines().count() > 600;
    let faults: Vec<_> = sources().into_iter().filter(|(_, _, text)| long(text)).map(|(path, ..)| path).collect();
    assert!(faults.is_empty(), "files of more than 600 lines: {faults:#?}");
}

/// Every source file, its layer (the first name of its path) and its text.
fn sources() -> Vec<(PathBuf, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&root).unwrap();
                let layer = inside.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
                found.push((inside.to_owned(), layer, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 20);
    found
}

/// The word by itself, not as another's end.
fn holds(line: &str, word: &str) -> bool {
    let starts = |at: usize| !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
    line.match_indices(word).any(|(at, _)| starts(at))
}

fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with("//"))
}

/// Every `x` of `crate::x` and of `use crate::{x…, y…}`.
fn named_layers(text: &str) -> Vec<String> {
    let code: String = code(text).collect::<Vec<_>>().join(" ");
    let mut named = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            None => named.push(word(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        ' ' => {}
                        _ if start => {
                            named.push(word(list.get(at..).unwrap_or_default()));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    named
}
