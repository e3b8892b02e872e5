//! Ingests one file as an upload and prints its profile and the time taken.
//!
//! `cargo bench --bench ingest -- FILE`; see README.md in this folder for the data and the comparison.

use std::error::Error;
use std::fs::File;
use std::time::Instant;

use gatecast_data::{Encoding, UploadOptions, ingest};

#[expect(clippy::print_stdout, reason = "a bench reports on its standard output")]
fn main() -> Result<(), Box<dyn Error>> {
    let Some(path) = std::env::args().skip(1).find(|argument| argument != "--bench") else {
        println!("name a file: cargo bench --bench ingest -- FILE");
        return Ok(());
    };
    let scratch = tempfile::tempdir()?;
    let begin = Instant::now();
    let found = ingest(File::open(path)?, Encoding::Identity, &UploadOptions::default(), scratch.path());
    let found = found.inspect_err(|error| println!("{:#?}", error.row_errors()))?;
    let seconds = begin.elapsed().as_secs_f64();
    println!("{}", serde_json::to_string_pretty(&found.profile)?);
    println!("{seconds:.2} s, {} bytes of Parquet, sha256 {}", found.bytes, found.sha256);
    if let Ok(status) = std::fs::read_to_string("/proc/self/status")
        && let Some(peak) = status.lines().find(|line| line.starts_with("VmHWM"))
    {
        println!("peak memory {}", peak.trim_start_matches("VmHWM:").trim());
    }
    Ok(())
}
