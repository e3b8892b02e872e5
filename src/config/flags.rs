//! Settings as flags and environment variables.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use config::{Value, ValueKind};

use super::{ByteSize, LogFormat};

/// Where persistent data is stored.
#[derive(Debug, Clone, Default, Args)]
pub struct DataFlags {
    /// The settings file, in TOML (see `gatecast config`).
    #[arg(long, env = "GATECAST_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of the database, datasets and models [default: ./data].
    #[arg(long, env = "GATECAST_DATA", value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// A PostgreSQL URL [default: SQLite in the data folder]. If it contains a password, use the environment
    /// variable: other users of the machine can see flags.
    #[arg(long, env = "GATECAST_DATABASE", value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,
    /// The log format [default: text].
    #[arg(long, env = "GATECAST_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What is logged: a level, or levels by module [default: info].
    #[arg(long, env = "GATECAST_LOG", value_name = "FILTER")]
    pub log_filter: Option<String>,
}

/// The flags of `gatecast serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeFlags {
    #[command(flatten)]
    pub data: DataFlags,
    /// The address to listen on; port 0 picks a free port [default: 127.0.0.1:8080].
    #[arg(long, env = "GATECAST_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Allow access from other machines, although there are no API keys.
    #[arg(long, env = "GATECAST_TRUST_NETWORK", num_args = 0..=1, default_missing_value = "true")]
    pub trust_network: Option<bool>,
    /// A host name that clients may use, besides localhost and IP addresses (may be repeated).
    #[arg(long = "host", env = "GATECAST_HOSTS", value_name = "NAME", value_delimiter = ',')]
    pub hosts: Vec<String>,
    /// If the store is empty, load a sample dataset and train a first model on it.
    #[arg(long, env = "GATECAST_DEMO", num_args = 0..=1, default_missing_value = "true")]
    pub demo: Option<bool>,
    /// Concurrent trainings [default: number of cores less one].
    #[arg(long, env = "GATECAST_WORKERS", value_name = "N")]
    pub workers: Option<u32>,
    /// Threads per training [default: 1].
    #[arg(long, env = "GATECAST_TRAINING_THREADS", value_name = "N")]
    pub training_threads: Option<u32>,
    /// `nice` value of trainer processes, 0 to 19 [default: 10].
    #[arg(long, env = "GATECAST_TRAINING_NICENESS", value_name = "N")]
    pub training_niceness: Option<u32>,
    /// Concurrent forecasts [default: 1].
    #[arg(long, env = "GATECAST_FORECAST_THREADS", value_name = "N")]
    pub forecast_threads: Option<u32>,
    /// Memory for loaded models [default: 512 MiB].
    #[arg(long, env = "GATECAST_MODEL_CACHE", value_name = "SIZE")]
    pub model_cache: Option<ByteSize>,
    /// The maximum size of an upload, as sent [default: 4 GiB].
    #[arg(long, env = "GATECAST_UPLOAD_LIMIT", value_name = "SIZE")]
    pub upload_limit: Option<ByteSize>,
    /// The maximum size of an upload, unpacked [default: 16 GiB].
    #[arg(long, env = "GATECAST_UNPACKED_LIMIT", value_name = "SIZE")]
    pub unpacked_limit: Option<ByteSize>,
    /// Concurrent uploads; further ones get status 429 [default: four per core, at most 16].
    #[arg(long, env = "GATECAST_UPLOADS", value_name = "N")]
    pub uploads: Option<u32>,
    /// The maximum number of series per dataset [default: 1000000].
    #[arg(long, env = "GATECAST_SERIES_LIMIT", value_name = "N")]
    pub series_limit: Option<u32>,
    /// The maximum size of a JSON body [default: 1 MiB].
    #[arg(long, env = "GATECAST_JSON_LIMIT", value_name = "SIZE")]
    pub json_limit: Option<ByteSize>,
    /// The maximum body size of a forecast request [default: 64 MiB].
    #[arg(long, env = "GATECAST_FORECAST_LIMIT", value_name = "SIZE")]
    pub forecast_limit: Option<ByteSize>,
    /// Timeout of a request's head, in seconds [default: 10].
    #[arg(long, env = "GATECAST_HEADER_SECONDS", value_name = "N")]
    pub header_seconds: Option<u32>,
    /// Timeout of the next 16 KiB of a body, in seconds [default: 30].
    #[arg(long, env = "GATECAST_BODY_SECONDS", value_name = "N")]
    pub body_seconds: Option<u32>,
    /// Timeout until a response starts, in seconds; not for uploads [default: 60].
    #[arg(long, env = "GATECAST_REQUEST_SECONDS", value_name = "N")]
    pub request_seconds: Option<u32>,
    /// How long open requests may continue at shutdown, in seconds [default: 20].
    #[arg(long, env = "GATECAST_SHUTDOWN_SECONDS", value_name = "N")]
    pub shutdown_seconds: Option<u32>,
}

impl ServeFlags {
    /// The given settings, under their names in the file.
    pub(super) fn overrides(&self) -> Vec<(&'static str, Value)> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let text = |value: Option<String>| value.map(ValueKind::from);
        let flag = |value: Option<bool>| value.map(ValueKind::from);
        let number = |value: Option<u32>| value.map(|number| ValueKind::from(i64::from(number)));
        let size = |value: Option<ByteSize>| text(value.map(|size| size.to_string()));
        let format = self.data.log_format.map(|format| match format {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        });
        let hosts = (!self.hosts.is_empty()).then(|| ValueKind::from(self.hosts.clone()));
        let given = [
            ("listen", text(self.listen.map(|address| address.to_string()))),
            ("data", text(self.data.data.as_ref().map(path))),
            ("database", text(self.data.database.clone())),
            ("trust_network", flag(self.trust_network)),
            ("hosts", hosts),
            ("demo", flag(self.demo)),
            ("log.format", text(format)),
            ("log.filter", text(self.data.log_filter.clone())),
            ("jobs.workers", number(self.workers)),
            ("jobs.threads", number(self.training_threads)),
            ("jobs.niceness", number(self.training_niceness)),
            ("forecast.threads", number(self.forecast_threads)),
            ("forecast.cache", size(self.model_cache)),
            ("limits.upload", size(self.upload_limit)),
            ("limits.unpacked", size(self.unpacked_limit)),
            ("limits.series", number(self.series_limit)),
            ("limits.uploads", number(self.uploads)),
            ("limits.json", size(self.json_limit)),
            ("limits.forecast", size(self.forecast_limit)),
            ("limits.header_seconds", number(self.header_seconds)),
            ("limits.body_seconds", number(self.body_seconds)),
            ("limits.request_seconds", number(self.request_seconds)),
            ("limits.shutdown_seconds", number(self.shutdown_seconds)),
        ];
        given.into_iter().filter_map(|(name, kind)| Some((name, Value::new(None, kind?)))).collect()
    }
}
