//! The integration tests: one program, one module an area.

mod api_datasets;
mod api_jobs;
mod api_server;
mod architecture;
mod bundle;
mod golden;
mod gradients;
mod learn;
mod learn_figures;
mod reference;
mod support;
mod trainer;
