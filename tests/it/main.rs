//! The integration tests: one program, with one module per area.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking, in their helpers too"
)]

mod api_datasets;
mod api_jobs;
mod api_models;
mod api_server;
mod architecture;
mod bundle;
mod compare;
mod covariates;
mod disk_full;
mod durability;
mod forecast;
mod forecast_service;
mod fuzz;
mod heads;
mod jobs;
mod learn;
mod openapi;
mod postgres;
#[path = "../../crates/nn/src/reference.rs"]
mod reference;
mod store;
mod support;
mod trainer;
mod training;
mod uploads;
mod values;
mod version_1;
