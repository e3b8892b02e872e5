//! Files that are complete or absent, and their hashes: rules that several crates share.

pub mod atomic_write;
mod hash;
pub mod safetensors;

pub use hash::{HashingWriter, hash_reader, hex};
