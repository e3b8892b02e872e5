//! Gatecast: upload time series, train recurrent networks on them as background jobs, and serve forecasts
//! from the models. `docs/architecture.md` follows one job request and one forecast through these modules and
//! the crates under `crates/`.

pub mod app;
pub mod config;
pub mod health;
pub mod http;
pub mod jobs;
pub mod service;
pub mod telemetry;
