//! Gatecast: upload time series, train recurrent networks on them as background jobs, and serve
//! forecasts from the models. `docs/architecture.md` walks one order and one forecast through
//! these modules.

pub mod app;
pub mod backtest;
pub mod blobs;
pub mod config;
pub mod data;
pub mod domain;
pub mod forecast;
pub mod health;
pub mod http;
pub mod jobs;
pub mod learn;
pub mod nn;
pub mod service;
pub mod store;
pub mod telemetry;
