//! Helpers for the tests of the running program.

pub(crate) mod contract;
mod data;
mod json_schema;
mod proxy;
mod server;

pub(crate) use data::{daily, eventually};
pub(crate) use proxy::Proxy;
pub(crate) use server::{Answer, TestServer, libtorch_installed, program};
