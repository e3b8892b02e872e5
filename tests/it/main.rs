//! The integration tests: one program, one module an area.

mod api_server;
mod architecture;
mod support;
