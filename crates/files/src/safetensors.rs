//! Reads and writes the header of a safetensors file, strictly as the format defines it.
//!
//! A file starts with eight bytes that give the length of the JSON that follows. The JSON contains each tensor's
//! type, shape and position by name, and a table of strings. The tensors fill the rest of the file without gaps,
//! overlaps or trailing bytes.
//!
//! Reading does not trust the file: duplicate keys, whitespace before the header and shapes whose size overflows,
//! which other parsers accept, are errors. Memory is bounded by [`MAX_HEADER_BYTES`], never by sizes that the file
//! declares. Writing applies the same limit, so every file that is written can be read.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};
use serde_json::{Value, json};

/// Enough for a manifest and the names of all tensors, with a wide margin.
pub const MAX_HEADER_BYTES: u64 = 16 << 20;

/// The key of the table of strings among the tensor names.
const METADATA: &str = "__metadata__";

/// The header of a file.
#[derive(Debug, Default)]
pub struct Header {
    /// Strings by name.
    pub metadata: BTreeMap<String, String>,
    pub tensors: BTreeMap<String, TensorEntry>,
}

/// Type, shape and position of one tensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, DeriveDeserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorEntry {
    pub dtype: String,
    pub shape: Vec<u64>,
    /// Relative to the end of the header; the end is exclusive.
    pub data_offsets: [u64; 2],
}

/// The file is not a safetensors file, or its header cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("not a safetensors file: {0}")]
    NotSafetensors(&'static str),
    #[error("the file ends early: {0}")]
    Truncated(&'static str),
    #[error("the safetensors header is invalid: {0}")]
    Json(String),
    #[error("the positions of the tensors are invalid: {0}")]
    Offsets(String),
    #[error("the safetensors header has {0} bytes, but the limit is {MAX_HEADER_BYTES}")]
    TooLong(u64),
}

/// Reads the header of a file and checks it against the length of the file. Returns the header and the position of
/// the first tensor.
pub fn read_header(file: &mut File) -> Result<(Header, u64), HeaderError> {
    let length = file.metadata()?.len();
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(16).read_to_end(&mut start)?;
    let Some((size, rest)) = start.split_first_chunk::<8>() else {
        return Err(HeaderError::Truncated("it has fewer than eight bytes"));
    };
    let size = u64::from_le_bytes(*size);
    let is_plausible = (2..=MAX_HEADER_BYTES).contains(&size);
    // A length can start like the magic bytes of another format, so those are compared only if it is not a plausible
    // length.
    if !(is_plausible && rest.first() == Some(&b'{'))
        && let Some(what) = other_format(&start)
    {
        return Err(HeaderError::NotSafetensors(what));
    }
    if !is_plausible {
        return Err(HeaderError::TooLong(size));
    }
    let begins = 8 + size;
    if begins > length {
        return Err(HeaderError::Truncated("the header is longer than the file"));
    }
    let mut json = Vec::new();
    file.seek(SeekFrom::Start(8))?;
    file.by_ref().take(size).read_to_end(&mut json)?;
    Ok((Header::parse(&json, length - begins)?, begins))
}

/// The header of a file with these tensors in this order, including its length. It is padded so that the first tensor
/// is aligned to eight bytes. The offsets follow from the order.
pub fn header_bytes<'t>(
    metadata: &[(&str, &str)],
    tensors: impl Iterator<Item = (&'t str, &'static str, Vec<u64>)>,
) -> Result<Vec<u8>, HeaderError> {
    // Composed by hand because a map would not keep the order.
    let metadata: Vec<String> =
        metadata.iter().map(|&(key, text)| format!("{}:{}", Value::from(key), Value::from(text))).collect();
    let mut json = format!("{{\"{METADATA}\":{{{}}}", metadata.join(","));
    let mut end = 0;
    for (name, dtype, shape) in tensors {
        let begin = end;
        let mut entry = TensorEntry { dtype: dtype.to_owned(), shape, data_offsets: [begin, begin] };
        let bytes = entry.bytes().ok_or_else(|| HeaderError::Json(format!("tensor `{name}` has no size")))?;
        end = begin + bytes;
        entry.data_offsets = [begin, end];
        json.push_str(&format!(",{}:{}", Value::from(name), json!(entry)));
    }
    json.push('}');
    json.extend(std::iter::repeat_n(' ', json.len().next_multiple_of(8) - json.len()));
    let length = json.len() as u64;
    if length > MAX_HEADER_BYTES {
        return Err(HeaderError::TooLong(length));
    }
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    Ok(bytes)
}

impl Header {
    /// `json` is the header without its length, and `data` is the number of bytes that follow it in the file.
    fn parse(json: &[u8], data: u64) -> Result<Self, HeaderError> {
        let text = std::str::from_utf8(json).map_err(|_| HeaderError::Json("it is not UTF-8".to_owned()))?;
        if !text.starts_with('{') {
            return Err(HeaderError::Json("it does not start with `{`".to_owned()));
        }
        let header: Self = serde_json::from_str(text).map_err(|error| HeaderError::Json(plain(&error)))?;
        header.check_offsets(data)?;
        Ok(header)
    }

