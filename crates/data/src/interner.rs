//! Many texts in one piece of memory, each known by a number in order of first appearance.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// An interner. A million keys of ten bytes take about 25 MB: two offsets and the bytes a key, where
/// interners of slices (`lasso`, `string-interner`) keep a pointer, a length and a copy each.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    bytes: Vec<u8>,
    /// Where each text ends.
    ends: Vec<usize>,
    table: HashTable<u32>,
    /// Random a process, so that no upload can be made to collide.
    hasher: RandomState,
}

impl Interner {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of memory, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>() + self.table.capacity() * 5
    }

    /// Bytes of all texts.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn find(&self, key: &[u8]) -> Option<u32> {
        self.table.find(self.hasher.hash_one(key), |&at| self.bytes_of(at) == key).copied()
    }

    /// Takes in a text that [`Self::find`] has not found. `None` once every number but `u32::MAX`,
    /// which callers use for "no text", is taken.
    pub(crate) fn insert(&mut self, key: &str) -> Option<u32> {
        let number = u32::try_from(self.ends.len()).ok().filter(|&number| number < u32::MAX)?;
        self.bytes.extend_from_slice(key.as_bytes());
        self.ends.push(self.bytes.len());
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        let hash_of = |&at: &u32| hasher.hash_one(slice(bytes, ends, at));
        self.table.insert_unique(hasher.hash_one(key.as_bytes()), number, hash_of);
        Some(number)
    }

    /// The text of a number that this gave.
    pub(crate) fn text(&self, number: u32) -> &str {
        // Only whole texts go in, so that the slice is always UTF-8.
        std::str::from_utf8(self.bytes_of(number)).unwrap_or_default()
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        (0..).take(self.ends.len()).map(|number| self.text(number))
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
            assert_eq!(keys.insert(&key), Some(number));
        }
        assert_eq!(keys.find(b"key 4321"), Some(4321));
        assert_eq!(keys.text(9999), "key 9999");
        assert_eq!(keys.find(b"key"), None);
        assert_eq!(keys.len(), 10_000);
    }
}
