//! The settings: defaults < file < environment < flags, checked once at start.
//!
//! `config.default.toml` contains the defaults and documents every setting. clap reads flags and environment
//! variables; both override the file.

mod bytes;
pub mod environment;
mod flags;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Config, File, FileFormat};
use serde::Deserialize;

pub use bytes::ByteSize;
pub use flags::{DataFlags, ServeFlags};

/// The defaults with comments, as `gatecast config` prints them.
pub const DEFAULTS: &str = include_str!("config.default.toml");

/// An invalid setting; one line that names it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}")]
    Unreadable(String),
    #[error("setting `{name}`: {reason}")]
    Invalid { name: &'static str, reason: String },
}

/// All settings of `gatecast serve`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub database: Option<String>,
    pub trust_network: bool,
    pub hosts: Vec<String>,
    pub demo: bool,
    pub log: LogSettings,
    pub jobs: JobSettings,
    pub forecast: ForecastSettings,
    pub limits: Limits,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    pub format: LogFormat,
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSettings {
    pub workers: Option<usize>,
    pub threads: NonZeroUsize,
    pub niceness: i32,
}

impl JobSettings {
    /// The number of concurrent trainings: as set, otherwise the number of cores less one.
    pub fn workers(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.workers.unwrap_or_else(|| cores.saturating_sub(1).max(1))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForecastSettings {
    pub cache: ByteSize,
    pub threads: NonZeroUsize,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub upload: ByteSize,
    pub unpacked: ByteSize,
    pub series: u64,
    uploads: Option<usize>,
    pub json: ByteSize,
    pub forecast: ByteSize,
    header_seconds: u64,
    body_seconds: u64,
    request_seconds: u64,
    shutdown_seconds: u64,
}

impl Limits {
    /// The number of concurrent uploads: as set, otherwise four per core, at most 16.
    pub fn uploads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.uploads.unwrap_or((4 * cores).min(16))
    }

    /// The timeout of a request's head.
    pub fn header_time(&self) -> Duration {
        Duration::from_secs(self.header_seconds)
    }

    /// The timeout of the next 16 KiB of a request's body.
    pub fn body_time(&self) -> Duration {
        Duration::from_secs(self.body_seconds)
    }

    /// The timeout until a response starts.
    pub fn request_time(&self) -> Duration {
        Duration::from_secs(self.request_seconds)
    }

    /// How long open requests may continue at shutdown.
    pub fn shutdown_time(&self) -> Duration {
        Duration::from_secs(self.shutdown_seconds)
    }
}

impl Settings {
    /// Loads the defaults, then the file, then the flags (which include the environment variables).
    pub fn load(flags: &ServeFlags) -> Result<Self, ConfigError> {
        let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(path) = &flags.data.config {
            check_file(path)?;
            builder = builder.add_source(File::new(&path.to_string_lossy(), FileFormat::Toml));
        }
        for (name, value) in flags.overrides() {
            builder = builder.set_override(name, value).map_err(unreadable)?;
        }
        let settings: Self = builder.build().and_then(Config::try_deserialize).map_err(unreadable)?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let invalid = |name, reason: &str| Err(ConfigError::Invalid { name, reason: reason.to_owned() });
        if !self.listen.ip().is_loopback() && !self.trust_network {
            return Err(ConfigError::Invalid {
                name: "listen",
                reason: format!(
                    "{} can be reached from other machines, and Gatecast has no API keys yet: anyone there could \
                     read, change and delete everything. Listen on 127.0.0.1, or give --trust-network \
                     (GATECAST_TRUST_NETWORK=true) if that network is yours",
                    self.listen
                ),
            });
        }
        if let Some(url) = &self.database
            && !["postgres://", "postgresql://", "sqlite:"].iter().any(|scheme| url.starts_with(scheme))
        {
            return invalid("database", "expected a URL that begins with postgres:// or sqlite:");
        }
        if self.data.as_os_str().is_empty() {
            return invalid("data", "names no folder");
        }
        if self.jobs.workers.is_some_and(|workers| workers > 1024) {
            return invalid("jobs.workers", "at most 1024");
        }
        if self.jobs.threads.get() > 1024 {
            return invalid("jobs.threads", "at most 1024");
        }
        if !(0..=19).contains(&self.jobs.niceness) {
            return invalid("jobs.niceness", "expected 0 to 19");
        }
        if self.forecast.threads.get() > 1024 {
            return invalid("forecast.threads", "at most 1024");
        }
        for (name, seconds) in [
            ("limits.header_seconds", self.limits.header_seconds),
            ("limits.body_seconds", self.limits.body_seconds),
            ("limits.request_seconds", self.limits.request_seconds),
            ("limits.shutdown_seconds", self.limits.shutdown_seconds),
        ] {
            if !(1..=86_400).contains(&seconds) {
                return invalid(name, "expected 1 to 86400 seconds");
            }
        }
        for (name, size) in [
            ("limits.upload", self.limits.upload),
            ("limits.unpacked", self.limits.unpacked),
            ("limits.json", self.limits.json),
            ("limits.forecast", self.limits.forecast),
        ] {
            if size.0 < 1024 {
                return invalid(name, "expected at least 1 KiB");
            }
        }
        if self.limits.uploads.is_some_and(|uploads| !(1..=1024).contains(&uploads)) {
            return invalid("limits.uploads", "expected 1 to 1024");
        }
        if self.limits.series == 0 {
            return invalid("limits.series", "expected at least 1");
        }
        Ok(())
    }
}

/// Reports the real cause: the library says "not found" for every file it cannot read.
fn check_file(path: &Path) -> Result<(), ConfigError> {
    let unusable =
        |reason: &str| ConfigError::Unreadable(format!("cannot read the settings in {}: {reason}", path.display()));
    match std::fs::File::open(path).and_then(|file| file.metadata()) {
        Ok(file) if file.is_dir() => Err(unusable("it is a folder; expected a TOML file")),
        Ok(_) => Ok(()),
        Err(error) => Err(unusable(&error.to_string())),
    }
}

/// The library's messages name the setting and the expected value; only their line breaks are removed.
fn unreadable(error: config::ConfigError) -> ConfigError {
    let lines: Vec<String> = error.to_string().lines().map(|line| line.trim().to_owned()).collect();
    ConfigError::Unreadable(lines.join(" "))
}

#[cfg(test)]
mod tests;
