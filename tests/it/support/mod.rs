//! What the tests of the running program share.

mod server;

pub(crate) use server::{Answer, TestServer, program};
