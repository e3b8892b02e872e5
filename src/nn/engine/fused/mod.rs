//! The fused engine.
#![expect(unsafe_code, reason = "vector instructions and register tiles; every block argues for itself")]

mod backward;
mod columns;
mod correlate;
mod engine;
mod gru;
mod head;
mod layer;
mod layout;
mod lstm;
mod math;
mod norm;
mod pass;
mod plan;
mod product;
#[cfg(test)]
mod reference;
mod simd;
mod simple_rnn;
mod single;
#[cfg(test)]
mod tests;
mod trace;
mod weights;

pub use engine::Fused;
