//! Series in and out of files: uploads to a canonical Parquet file and its profile, and back.

pub mod frame;
