//! The fused engine: recurrent networks forward and backward over the whole sequence, by hand.
//!
//! A framework runs a recurrent layer as thousands of small operations, and at the sizes that
//! forecasting uses (8 to 128 units, batches of 1 to 256) most of its time goes into calling them.
//! Here a step of a layer is two or three calls of a kernel, and nothing is allocated once the
//! engine is warm. The equations are those of `docs/models.md`; `docs/engine.md` is this note at
//! more length.
//!
//! **Layout.** Inside, everything is `[step, feature, lane]`: the batch innermost, a series a lane.
//! So a weight is one number for a whole vector ([`product`]), a gate's activation or a layer norm
//! is the same arithmetic in every lane ([`cell`], [`norm`]), and only weight gradients are ever
//! summed across lanes ([`correlate`]). Lanes come in blocks of 16. A batch that does not fill its
//! last block is padded with series whose loss is masked out ([`residuals`]), so their gradient is
//! zero everywhere. [`layout`] converts from and to the `[batch, step, feature]` of callers.
//!
//! **Order of work.** [`pass`] takes a shard of the batch forward through the layers
//! ([`stacked_layer`], [`layer`]) and the [`head`], and back ([`backward`]). The input's product is
//! one call for all steps, as are its gradient and the weights' gradients; only the recurrent product
//! goes step by step, and a cell without one has none. [`trace`] is what the forward pass keeps; the
//! backward pass replaces activations with gradients in place.
//!
//! **One series** has no batch to fill the lanes: [`single_series`] puts the units there, with the
//! same element-wise kernels, and keeps the state apart, so that a caller can continue from it.
//!
//! **Processors.** Kernels are written once over [`simd::Simd`] and compiled for AVX-512, AVX2
//! with FMA, NEON, and plain Rust; the choice is made at run time.
//!
//! **Guarantees.** The same parameters, batch and processor give the same bytes, whatever the
//! number of threads: the split into shards follows from the batch alone, each shard is computed
//! by one thread in one order, and their gradients are added in the order of the shards. Numbers
//! differ between instruction sets in the last bits (vectors of other widths add up in another
//! order, and plain Rust rounds twice where the others round once). A number that is not finite
//! reaches the loss.
//!
//! **Unsafe code.** Two reasons only: vector instructions, which need a processor that has them (a
//! [`simd::Simd`] value is the proof), and the two tiles, which read through pointers for speed
//! after their kernels have checked every length. `portable_tests` run it under Miri.
#![expect(unsafe_code, reason = "vector instructions and register tiles; every block argues for itself")]

mod backward;
mod cell;
mod columns;
mod correlate;
mod dropout;
mod engine;
mod head;
mod layer;
mod layout;
mod math;
mod norm;
mod pass;
mod plan;
#[cfg(test)]
mod portable_tests;
mod product;
mod residuals;
mod simd;
mod single_series;
mod stacked_layer;
mod state_norm;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trace;
mod weights;

pub use engine::Fused;
