//! Many texts in one piece of memory, each known by a number in order of first appearance.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// An interner. A million keys of ten bytes take about 25 MB.
#[derive(Debug, Default)]
pub(super) struct Interner {
    bytes: Vec<u8>,
    /// Where each text ends.
    ends: Vec<usize>,
    table: HashTable<u32>,
    /// Random a process, so that no upload can be made to collide.
    hasher: RandomState,
}

impl Interner {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all texts.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        self.table.find(self.hasher.hash_one(key), |&at| self.bytes_of(at) == key).copied()
    }

    /// Takes in a text that [`Self::find`] has not found.
    pub(super) fn insert(&mut self, key: &str) -> u32 {
        let number = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(key.as_bytes());
        self.ends.push(self.bytes.len());
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        let hash_of = |&at: &u32| hasher.hash_one(slice(bytes, ends, at));
        self.table.insert_unique(hasher.hash_one(key.as_bytes()), number, hash_of);
        number
    }

    /// The text of a number that this gave.
    pub(super) fn text(&self, number: u32) -> &str {
        // Only whole texts go in, so that the slice is always UTF-8.
        std::str::from_utf8(self.bytes_of(number)).unwrap_or_default()
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|number| self.text(u32::try_from(number).unwrap_or(u32::MAX)))
    }

    fn bytes_of(&self, number: u32) -> &[u8] {
        slice(&self.bytes, &self.ends, number)
    }
}

fn slice<'a>(bytes: &'a [u8], ends: &[usize], number: u32) -> &'a [u8] {
    let number = number as usize;
    let start = number.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    let end = ends.get(number).copied().unwrap_or(start);
    bytes.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_numbered_by_first_appearance() {
        let mut keys = Interner::default();
        for number in 0..10_000_u32 {
            let key = format!("key {number}");
            assert_eq!(keys.find(key.as_bytes()), None);
            assert_eq!(keys.insert(&key), number);
        }
        assert_eq!(keys.find(b"key 4321"), Some(4321));
        assert_eq!(keys.text(9999), "key 9999");
        assert_eq!(keys.find(b"key"), None);
        assert_eq!(keys.len(), 10_000);
    }
}
