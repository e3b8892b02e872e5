//! Detects environment variables that look like settings but are not, because a misspelt one would silently
//! have no effect.

/// The prefix of all settings in the environment.
const PREFIX: &str = "GATECAST_";
/// Used by the tests, not by the program.
const TESTS: &str = "GATECAST_TEST_";

/// A variable that is not a setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown {
    pub name: String,
    /// The most similar setting, if any is similar.
    pub nearest: Option<String>,
}

/// The variables that start with `GATECAST_` and are not `known`, in order.
pub fn unknown(known: &[String], set: impl IntoIterator<Item = String>) -> Vec<Unknown> {
    let foreign = |name: &String| name.starts_with(PREFIX) && !name.starts_with(TESTS) && !known.contains(name);
    let mut found: Vec<String> = set.into_iter().filter(foreign).collect();
    found.sort();
    found.into_iter().map(|name| Unknown { nearest: nearest(&name, known), name }).collect()
}

/// The nearest known name whose edit distance is at most a third of the name without its prefix, as for
/// fields of a body.
fn nearest(name: &str, known: &[String]) -> Option<String> {
    let own = name.len().saturating_sub(PREFIX.len());
    let distance = |other: &String| strsim::damerau_levenshtein(name, other);
    known.iter().filter(|other| distance(other) <= own.div_ceil(3)).min_by_key(|other| distance(other)).cloned()
}

/// Logs a warning per unknown variable.
pub fn warn_of_unknown(known: &[String]) {
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for Unknown { name, nearest } in unknown(known, set) {
        match nearest {
            Some(nearest) => tracing::warn!("no setting is called `{name}`, it is ignored; did you mean `{nearest}`?"),
            None => tracing::warn!("no setting is called `{name}`, it is ignored"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_named_with_the_nearest() {
        let known = ["GATECAST_LISTEN", "GATECAST_UPLOAD_LIMIT", "GATECAST_LOG"].map(str::to_owned);
        let set = ["PATH", "GATECAST_LISTEN", "GATECAST_UPLOADLIMIT", "GATECAST_KEYS", "GATECAST_TEST_POSTGRES"];
        let found = unknown(&known, set.map(str::to_owned));
        let expected = [("GATECAST_KEYS", None), ("GATECAST_UPLOADLIMIT", Some("GATECAST_UPLOAD_LIMIT"))];
        let expected = expected.map(|(name, near)| Unknown { name: name.to_owned(), nearest: near.map(str::to_owned) });
        assert_eq!(found, expected);
    }
}
