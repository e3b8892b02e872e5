//! The header of a safetensors file, by the letter of its form.
//!
//! Eight bytes of length, then that much JSON from its first byte on: each tensor's type, shape
//! and place by name, and a table of texts. The tensors fill the rest of the file without hole,
//! overlap or remainder.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize as Derive, Serialize};

use super::BundleError;

/// Room for a manifest and the names of every tensor, many times over.
pub(super) const LONGEST: u64 = 16 << 20;

/// Where the metadata stand among the tensors' names.
const METADATA: &str = "__metadata__";

#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) tensors: BTreeMap<String, TensorEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Derive)]
#[serde(deny_unknown_fields)]
pub(super) struct TensorEntry {
    pub(super) dtype: String,
    pub(super) shape: Vec<u64>,
    /// From the end of the header; the end is exclusive.
    pub(super) data_offsets: [u64; 2],
}

impl Header {
    /// `json` is the header without its length; `data` the bytes that follow it in the file.
    pub(super) fn parse(json: &[u8], data: u64) -> Result<Self, BundleError> {
        let text = std::str::from_utf8(json).map_err(|_| BundleError::Header("it is not UTF-8".to_owned()))?;
        if !text.starts_with('{') {
            return Err(BundleError::Header("it does not begin with `{`".to_owned()));
        }
        let header: Self = serde_json::from_str(text).map_err(|error| BundleError::Header(plain(&error)))?;
        header.check_places(data)?;
        Ok(header)
    }

    fn check_places(&self, data: u64) -> Result<(), BundleError> {
        let mut places: Vec<(&String, &TensorEntry)> = self.tensors.iter().collect();
        places.sort_by_key(|(_, entry)| entry.data_offsets);
        let mut end = 0;
        for (name, entry) in places {
            let [from, to] = entry.data_offsets;
            let wrong = |what: &str| Err(BundleError::Places(format!("tensor `{}` {what}", shorten(name))));
            if from > end {
                return wrong("begins behind a hole");
            }
            if from < end {
                return wrong("overlaps another");
            }
            if to < from || entry.bytes() != Some(to - from) {
                return wrong("has a place of another size than its shape");
            }
            if to > data {
                return wrong("reaches past the end of the file");
            }
            end = to;
        }
        if end < data {
            return Err(BundleError::Places(format!("{} bytes follow the last tensor", data - end)));
        }
        Ok(())
    }
}

impl TensorEntry {
    /// The size that type and shape give; `None` where it overflows or the type is unknown.
    fn bytes(&self) -> Option<u64> {
        let width = match self.dtype.as_str() {
            "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" => 1,
            "I16" | "U16" | "F16" | "BF16" => 2,
            "I32" | "U32" | "F32" => 4,
            "I64" | "U64" | "F64" => 8,
            _ => return None,
        };
        self.shape.iter().try_fold(width, |size: u64, &length| size.checked_mul(length))
    }
}

/// What is wrong with JSON and where, without the program's own type names.
fn plain(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Syntax => "it is not JSON",
        Category::Eof => "its JSON ends early",
        Category::Data | Category::Io => return without_position(&error.to_string()),
    };
    format!("{what} (at byte {})", error.column())
}

/// The messages of [`Unique`] below stand as they are; those about types are made plain.
fn without_position(text: &str) -> String {
    if text.starts_with("the key") {
        text.split(" at line").next().unwrap_or_default().to_owned()
    } else {
        "an entry lacks a type, a shape or its offsets, or has more or others than these".to_owned()
    }
}

/// As much of a stranger's text as a message should carry.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;

        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header::default();
                let mut has_metadata = false;
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA {
                        if std::mem::replace(&mut has_metadata, true) {
                            return Err(doubled(&name));
                        }
                        header.metadata = map.next_value::<Unique<String>>()?.entries;
                    } else {
                        insert(&mut header.tensors, name, &mut map)?;
                    }
                }
                Ok(header)
            }
        }

        from.deserialize_map(HeaderVisitor)
    }
}

/// A map whose keys may not come twice.
struct Unique<V> {
    entries: BTreeMap<String, V>,
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct UniqueVisitor<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for UniqueVisitor<V> {
            type Value = Unique<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique<V>, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    insert(&mut entries, key, &mut map)?;
                }
                Ok(Unique { entries })
            }
        }

        from.deserialize_map(UniqueVisitor(PhantomData))
    }
}

fn insert<'de, V: Deserialize<'de>, A: MapAccess<'de>>(
    entries: &mut BTreeMap<String, V>,
    key: String,
    map: &mut A,
) -> Result<(), A::Error> {
    match entries.entry(key) {
        Entry::Occupied(entry) => Err(doubled(entry.key())),
        Entry::Vacant(entry) => {
            entry.insert(map.next_value()?);
            Ok(())
        }
    }
}

fn doubled<E: Error>(key: &str) -> E {
    E::custom(format_args!("the key `{}` stands twice", shorten(key)))
}
