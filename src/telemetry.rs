//! The log: lines of text or JSON on standard error, including panics.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, LogFormat, LogSettings};

/// Starts the log. Called once per process.
pub fn start(settings: &LogSettings) -> Result<(), ConfigError> {
    let invalid = |name, reason: String| ConfigError::Invalid { name, reason };
    let filter =
        EnvFilter::builder().parse(&settings.filter).map_err(|error| invalid("log.filter", error.to_string()))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match settings.format {
        LogFormat::Text => log.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| invalid("log", error.to_string()))?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, message, "panic");
    }));
    Ok(())
}
