//! JSON pointers (RFC 6901).

/// Appends a key or an index to a pointer.
pub fn push(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}

/// Returns the pointer to a field of the value at `pointer`.
pub fn join(pointer: &str, token: &str) -> String {
    let mut joined = pointer.to_owned();
    push(&mut joined, token);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tildes_and_slashes_are_escaped() {
        assert_eq!(join("/series/0/future", "a/b~c"), "/series/0/future/a~1b~0c");
    }
}
