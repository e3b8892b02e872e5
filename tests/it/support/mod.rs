//! What the tests of the running program share.

mod data;
mod proxy;
mod server;

pub(crate) use data::{daily, eventually};
pub(crate) use proxy::Proxy;
pub(crate) use server::{Answer, TestServer, libtorch_installed, program};
