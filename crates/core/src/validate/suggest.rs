//! "Did you mean" suggestions: the closest known name, including names in nested blocks.

use super::node::{Node, Object};

/// Common alternative names for fields and values.
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
/// The maximum nesting depth of the search.
const DEEPEST: usize = 3;

/// Returns `; did you mean `x`?` if a known name is close, otherwise an empty string.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    closest(name, known).map(|(_, other)| format!("; did you mean `{other}`?")).unwrap_or_default()
}

/// Returns the closest known name and its edit distance.
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

/// Returns the path, from `object` or from the root, of the field that `name` probably refers to.
pub(super) fn field(name: &str, object: &Object, root: &Node) -> Option<String> {
    let below = |object: &Object| {
        let mut found = Vec::new();
        search(name, object, "", 0, &mut found);
        found.into_iter().min().map(|(_, _, path)| path)
    };
    below(object).or_else(|| root.objects.iter().find_map(|root| below(root)))
}

/// Adds the closest field of `object` and of each block within it, as (edits, depth, path).
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
