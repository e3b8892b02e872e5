//! `gatecast-libtorch`: the trainer for tasks whose engine is LibTorch, on a card or because the order
//! asks for it. The server starts it in the same way as `gatecast train`.

use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    let done = match command.as_deref() {
        Some("train") => gatecast_learn::child::run(gatecast_libtorch::build),
        Some("devices") => print_devices(),
        _ => Err(io::Error::other("usage: gatecast-libtorch train | devices")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do where standard error is closed.
            let _ = writeln!(io::stderr(), "gatecast-libtorch: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The devices as a JSON array: `["cpu","cuda:0"]`.
fn print_devices() -> io::Result<()> {
    serde_json::to_writer(io::stdout().lock(), &gatecast_libtorch::devices())?;
    writeln!(io::stdout())
}
