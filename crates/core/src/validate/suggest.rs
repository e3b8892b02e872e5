//! "Did you mean": the nearest known name, in nested blocks too.

use super::node::{Node, Object};

/// What people call things that have another name here.
const SYNONYMS: [(&str, &str); 22] = [
    ("lr", "learning_rate"),
    ("batch", "batch_size"),
    ("steps", "max_steps"),
    ("max_epochs", "epochs"),
    ("n_epochs", "epochs"),
    ("lookback", "context"),
    ("context_length", "context"),
    ("input_length", "context"),
    ("window", "context"),
    ("prediction_length", "horizon"),
    ("forecast_length", "horizon"),
    ("hidden_size", "layers"),
    ("units", "layers"),
    ("normalization", "scaling"),
    ("freq", "frequency"),
    ("exog", "covariates"),
    ("weekday", "day_of_week"),
    ("dayofweek", "day_of_week"),
    ("hour", "hour_of_day"),
    ("week", "week_of_year"),
    ("weekend", "is_weekend"),
    ("gaussian", "normal"),
];
/// Blocks within blocks that are searched.
const DEEPEST: usize = 3;

/// `; did you mean `x`?`, if some known name is close.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    closest(name, known).map(|(_, other)| format!("; did you mean `{other}`?")).unwrap_or_default()
}

/// The closest of the known names, and how many edits away it is.
fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<(usize, &'a str)> {
    let name = name.to_lowercase();
    let synonym = SYNONYMS.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
    known
        .map(|other| {
            let edits = strsim::damerau_levenshtein(&name, &other.to_lowercase());
            if synonym == Some(other) { (edits.min(1), other) } else { (edits, other) }
        })
        .filter(|(edits, other)| *edits <= 1 + other.chars().count() / 4)
        .min()
}

/// The path, from `object` or from the root, of the field that `name` was probably meant to be.
pub(super) fn field(name: &str, object: &Object, root: &Node) -> Option<String> {
    let below = |object: &Object| {
        let mut found = Vec::new();
        search(name, object, "", 0, &mut found);
        found.into_iter().min().map(|(_, _, path)| path)
    };
    below(object).or_else(|| root.objects.iter().find_map(|root| below(root)))
}

/// Adds, for `object` and each block within it, the closest field as (edits, depth, path).
fn search(name: &str, object: &Object, prefix: &str, depth: usize, found: &mut Vec<(usize, usize, String)>) {
    if let Some((edits, close)) = closest(name, object.names()) {
        found.push((edits, depth, format!("{prefix}{close}")));
    }
    if depth < DEEPEST {
        for field in &object.fields {
            for inner in &field.node.objects {
                search(name, inner, &format!("{prefix}{}.", field.name), depth + 1, found);
            }
        }
    }
}
