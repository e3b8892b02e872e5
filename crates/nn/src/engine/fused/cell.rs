//! What the engine needs of a cell: how its gates lie in memory, and the element-wise part of a
//! step, forward and back.
//!
//! The engine does everything else for all cells alike: products, dropout, the norms of products,
//! dilation, both directions, residual links, and the gradients of all variables. A cell's kernels see
//! blocks of `n` numbers and mind neither units nor lanes: `n` is units × lanes where a lane is a
//! series, and the padded units where there is one series ([`super::single_series`]). So each cell
//! is written once for both. To add one, see `docs/howto/cell.md`.

mod gru;
mod lstm;
mod min_gru;
mod simple_rnn;

use std::ops::Range;

use gatecast_core::order::{Activation, Cell};

use super::simd::Level;
use super::state_norm::{StateNorm, StateNormBack};

/// One cell's layout and kernels.
#[derive(Debug)]
pub(super) struct CellKernels {
    pub gates: GateLayout,
    /// Turns a step's pre-activations into activations and computes the new state.
    pub forward: fn(Step<'_>),
    /// Turns a step's activations into the gradients by its pre-activations.
    pub backward: fn(StepBack<'_>),
}

/// How the gates lie inside the engine, in blocks of `units` rows.
#[derive(Debug)]
pub(super) struct GateLayout {
    /// Blocks held for each step.
    pub blocks: usize,
    /// The number of blocks, from the first on, that the input's product fills.
    pub input: usize,
    /// The blocks that the recurrent product fills: none for a cell whose gates do not read the
    /// state.
    pub recurrent: Range<usize>,
    /// Block b of the input's product is gate b + `rotate` (mod the number of gates) of the
    /// parameters.
    pub rotate: usize,
    /// The blocks of each product that layer norm normalises together, counted within the product.
    pub input_norms: &'static [Group],
    pub recurrent_norms: &'static [Group],
}

/// Some neighbouring blocks of a product.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub first: usize,
    pub count: usize,
}

/// The one place that knows which cells there are.
pub(super) fn kernels(cell: Cell) -> &'static CellKernels {
    match cell {
        Cell::SimpleRnn => &simple_rnn::KERNELS,
        Cell::Lstm => &lstm::KERNELS,
        Cell::Gru => &gru::KERNELS,
        Cell::MinGru => &min_gru::KERNELS,
    }
}

/// One step forward.
pub(super) struct Step<'a> {
    pub level: Level,
    pub activation: Activation,
    /// In: pre-activations, with biases and both products added. Out: activations.
    pub gates: &'a mut [f32],
    /// h, `dilation` steps before.
    pub before: &'a [f32],
    /// Gets the new h.
    pub out: &'a mut [f32],
    pub cell: CellState<'a>,
    /// Over the pre-activation or the cell state; `None` without layer norm and for cells that have
    /// no such norm.
    pub norm: Option<StateNorm<'a>>,
    /// As long as `out`; holds nothing between steps.
    pub scratch: &'a mut [f32],
}

/// The cell state c of a step; empty for cells that carry none.
#[derive(Default)]
pub(super) struct CellState<'a> {
    pub before: &'a [f32],
    pub after: &'a mut [f32],
    /// Gets tanh of c (of the normalised c).
    pub squashed: &'a mut [f32],
    /// With layer norm: gets x̂ of c.
    pub normalised: &'a mut [f32],
}

/// One step back.
pub(super) struct StepBack<'a> {
    pub level: Level,
    pub activation: Activation,
    /// In: activations. Out: the gradients by the pre-activations.
    pub gates: &'a mut [f32],
    pub before: &'a [f32],
    pub out: &'a [f32],
    /// The whole gradient by h.
    pub d_out: &'a [f32],
    /// The gradient by h `dilation` steps before, to add to: only what does not pass through the
    /// recurrent product. `None` for the first steps, which read the zero state.
    pub d_before: Option<&'a mut [f32]>,
    pub cell: CellStateBack<'a>,
    pub norm: Option<StateNormBack<'a>>,
    pub scratch: &'a mut [f32],
}

/// The cell state of a step on the way back; empty for cells that carry none.
#[derive(Default)]
pub(super) struct CellStateBack<'a> {
    pub before: &'a [f32],
    pub squashed: &'a [f32],
    pub normalised: &'a mut [f32],
    /// In: the gradient by c, from later steps. Out: the one by c `dilation` steps before.
    pub d: &'a mut [f32],
}