    fn check_offsets(&self, data: u64) -> Result<(), HeaderError> {
        let mut places: Vec<(&String, &TensorEntry)> = self.tensors.iter().collect();
        places.sort_by_key(|(_, entry)| entry.data_offsets);
        let mut end = 0;
        for (name, entry) in places {
            let [from, to] = entry.data_offsets;
            let wrong = |what: &str| Err(HeaderError::Offsets(format!("tensor `{}` {what}", shorten(name))));
            if from > end {
                return wrong("starts after a gap");
            }
            if from < end {
                return wrong("overlaps another tensor");
            }
            if to < from || entry.bytes() != Some(to - from) {
                return wrong("has offsets that do not match its shape");
            }
            if to > data {
                return wrong("reaches past the end of the file");
            }
            end = to;
        }
        if end < data {
            return Err(HeaderError::Offsets(format!("{} bytes follow the last tensor", data - end)));
        }
        Ok(())
    }
}

impl TensorEntry {
    /// The size in bytes; `None` if it overflows or the type is unknown.
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

/// What is wrong with the JSON and where, without type names of this program.
fn plain(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Syntax => "it is not JSON",
        Category::Eof => "its JSON ends early",
        Category::Data | Category::Io => return without_position(&error.to_string()),
    };
    format!("{what} (at byte {})", error.column())
}

/// Keeps the messages of [`Unique`], and replaces those about types by one that names the fields of an entry.
fn without_position(text: &str) -> String {
    if text.starts_with("duplicate key") {
        text.split(" at line").next().unwrap_or_default().to_owned()
    } else {
        "an entry must have `dtype`, `shape` and `data_offsets`, and nothing else".to_owned()
    }
}

/// At most 100 characters of a string from a file, for a message.
pub fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Recognises formats that are often mistaken for safetensors.
fn other_format(start: &[u8]) -> Option<&'static str> {
    let formats: [(&[u8], &str); 5] = [
        (b"PK", "it is a zip archive, such as torch.save and Keras write; save the tensors as safetensors"),
        (b"\x80", "it is a Python pickle, which is never read here because it can run code"),
        (b"\x89HDF", "it is an HDF5 file, such as older Keras writes"),
        (b"\x1f\x8b", "it is compressed with gzip; unpack it first"),
        (b"\x28\xb5\x2f\xfd", "it is compressed with zstd; unpack it first"),
    ];
    formats.into_iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, what)| what)
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
                            return Err(duplicate(&name));
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

/// A map that refuses duplicate keys.
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
        Entry::Occupied(entry) => Err(duplicate(entry.key())),
        Entry::Vacant(entry) => {
            entry.insert(map.next_value()?);
            Ok(())
        }
    }
}

fn duplicate<E: Error>(key: &str) -> E {
    E::custom(format_args!("duplicate key `{}`", shorten(key)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn with_header(json: &str, data: &[u8]) -> File {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json.as_bytes());
        bytes.extend_from_slice(data);
        file(&bytes)
    }

    #[test]
    fn a_written_header_can_be_read() {
        let tensors = [("b", "F32", vec![2, 3]), ("a", "U8", vec![5])];
        let bytes = header_bytes(&[("note", "\"x\" ünï")], tensors.into_iter()).unwrap();
        assert_eq!(bytes.len() % 8, 0, "the tensors are aligned");
        let mut whole = bytes.clone();
        whole.extend([0; 29]);
        let (header, begins) = read_header(&mut file(&whole)).unwrap();
        assert_eq!(begins, bytes.len() as u64);
        assert_eq!(header.metadata["note"], "\"x\" ünï");
        assert_eq!((header.tensors["b"].data_offsets, header.tensors["a"].data_offsets), ([0, 24], [24, 29]));
        whole.pop();
        assert!(matches!(read_header(&mut file(&whole)), Err(HeaderError::Offsets(_))), "one byte is missing");
    }

    #[test]
    fn a_header_above_the_limit_is_not_written() {
        let text = "x".repeat(usize::try_from(MAX_HEADER_BYTES).unwrap());
        let longer = header_bytes(&[("gatecast", &text)], std::iter::empty());
        assert!(matches!(longer, Err(HeaderError::TooLong(_))));
        let fits = &text[..text.len() - 64];
        let bytes = header_bytes(&[("gatecast", fits)], std::iter::empty()).unwrap();
        assert!(read_header(&mut file(&bytes)).is_ok());
        assert!(header_bytes(&[], [("a", "F32", vec![u64::MAX, 2])].into_iter()).is_err());
    }

    #[test]
    fn input_that_other_parsers_accept_is_refused() {
        let entry = r#"{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#;
        let fault = |json: String, data: &[u8]| read_header(&mut with_header(&json, data)).unwrap_err().to_string();
        assert!(fault(format!(r#"{{"a":{entry},"a":{entry}}}"#), b"x").contains("duplicate key `a`"));
        assert!(fault(format!(r#" {{"a":{entry}}}"#), b"x").contains("start with `{`"));
        assert!(fault(format!(r#"{{"a":{entry}}}"#), b"xx").contains("1 bytes follow"));
        assert!(fault(format!(r#"{{"a":{entry},"b":{entry}}}"#), b"x").contains("overlaps"));
        assert!(fault(r#"{"a":{"dtype":"U8"}}"#.to_owned(), b"").contains("`data_offsets`"));
        let huge = r#"{"a":{"dtype":"F64","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#;
        assert!(fault(huge.to_owned(), &[0; 8]).contains("do not match its shape"));
        assert!(matches!(
            read_header(&mut file(b"PK\x03\x04 and more than that")),
            Err(HeaderError::NotSafetensors(_))
        ));
        assert!(matches!(read_header(&mut file(b"short")), Err(HeaderError::Truncated(_))));
    }
}
